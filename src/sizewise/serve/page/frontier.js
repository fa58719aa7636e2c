// The study's candidates, quality against cost, with those that are shown marked; and the same as a table.

import { h, named, put, svg, user } from "./dom.js";
import { written } from "./numbers.js";
import { scale } from "./scale.js";
import { printable } from "./text.js";

const LEFT = 48, RIGHT = 20, TOP = 32, BOTTOM = 52;

/** Draws `study` into `place`; `letters`: by the name of a served model. The drawing follows the width of the place. */
export function drawFrontier(place, study, letters) {
  const told = h("p", { class: "told", "aria-hidden": "true" }), frame = h("div", { class: "chart" });
  const rows = study.rows.map((row) => ({ ...row, shown: row.served_as.map((name) => letters.get(name)).filter(Boolean).join(" ") }));
  put(place, h("p", { class: "note" }, intro(study, rows)), frame, told, legend(rows), table(study, rows));
  let width = 0;
  const watch = new ResizeObserver(() => {
    if (!frame.isConnected) return watch.disconnect();
    if (frame.clientWidth === width || frame.clientWidth === 0) return;
    width = frame.clientWidth;
    put(frame, drawing(study, rows, width, (row) => put(told, row ? sentence(study, row) : "Point at a mark, or go through them with the arrow keys.")));
  });
  watch.observe(frame);
}

function intro(study, rows) {
  const shown = rows.filter((row) => row.shown).map((row) => row.shown).join(" ");
  const missing = shown ? "" : " None of the pipelines above is among them.";
  return [`Every candidate of the study `, user(study.name), `: mean ${quality(study)} over tasks with its 95% interval, against ${axis(study)}. The mean is for the picture only: the decision looks at every task.${missing}`];
}

function quality(study) {
  return study.fidelity_only ? "agreement with the reference" : "score";
}

/** What the cost is, and in what. */
function axis(study) {
  return `${study.minimise.replaceAll("_", " ")} (${study.unit})`;
}

function drawing(study, rows, width, tell) {
  const height = Math.round(Math.min(420, Math.max(260, width * 0.55)));
  const x = scale(rows.map((row) => row.cost), [LEFT, width - RIGHT], { log: study.logarithmic, ticks: width < 500 ? 4 : 7 });
  const y = scale(rows.flatMap((row) => [row.low, row.high]), [height - BOTTOM, TOP], { ticks: 5 });
  const points = rows.map((row) => point(study, row, x.place(row.cost), y));
  const drawn = [...rows.keys()].sort((a, b) => weight(rows[a]) - weight(rows[b])).map((at) => points[at]); // what matters on top
  walked(points, rows, tell);
  tell(null);
  return svg("svg", { width, height, role: "group", "aria-label": `Quality against ${axis(study)}: ${rows.length} candidates, the cheapest first. Arrow keys go from one to the next.` },
    axes(study, x, y, width, height), svg("path", { class: "line", d: steps(rows, x, y) }), drawn);
}

function axes(study, x, y, width, height) {
  const base = height - BOTTOM;
  return svg("g", { class: "axes", "aria-hidden": "true" },
    y.ticks.map((value) => [svg("line", { x1: LEFT, x2: width - RIGHT, y1: y.place(value), y2: y.place(value) }), svg("text", { x: LEFT - 8, y: y.place(value) + 4, "text-anchor": "end" }, written(value))]),
    x.ticks.map((value) => [svg("line", { x1: x.place(value), x2: x.place(value), y1: base, y2: base + 5 }), svg("text", { x: x.place(value), y: base + 20, "text-anchor": "middle" }, written(value))]),
    svg("line", { class: "base", x1: LEFT, x2: width - RIGHT, y1: base, y2: base }),
    svg("text", { class: "title", x: 0, y: 14 }, `mean ${quality(study)} (x100)`),
    svg("text", { class: "title", x: (LEFT + width - RIGHT) / 2, y: height - 8, "text-anchor": "middle" }, `${axis(study)}${study.logarithmic ? ", logarithmic" : ""}`));
}

