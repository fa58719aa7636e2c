// What is said of a document that one list has: where it stands in the other one. Words, signs and lines, not colour alone.

import { h } from "./dom.js";
import { signed } from "./numbers.js";

/** `rank` here, `there` in the list called `other`, undefined where that one has it not. */
export function mark(rank, there, other) {
  if (there === undefined) return h("p", { class: "mark only" }, h("span", { "aria-hidden": "true" }, "◆ "), "only here");
  if (there === rank) return h("p", { class: "mark both" }, h("span", { "aria-hidden": "true" }, "= "), `same place in ${other}`);
  return h("p", { class: "mark both" }, h("strong", {}, signed(there - rank)), ` (${there} in ${other})`);
}

/** Both lists in a sentence. */
export function summary(found) {
  const parts = [`${found.common.length} of ${found.of} in common`];
  if (found.correlation !== null) parts.push(`rank correlation of these ${found.correlation.toFixed(2).replace("-", "−")}`);
  parts.push(`first result ${found.sameFirst ? "the same" : "different"}`);
  return `${parts.join(", ")}.`;
}

/** What the signs mean, in two lists or in one. */
export function legend(asOne) {
  const signs = asOne ? "+3 in A: three places higher in A than in B. –, only: not among the first results of the other."
    : "+3 (4 in B): in both lists, and three places higher here than in B. Only here: not among the first results of the other.";
  return `${signs} Rank correlation is Kendall’s: 1 is the same order, −1 the reverse.`;
}
