// Requests to the server, with the key that was typed, and what went wrong with them.

const KEPT = "sizewise.key";
let key = kept()?.getItem(KEPT) ?? "";

/** A request that was not answered as it should be. */
export class Failure extends Error {
  /** `status` 0: there was no answer at all. `wait`: seconds that the server asks for. */
  constructor(status, message, wait = 0) {
    super(message);
    this.status = status;
    this.wait = wait;
  }
}

/** Send `text` as the key from now on; `keep` it until the tab is closed. */
export function useKey(text, keep) {
  key = text.trim();
  if (keep) kept()?.setItem(KEPT, key);
  else kept()?.removeItem(KEPT);
}

export function hasKey() {
  return key !== "";
}

/** The JSON at `path`, with how long it took from here. Raises Failure. */
export async function ask(path, body, signal) {
  const headers = { accept: "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  if (body) headers["content-type"] = "application/json";
  const started = performance.now();
  let answer, found;
  try {
    answer = await fetch(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal, cache: "no-store" });
    found = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (answer) throw new Failure(answer.status, `The server's answer cannot be read (status ${answer.status}).`);
    throw new Failure(0, "The server does not answer. Is it running?");
  }
  if (!answer.ok) throw new Failure(answer.status, said(found, answer.status), wait(answer.headers));
  return { ...found, round_ms: performance.now() - started };
}

export function search(model, query, depth, signal) {
  return ask("search", { model, query, top_k: depth }, signal);
}

/** Servers have two forms for it. */
function said(found, status) {
  const message = found?.error?.message ?? found?.error;
  return typeof message === "string" && message ? message[0].toUpperCase() + message.slice(1) : `The server answered with status ${status}.`;
}

function wait(headers) {
  const fine = Number(headers.get("retry-after-ms")), coarse = Number(headers.get("retry-after"));
  return (fine > 0 ? fine / 1000 : coarse) || 0;
}

/** The tab's own storage; null where the browser forbids it. */
function kept() {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}
