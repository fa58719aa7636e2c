// What the page shows of a decision, section by section.

const VERDICTS = { proven: ["proven", "Proven"], "best guess": ["guess", "Best guess"], none: ["none", "No recommendation"] };

function drawAnswer(run, found) {
  const [style, title] = VERDICTS[found.choice.verdict];
  const [first, ...rest] = sentences(run, found);
  const body = document.getElementById("answer-body");
  body.className = style;
  body.replaceChildren(h("p", { class: "badge" }, title), h("p", { class: "first" }, user(first)), ...rest.map((words) => h("p", {}, user(words))));
}

function points(value, digits = 1) {
  return LIMITLESS(value) ? "–" : fixed(value, digits);
}

function scored(value, low, high, approximate) {
  if (LIMITLESS(value)) return "–";
  return [points(value), h("small", { title: approximate || null }, `${points(low)} to ${points(high)}${approximate ? " ~" : ""}`)];
}

/** How the recommended one's score differs from another's: what it may lose and gain, as the decision bounds it. */
function difference(run, t, other, chosen) {
  const size = run.candidates.length, a = run.row.get(other), b = run.row.get(chosen);
  const value = run.points[t][a] - run.points[t][b];
  if (!run.bounds || !run.tasks[t].can_prove) return [signed(value, 1), null, null];
  return [signed(value, 1), -run.bounds[t][a * size + b] / 100, run.bounds[t][b * size + a] / 100];
}

// ---- the frontier

function drawFrontier(run, found, view, changed) {
  const { axis } = view, drawnShapes = view.shapes ?? !stretched(run, axis);
  const box = h("input", { type: "checkbox", checked: drawnShapes, change: (event) => changed({ shapes: event.target.checked }) });
  put("frontier-tools", chooser("Cost axis", run.costs.known.map((name) => [name, titled(run, name)]), axis, (name) => changed({ axis: name })),
    run.shapes.length ? h("label", { class: "box" }, box, "shapes of random weights") : "");
  const ladder = run.ladders[axis], labelled = new Set([found.choice.candidate]);
  for (const step of run.marginal[axis]) labelled.add(step.start).add(step.to);
  const labels = labelsFor(ladder.filter((point) => labelled.has(point.candidate)), found.choice.candidate);
  const rows = ladder.map((point) => ({
    ...point, onFrontier: point.on_frontier, state: state(found, point), label: labels.get(point.candidate) ?? "", ...tips(run, axis, point),
  }));
  const shapes = run.shapes.filter((name) => drawnShapes && figure(run, name, axis) > 0)
    .map((name) => ({ candidate: name, cost: figure(run, name, axis), quality: null, state: "shape (no score)", label: "", onFrontier: false, ...shapeTips(run, found, name) }));
  rows.sort((a, b) => (a.candidate === found.choice.candidate) - (b.candidate === found.choice.candidate)); // drawn last, on top
  drawChart(run, axis, [...rows, ...shapes]);
  const likely = ladder.filter((point) => point.on_frontier).length;
  put("frontier-note", `${ladder.length} candidates, ${likely} on the frontier (no other is both cheaper and better). Bars are 95% intervals of the mean over tasks, which is for plots only: the decision looks at every task. Crosses break a limit.`);
  drawShapes(run, found);
}

/** Names that do not cover each other, about: the chosen one first, without what all of them begin with. */
function labelsFor(points, chosen) {
  const names = points.map((point) => point.candidate), { clientWidth: width, clientHeight: height } = document.getElementById("chart");
  let shared = names[0]?.match(/^[^@+]*/)[0] ?? "";
  if (!names.every((name) => name.startsWith(shared)) || names.length < 2) shared = "";
  const extent = (values) => [Math.min(...values), Math.max(...values)];
  const [left, right] = extent(points.map((point) => Math.log(point.cost || 1))), [low, high] = extent(points.map((point) => point.quality));
  const placed = [], labels = new Map();
  for (const point of [...points].sort((a, b) => (b.candidate === chosen) - (a.candidate === chosen) || b.quality - a.quality)) {
    const text = point.candidate.slice(shared.length) || point.candidate;
    const x = ((Math.log(point.cost || 1) - left) / (right - left || 1)) * width * 0.85, y = ((point.quality - low) / (high - low || 1)) * height * 0.6;
    const end = x + 7 * text.length;
    if (placed.some((other) => Math.abs(other.y - y) < 14 && x < other.end && other.x < end)) continue;
    placed.push({ x, y, end });
    labels.set(point.candidate, text);
  }
  return labels;
}

