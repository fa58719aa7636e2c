// One list of results.

import { h, named, put, user } from "./dom.js";
import { mark } from "./marks.js";
import { written } from "./numbers.js";
import { clipped, printable, words } from "./text.js";
import { latency } from "./times.js";

const FIELD = 120;

/** The list of pipeline `letter`. `places`: ranks in the other list by id; null where there is no other one. */
export function column(letter, model, results, times, places, other) {
  const scale = scores(results);
  return h("section", { class: "list", "aria-labelledby": `list-${letter}` },
    h("h3", { id: `list-${letter}` }, h("span", { class: "letter" }, letter), " ", user(model.id)),
    h("p", { class: "note" }, named(model.sizewise.candidate)),
    h("div", { id: `latency-${letter}` }, latency(times)),
    results.length ? h("ol", {}, results.map((one) => result(one, scale, places && mark(one.rank, places.get(one.id), other)))) : h("p", {}, "Nothing found."),
    results.length ? h("p", { class: "note" }, `Bars show scores from ${scale.told}. Scores of two pipelines are on different scales: compare ranks.`) : "");
}

function result(one, scale, told) {
  const bar = h("span", { class: "bar", "aria-hidden": "true" }, h("span"));
  bar.firstChild.style.width = `${100 * scale.share(one.score)}%`;
  return h("li", { class: told?.classList.contains("only") ? "only" : null }, h("span", { class: "rank" }, one.rank), h("div", { class: "found" },
    h("h4", {}, user(one.title || one.id)), told,
    h("p", { class: "score" }, `score ${written(one.score)}`, bar), body(one)));
}

/** Text, fields and id of a document; a text of more than about `most` characters can be opened. */
export function body(one, most = 280) {
  const short = clipped(one.text, most), text = h("p", { class: "text" }, user(short));
  const fields = Object.entries(one.fields ?? {});
  let open = false;
  const more = h("button", { type: "button", class: "more", "aria-expanded": "false", click: () => {
    open = !open;
    put(text, user(open ? one.text : short));
    more.setAttribute("aria-expanded", String(open));
    more.textContent = label();
  } });
  const label = () => (open ? "Show less" : `Show all ${words(one.text).toLocaleString("en-GB")} words`);
  more.textContent = label();
  return [one.text ? text : "", short === one.text ? "" : more,
    fields.length ? h("dl", { class: "fields" }, fields.map(([name, value]) => h("div", {}, h("dt", {}, user(name), ": "), h("dd", {}, user(shown(value)))))) : "",
    one.title ? h("p", { class: "note id" }, user(one.id)) : ""];
}

function shown(value) {
  const text = Array.isArray(value) ? value.join(", ") : String(value);
  return text.length > FIELD ? clipped(printable(text), FIELD) : text;
}

/** From zero where no score is below it, else from the lowest. */
function scores(results) {
  const all = results.map((one) => one.score), top = Math.max(...all), low = Math.min(...all);
  const from = low >= 0 ? 0 : low;
  return { share: (score) => (top > from ? (score - from) / (top - from) : 1), told: from === 0 ? "zero to the best of this list" : "the lowest to the best of this list" };
}
