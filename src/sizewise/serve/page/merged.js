// Both lists as one: each document once, with its rank in both. On a narrow screen two lists cannot be seen at a time.

import { merged } from "./agree.js";
import { h, user } from "./dom.js";
import { signed } from "./numbers.js";
import { body } from "./results.js";

const SHORT = 160;

export function oneList(a, b) {
  return h("ol", { class: "merged" }, merged(a, b).map((row) => h("li", { class: row.a && row.b ? null : "only" }, h("div", { class: "found" },
    h("p", { class: "ranks" }, place("A", row.a), place("B", row.b), h("span", { class: "mark" }, told(row))),
    h("h3", {}, user(row.document.title || row.document.id)), body(row.document, SHORT)))));
}

function place(letter, rank) {
  return h("span", { class: rank ? "place" : "place none" }, h("span", { class: "letter" }, letter), rank ? ` ${rank}` : " –", " ");
}

function told({ a, b }) {
  if (!a || !b) return `only in ${a ? "A" : "B"}`;
  return a === b ? "same place" : `${signed(b - a)} in A`;
}