/** Whether the shapes are so much dearer that the candidates would be drawn in a corner. */
function stretched(run, axis) {
  const dearest = (names) => Math.max(0, ...names.map((name) => figure(run, name, axis) ?? 0));
  return dearest(run.shapes) > 5 * dearest(run.candidates);
}

function state(found, point) {
  if (point.candidate === found.choice.candidate) return "recommended";
  if (found.infeasible.has(point.candidate)) return "beyond a limit";
  return point.on_frontier ? "frontier" : "dominated";
}

function tips(run, axis, point) {
  const shown = {
    tip_cost: amount(run, axis, point.cost), tip_quality: points(point.quality),
    tip_interval: `${points(point.low)} to ${points(point.high)}`,
    tip_surely: `${fixed(100 * point.probability, 0)}% of resamples`,
    tip_source: run.figures[point.candidate].source,
  };
  const at = run.row.get(point.candidate);
  run.tasks.forEach((task, t) => { shown[`tip_task${t}`] = run.points[t][at] === null ? "–" : `${points(run.points[t][at])} (${points(run.low[t][at])} to ${points(run.high[t][at])})`; });
  for (const name of run.costs.told) shown[`tip_${name}`] = LIMITLESS(figure(run, point.candidate, name)) ? "not measured" : written(figure(run, point.candidate, name));
  return shown;
}

function shapeTips(run, found, name) {
  const one = found.breakEven.find((shape) => shape.shape === name);
  const needed = one ? one.scores.map(([task, score]) => `${fixed(score, 1)} on ${task}`).join(", ") : "–";
  const shown = { tip_cost: "", tip_quality: "random weights: none", tip_interval: `to be worth more: above ${needed}`, tip_surely: "–", tip_source: run.figures[name].source };
  run.tasks.forEach((_, t) => { shown[`tip_task${t}`] = "–"; });
  for (const cost of run.costs.told) shown[`tip_${cost}`] = LIMITLESS(figure(run, name, cost)) ? "not measured" : written(figure(run, name, cost));
  return shown;
}

let drawn = 0;

function drawChart(run, axis, rows) {
  const turn = ++drawn, style = getComputedStyle(document.documentElement);
  const [ink, faint, line] = ["--ink", "--faint", "--line"].map((name) => style.getPropertyValue(name).trim());
  const layer = run.charts[axis].layer.filter((one) => one.name !== "shapes" || rows.some((row) => row.quality === null));
  const spec = { ...run.charts[axis], layer, data: { values: rows }, width: "container", height: "container", autosize: { type: "fit", contains: "padding" } };
  const config = {
    background: null, view: { stroke: line }, font: "system-ui, sans-serif",
    axis: { labelColor: faint, titleColor: ink, gridColor: line, domainColor: faint, tickColor: faint, titleFontWeight: "normal" },
    legend: { labelColor: ink, symbolStrokeWidth: 0 }, text: { color: ink },
  };
  const options = { ast: true, actions: false, renderer: "svg", defaultStyle: false, config, tooltip: { disableDefaultStyle: true } };
  const frame = h("div", { class: "chart" });
  frame.style.cssText = "width: 100%; height: 100%";
  const place = document.getElementById("chart");
  if (!place.firstChild) place.append(frame); else place.replaceChildren(frame);
  return vegaEmbed(frame, spec, options).then((result) => {
    if (turn !== drawn) result.finalize();
  });
}

