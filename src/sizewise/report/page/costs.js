// Costs and their parts.

function drawCosts(run, found) {
  const known = [...new Set([found.terms.minimise, ...costsFirst(run)])].filter((name) => run.costs.known.includes(name) && (!run.costs.money.includes(name) || name === "monthly_cost"));
  const columns = [{ title: "candidate" }, ...known.map((name) => ({ title: run.costs.short[name] ?? name.replaceAll("_", " ") })), { title: "source", words: true }];
  const rows = [...run.candidates, ...run.shapes].map((name) => ({
    cells: [named(name), ...known.map((cost) => costCell(run, name, cost)), run.figures[name].source],
    keys: [name, ...known.map((cost) => figure(run, name, cost)), run.figures[name].source],
    marks: name === found.choice.candidate ? "chosen" : found.infeasible.has(name) ? "outside" : null, find: name.toLowerCase(),
  }));
  put("costs-body", table("Latency is one text at a time, from query to ranking: the encoder's, measured in a process of its own, and the search's. Composed figures are added up from their parts; “end to end” is the whole pipeline measured again.", columns, rows, { search: "Search candidates", most: 60 }));
}

/** Costs in the order of their use: those that people ask for, then the rest. */
function costsFirst(run) {
  return [...new Set([...run.costs.told, "disk_mb", "parameters", ...run.costs.known])];
}

function costCell(run, name, cost) {
  const value = figure(run, name, cost), figures = run.figures[name], search = run.searches[name], whole = run.end_to_end[name];
  if (value === null) return "–";
  const shown = cost === "parameters" ? `${grouped(value / 1e6, 1)}M` : written(value), parts = [];
  const sum = (names) => names.every(([value]) => !missing(value)) && parts.push(names.map(([part, name]) => `${written(part)} ${name}`));
  if (cost.endsWith("_ms") && search?.[cost] !== undefined) sum([[value - search[cost], "encode"], [search[cost], "search"]]);
  if (cost === "memory_mb" && search) sum([[figures.peak_memory_mb, "process"], [search.index_mb, "index"]]);
  if (cost === "monthly_cost") sum([[figures.serving_cost, "serving"], [figures.bulk_cost, "bulk"], [figures.storage_cost, "storage"]]);
  if (whole && !missing(whole[cost]) && (cost.endsWith("_ms") || cost === "memory_mb")) parts.push(`${written(whole[cost])} end to end`);
  return [shown, parts.flat().map((part) => h("small", {}, part))];
}