/** From each candidate of the frontier along its quality to the next dearer one. */
function steps(rows, x, y) {
  return rows.filter((row) => row.onFrontier).map((row, at) => (at ? `H${x.place(row.cost)}V${y.place(row.quality)}` : `M${x.place(row.cost)} ${y.place(row.quality)}`)).join("");
}

function point(study, row, left, y) {
  const top = y.place(row.quality);
  const ring = row.shown && [svg("circle", { class: "ring", cx: left, cy: top, r: 13 }), svg("text", { class: "name", x: left + 17, y: top - 9 }, row.shown)];
  return svg("g", { class: `point ${row.state}${row.shown ? " shown" : ""}`, role: "img", "aria-label": sentence(study, row) },
    svg("title", {}, sentence(study, row)), svg("line", { x1: left, x2: left, y1: y.place(row.low), y2: y.place(row.high) }), symbol(row.state, left, top), ring);
}

function symbol(state, x, y) {
  if (state === "recommended") return svg("path", { class: "mark", d: `M${x} ${y - 9}L${x + 9} ${y}L${x} ${y + 9}L${x - 9} ${y}Z` });
  return svg("circle", { class: "mark", cx: x, cy: y, r: state === "frontier" ? 6 : 4.5 });
}

/** One of them is reached by Tab, the others from it by arrows. */
function walked(points, rows, tell) {
  const first = Math.max(0, rows.findIndex((row) => row.shown));
  points.forEach((one, at) => {
    one.setAttribute("tabindex", at === first ? "0" : "-1");
    one.addEventListener("focus", () => tell(rows[at]));
    one.addEventListener("pointerenter", () => tell(rows[at]));
    one.addEventListener("keydown", (event) => {
      const to = { ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: points.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      if (!points[to]) return;
      one.setAttribute("tabindex", "-1");
      points[to].setAttribute("tabindex", "0");
      points[to].focus();
    });
  });
}

function weight(row) {
  return (row.shown ? 4 : 0) + { recommended: 2, frontier: 1, dominated: 0 }[row.state];
}

function sentence(study, row) {
  const who = row.shown ? `${row.shown}: ` : "";
  return `${who}${printable(row.candidate)}: ${row.quality.toFixed(1)} (${row.low.toFixed(1)} to ${row.high.toFixed(1)}), ${written(row.cost)} ${study.unit}, ${row.state}`;
}

function legend(rows) {
  const told = { recommended: "recommended", frontier: "frontier: no other is both cheaper and better", dominated: "dominated" };
  const key = (state, words) => h("li", {}, svg("svg", { width: 22, height: 22, "aria-hidden": "true" }, svg("g", { class: `point ${state}` }, symbol(state, 11, 11))), words);
  const ring = svg("svg", { width: 30, height: 30, "aria-hidden": "true" }, svg("g", { class: "point shown" }, svg("circle", { class: "ring", cx: 15, cy: 15, r: 13 })));
  return h("ul", { class: "key" }, Object.entries(told).filter(([state]) => rows.some((row) => row.state === state)).map(([state, words]) => key(state, words)),
    rows.some((row) => row.shown) ? h("li", {}, ring, "shown above") : "");
}

function table(study, rows) {
  const heads = ["candidate", axis(study), "mean score", "95% interval", "state", "shown as", "served as"];
  return h("details", {}, h("summary", {}, `The same as a table (${rows.length} candidates)`), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Candidates of the study" }, h("table", {},
    h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row" }, named(row.candidate)),
      [written(row.cost), row.quality.toFixed(1), `${row.low.toFixed(1)} to ${row.high.toFixed(1)}`, row.state, row.shown || "–", row.served_as.join(", ") || "–"].map((cell) => h("td", {}, user(cell)))))))));
}