function drawShapes(run, found) {
  if (!found.breakEven.length) return put("shapes");
  const columns = [{ title: "shape" }, { title: run.costs.short[found.terms.minimise] ?? found.terms.minimise }, { title: "times dearer" },
    ...found.choice.tasks.map((one) => ({ title: `needed on ${one.task}` }))];
  const rows = found.breakEven.map((one) => ({
    cells: [one.shape, written(one.cost), grouped(one.times, 1), ...one.scores.map(([, score]) => (score <= 100 ? fixed(score, 1) : "over 100: never"))],
    keys: [one.shape, one.cost, one.times, ...one.scores.map(([, score]) => score)],
  }));
  put("shapes", h("h3", {}, "Shapes: what they would have to score"), table("Random weights of a known architecture have a cost and no quality. To be worth its cost, a model of such a shape must score above these, on one task at least.", columns, rows));
}

// ---- steps, certainty

function drawSteps(run, axis) {
  const steps = run.marginal[axis];
  if (!steps.length) return put("steps-body", h("p", { class: "note" }, "The frontier has one rung: nothing to step up to."));
  const columns = [{ title: "from", sort: false }, { title: "to", sort: false, words: true }, { title: run.costs.short[axis] ?? axis, sort: false },
    ...steps[0].gains.map((gain) => ({ title: `gain on ${gain.task}`, sort: false }))];
  const rows = steps.map((step) => ({ cells: [named(step.start), named(step.to), [written(step.cost_from), h("small", {}, `to ${written(step.cost_to)}`)],
    ...step.gains.map((one) => [signed(one.gain, 1), h("small", { title: one.approximate || null }, `${signed(one.low, 1)} to ${signed(one.high, 1)}${one.approximate ? " ~" : ""}`)])] }));
  put("steps-body", table("Each step up the frontier: points gained on each task, with paired 95% intervals (~: approximate), and what it costs.", columns, rows));
}

function drawSure(run, found) {
  const { tasks } = found.choice;
  if (!tasks.length) return put("sure-body", h("p", { class: "note" }, "Nothing is recommended, so there is nothing to be sure of."));
  const wanted = [0.5, 1, 2, 5];
  const columns = [{ title: "task" }, { title: "units" }, { title: "groups" }, { title: "loss" }, { title: "decides from" }, { title: "margin" }, ...wanted.map((margin) => ({ title: `units for ${margin}` }))];
  const rows = tasks.map((one) => {
    const task = run.tasks.find((other) => other.name === one.task);
    const needs = wanted.map((margin) => one.bound === null ? null : one.bound < margin ? task.units : unitsNeeded(one.loss, one.bound, margin, task.units));
    return {
      cells: [user(one.task), grouped(task.units, 0), grouped(task.groups, 0), points(one.loss), one.bound === null ? "too few units" : points(one.bound, 2), general(one.margin, 6),
        ...needs.map((need) => need === null ? "–" : need === task.units ? "enough" : need > 1e6 ? (Number.isFinite(need) ? "over a million" : "no number") : `about ${grouped(need, 0)}`)],
      keys: [one.task, task.units, task.groups, one.loss, one.bound, one.margin, ...needs],
    };
  });
  put("sure-body", table("For the recommended candidate: points lost by point estimate, the smallest margin that these data prove (decides from), and about how many units would prove other margins; “no number” where the measured loss itself is larger.", columns, rows));
}

// ---- scores

