// What was measured of the pipelines that are shown, beside each other.

import { h, named, user } from "./dom.js";
import { written } from "./numbers.js";

/** A table with a column for each of `models` (their letters before them), as /v1/models describes them. */
export function facts(models) {
  const rows = [
    ["Pipeline", (one) => named(one.candidate)],
    ["Ranks by", (one) => one.ranks_by],
    ["Documents in its index", (one) => one.documents && written(one.documents)],
    ["Dimensions", (one) => one.dimensions.length && written(Math.max(...one.dimensions))],
    ["Bytes a vector", (one) => one.cost.bytes_per_vector && written(one.cost.bytes_per_vector)],
    ["Longest text", (one) => one.max_tokens && `${written(one.max_tokens)} tokens`],
    ["Median latency in the study", (one) => one.cost.p50_ms && `${written(one.cost.p50_ms)} ms`],
    ["95th-percentile latency in the study", (one) => one.cost.p95_ms && `${written(one.cost.p95_ms)} ms`],
    ["Memory in the study", (one) => one.cost.memory_mb && `${written(one.cost.memory_mb)} MB`],
    ...tasks(models),
  ].map(([title, cell]) => [title, models.map(([, model]) => cell(model.sizewise) || null)]);
  const known = rows.filter(([, cells]) => cells.some((cell) => cell !== null));
  return [
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "facts-title" }, h("table", {},
      h("thead", {}, h("tr", {}, h("td"), models.map(([letter, model]) => h("th", { scope: "col" }, h("span", { class: "letter" }, letter), " ", user(model.id))))),
      h("tbody", {}, known.map(([title, cells]) => h("tr", {}, h("th", { scope: "row" }, title), cells.map((cell) => h("td", {}, cell ?? "–"))))))),
    h("p", { class: "note" }, "–: not measured, or it does not apply. Scores are × 100 with 95% intervals, each of one score alone; ~ marks an interval that is approximate. The study’s report compares candidates in pairs."),
  ];
}

/** A row for each data set that any of them was scored on: those of the same name and other content are other ones. */
function tasks(models) {
  const key = (row) => [row.task, row.metric, row.protocol, row.fingerprint].join("\n");
  const all = new Map(models.flatMap(([, model]) => model.sizewise.measured.map((row) => [key(row), row])));
  return [...all].map(([wanted, row]) => [
    [user(row.task), ` (${row.metric}`, row.reference ? [", agreement with ", named(row.reference)] : "", ")"],
    (one) => { const found = one.measured.find((other) => key(other) === wanted); return found && score(found); },
  ]);
}

function score(row) {
  const [low, high] = row.ci95.map((end) => end.toFixed(1));
  return `${row.value.toFixed(1)} (${row.approximate ? "~" : ""}${low} to ${high})`;
}
