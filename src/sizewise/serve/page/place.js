// The address: what is asked stands behind its #, so that it can be sent to somebody, and never reaches a server's log.

/** {query, a, b, depth}; what the address does not say is "". */
export function read() {
  const found = new URLSearchParams(location.hash.slice(1));
  return { query: found.get("q") ?? "", a: found.get("a") ?? "", b: found.get("b") ?? "", depth: found.get("k") ?? "" };
}

/** A new query is a new page to go back from; another model or number is not. */
export function write({ query, a, b, depth }) {
  const hash = `#${new URLSearchParams({ q: query, a, ...(b ? { b } : {}), k: depth })}`;
  if (hash === location.hash) return;
  if (read().query && read().query !== query) history.pushState(null, "", hash);
  else history.replaceState(null, "", hash);
}