function drawScores(run, found) {
  const chosen = found.choice.candidate;
  const order = run.ladders[found.terms.minimise].map((point) => point.candidate);
  const names = [...order, ...run.candidates.filter((name) => !order.includes(name))];
  const columns = [{ title: "candidate" }, { title: run.costs.short[found.terms.minimise] ?? found.terms.minimise },
    ...run.tasks.flatMap((task) => [{ title: `${task.name} ${task.metric}` }, ...(chosen ? [{ title: "difference" }] : [])])];
  const rows = names.map((name) => {
    const at = run.row.get(name), cost = figure(run, name, found.terms.minimise);
    const cells = [named(name), cost === null ? "–" : written(cost)], keys = [name, cost];
    run.tasks.forEach((_, t) => {
      cells.push(scored(run.points[t][at], run.low[t][at], run.high[t][at], run.approximate[t][at]));
      keys.push(run.points[t][at]);
      if (!chosen) return;
      const known = run.points[t][at] !== null && run.points[t][run.row.get(chosen)] !== null && name !== chosen;
      const [value, low, high] = known ? difference(run, t, name, chosen) : ["–", null, null];
      cells.push(low === null ? value : [value, h("small", {}, `${signed(low, 1)} to ${signed(high, 1)}`)]);
      keys.push(known ? run.points[t][at] - run.points[t][run.row.get(chosen)] : null);
    });
    return { cells, keys, marks: name === chosen ? "chosen" : found.infeasible.has(name) ? "outside" : null, find: name.toLowerCase() };
  });
  put("scores-body",
    table(`Scores (x100) with 95% intervals (~: approximate), and differences against the recommended candidate with the bounds that the decision uses: each end holds with 95% confidence, for all candidates together.`, columns, rows, { search: "Search candidates", most: 60 }),
    drawSlices(run, found), drawGroups(run));
}

function drawSlices(run, found) {
  const names = [...new Set([found.choice.candidate, found.best])].filter(Boolean);
  if (!run.slices.length || !names.length) return null;
  const columns = [{ title: "slice" }, { title: "task", words: true }, { title: "units" }, ...names.map((name) => ({ title: name })), ...(names.length > 1 ? [{ title: "difference" }] : [])];
  const rows = run.slices.map((one) => {
    const at = names.map((name) => run.row.get(name));
    const cells = at.map((row) => scored(one.scores[row], one.low[row], one.high[row], one.approximate[row]));
    const both = at.length > 1 && at.every((row) => one.scores[row] !== null), gap = both ? one.scores[at[0]] - one.scores[at[1]] : null;
    return { cells: [user(one.name), user(one.task), grouped(one.units, 0), ...cells, ...(names.length > 1 ? [both ? signed(gap, 1) : "–"] : [])], keys: [one.name, one.task, one.units, ...at.map((row) => one.scores[row]), gap] };
  });
  return [h("h3", {}, "By slice"), table("The recommended candidate and the best plain one on each slice that the data name.", columns, rows, { most: 100 })];
}

function drawGroups(run) {
  const shown = run.groups.filter((one) => one.shown.length);
  if (!shown.length) return null;
  const columns = [{ title: "group" }, { title: "task", words: true }, { title: "units" }, { title: "recommended" }, { title: "best" }, { title: "difference" }, { title: "takes from the mean" }];
  const rows = shown.flatMap((task) => task.shown.map((one) => ({
    cells: [user(one.name), user(task.task), grouped(one.units, 0), points(one.score), points(one.other_score),
      LIMITLESS(one.low) ? signed(one.difference, 1) : [signed(one.difference, 1), h("small", { title: one.approximate || null }, `${signed(one.low, 1)} to ${signed(one.high, 1)} ~`)], signed(one.part, 2)],
    keys: [one.name, task.task, one.units, one.score, one.other_score, one.difference, one.part], find: one.name.toLowerCase(),
  })));
  const about = shown.map((one) => `${one.task}: ${one.candidate} against ${one.other}, worse in ${one.lost} of ${one.groups} groups, better in ${one.gained}`);
  return [h("h3", {}, "By group"), table(`Groups of units that take most from the mean. ${about.join("; ")}.`, columns, rows, { most: 60 })];
}

// ---- costs

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
  const sum = (names) => names.every(([value]) => !LIMITLESS(value)) && parts.push(names.map(([part, name]) => `${written(part)} ${name}`));
  if (cost.endsWith("_ms") && search?.[cost] !== undefined) sum([[value - search[cost], "encode"], [search[cost], "search"]]);
  if (cost === "memory_mb" && search) sum([[figures.peak_memory_mb, "process"], [search.index_mb, "index"]]);
  if (cost === "monthly_cost") sum([[figures.serving_cost, "serving"], [figures.bulk_cost, "bulk"], [figures.storage_cost, "storage"]]);
  if (whole && !LIMITLESS(whole[cost]) && (cost.endsWith("_ms") || cost === "memory_mb")) parts.push(`${written(whole[cost])} end to end`);
  return [shown, parts.flat().map((part) => h("small", {}, part))];
}

