// Quality against cost: the chart, and what shapes would have to score.

function drawFrontier(run, found, view, changed) {
  if (!run.costs.known.length) return put("frontier-note", "No cost of a candidate with a score was measured.");
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
  for (const name of run.costs.told) shown[`tip_${name}`] = missing(figure(run, point.candidate, name)) ? "not measured" : written(figure(run, point.candidate, name));
  return shown;
}

function shapeTips(run, found, name) {
  const one = found.breakEven.find((shape) => shape.shape === name);
  const needed = one ? one.scores.map(([task, score]) => `${fixed(score, 1)} on ${task}`).join(", ") : "–";
  const shown = { tip_cost: "", tip_quality: "random weights: none", tip_interval: `to be worth more: above ${needed}`, tip_surely: "–", tip_source: run.figures[name].source };
  run.tasks.forEach((_, t) => { shown[`tip_task${t}`] = "–"; });
  for (const cost of run.costs.told) shown[`tip_${cost}`] = missing(figure(run, name, cost)) ? "not measured" : written(figure(run, name, cost));
  return shown;
}

let turns = 0, shownView = null;

function drawChart(run, axis, rows) {
  const turn = ++turns, style = getComputedStyle(document.documentElement);
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
    if (turn !== turns) return result.finalize();
    shownView?.finalize(); // else its listeners keep it, and all its rows
    shownView = result;
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