// ---- what breaks

function drawBreaks(run, found) {
  const said = [];
  if (run.breaks_of && found.choice.candidate !== run.breaks_of)
    said.push(h("p", { class: "note" }, "These are the units of ", user(run.breaks_of), ", recommended when this page was written. For what is recommended now, write the page again: ", h("code", { class: "command" }, command(run, found.terms).replace("sizewise recommend", "sizewise report"))));
  for (const one of run.breaks) {
    const against = one.other ? `${one.candidate} against ${one.other}: worse on ${grouped(one.lost, 0)} of ${grouped(one.units, 0)} units, better on ${grouped(one.gained, 0)}. ` : "";
    said.push(h("p", { class: "note" }, user(`${one.task}: ${against}${one.note}`)));
  }
  const made = run.breaks.flatMap((task) => task.shown.map((one) => ({ task, one, find: JSON.stringify(one).toLowerCase(), element: null })));
  if (!made.length) return put("breaks-body", ...said);
  let shown = 20, wanted = "", only = "";
  const list = h("div"), more = h("button", { type: "button", click: () => { shown += 20; show(); } }, "Show more");
  const status = h("p", { class: "hint", role: "status" });
  const show = () => {
    const hits = made.filter(({ task, find }) => (!only || task.task === only) && (!wanted || find.includes(wanted)));
    list.replaceChildren(...hits.slice(0, shown).map((entry) => (entry.element ??= drawCase(entry.task, entry.one))));
    more.hidden = hits.length <= shown;
    status.textContent = `${hits.length} units, those that lose most first`;
  };
  show();
  put("breaks-body", ...said,
    h("div", { class: "tools" },
      h("label", {}, "Search texts", h("input", { type: "search", input: (event) => { wanted = event.target.value.toLowerCase(); show(); } })),
      chooser("Task", [["", "all"], ...run.breaks.map((one) => [one.task, one.task])], "", (name) => { only = name; show(); })),
    status, list, more);
}

function drawCase(task, one) {
  const where = [task.task, `unit ${one.unit}`, one.group && `group ${one.group}`, one.slice && `slice ${one.slice}`].filter(Boolean).join(" · ");
  const summary = h("summary", {}, h("span", { class: "fell" }, `${points(one.other_value)} → ${points(one.value)}`), one.case ? user(one.case.texts.join(" ⟷ ")) : "", h("small", { class: "hint" }, " ", user(where)));
  if (!one.case) return h("p", { class: "case" }, ...summary.childNodes);
  const body = h("div", { class: "sides" });
  const details = h("details", { class: "case", toggle: () => {
    if (details.open && !body.firstChild) body.append(...expected(one.case), side(task.other, one.other_value, one.other_case), side(task.candidate, one.value, one.case));
  } }, summary, body);
  return details;
}

/** What was wanted of the unit, where the answers alone do not show it. */
function expected(one) {
  if (one.shape === "ranked" && one.expected.length)
    return [h("div", { class: "expected" }, h("h3", {}, "Expected"), h("ol", {}, one.expected.map((passage) => h("li", {}, user(passage.text)))), one.more ? h("p", { class: "hint" }, `and ${one.more} more`) : "")];
  if (one.shape === "scored" && one.expected)
    return [h("div", { class: "expected" }, h("h3", {}, "Expected"), h("p", {}, `${one.word ? `${one.word}: ` : ""}${level(one.expected)}`))];
  if (one.shape === "labelled") return [h("div", { class: "expected" }, h("h3", {}, "Expected"), h("p", {}, user(one.expected)))];
  return [];
}

function side(candidate, value, one) {
  return h("div", {}, h("h3", {}, user(candidate), ` (${points(value)})`), answered(one));
}

function answered(one) {
  if (one.shape === "ranked")
    return h("ol", {}, one.answered.map((passage) => h("li", { class: passage.relevant ? "right" : null }, user(passage.text),
      passage.relevant ? h("span", { class: "tag" }, " ✓ relevant") : "", h("small", { class: "hint" }, ` ${written(passage.score)}`))));
  if (one.shape === "scored") return h("p", {}, level(one.answered));
  if (one.shape === "labelled")
    return h("ul", {}, one.answered.map((label) => h("li", { class: label.right ? "right" : null }, user(label.name), label.share < 1 ? ` (${fixed(100 * label.share, 0)}%)` : "")));
  return h("p", {}, "");
}

function level(one) {
  return `${general(one.value, 3)}, higher than ${fixed(100 * one.rank, 0)}% of the pairs`;
}

// ---- how it was made

function drawMade(run) {
  const { environment, seconds } = run;
  const lines = (pairs) => h("dl", {}, Object.entries(pairs).filter(([, value]) => !LIMITLESS(value) && value !== "").map(([name, value]) => [h("dt", {}, name), h("dd", {}, user(String(value)))]));
  const cut = run.truncation.filter((one) => one.truncated_texts).map((one) => `${one.model} on ${one.task}: ${grouped(one.truncated_texts, 0)} of ${grouped(one.texts, 0)} texts (${grouped(one.cut_tokens, 0)} of ${grouped(one.tokens, 0)} tokens)`);
  const notes = run.tasks.flatMap((task) => task.notes.map((note) => `${task.name}: ${note}`));
  const written = (pairs) => Object.entries(pairs).filter(([, value]) => !LIMITLESS(value)).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(", ");
  put("made-body",
    lines({
      "Processor": `${environment.processor}, ${environment.processors} processors, ${environment.threads} threads, ${environment.memory_gb} GB`,
      "Accelerator": environment.accelerator, "System": `${environment.system}, Python ${environment.python}`,
      "Versions": Object.entries(environment.versions).map(([name, version]) => `${name} ${version}`).join(", "),
      "Cost was measured on": Object.entries(run.cost_texts).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(", "),
      "Prices": written(run.prices), "Documents": grouped(run.documents, 0),
      "Seconds": written(seconds),
      "Two measurements differ by": `latency ${fixed(100 * run.drift.p95_ms, 0)}%, throughput ${fixed(100 * run.drift.texts_per_s, 0)}%; costs closer than that tie`,
    }),
    notes.length ? [h("h3", {}, "About the tasks"), h("ul", {}, notes.map((note) => h("li", {}, user(note))))] : [],
    cut.length ? [h("h3", {}, "Texts cut off at a model's limit"), h("ul", {}, cut.map((one) => h("li", {}, user(one))))] : [],
    run.confirmation ? drawConfirmation(run.confirmation) : [],
    h("h3", {}, "Again"), h("p", {}, "Decide again: "), h("code", { class: "command" }, `sizewise recommend ${quoted(run.folder)}`),
    h("p", {}, "Write this page again: "), h("code", { class: "command" }, `sizewise report ${quoted(run.folder)}`),
    h("p", { class: "note" }, `Made by Sizewise ${environment.versions.sizewise ?? ""}. The page is whole in itself: it asks no network for anything. The matrices and raw records are in the run folder.`));
}

function drawConfirmation(logged) {
  const lines = logged.tasks.map((one) => `${one.task}: ${points(one.score)} on ${grouped(one.units, 0)} units, loss ${signed(one.loss, 1)} (${signed(one.low, 1)} to ${signed(one.high, 1)}${one.approximate ? " ~" : ""}), ${one.holds ? "within the margin" : "not shown to be within the margin"} of ${general(one.margin, 6)}.`);
  return [h("h3", {}, "Held-out units"), h("p", {}, `Opened on ${logged.opened} for `, user(logged.candidate), ":"), h("ul", {}, lines.map((line) => h("li", {}, user(line))))];
}
