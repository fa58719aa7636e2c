// What was found, by one pipeline or two: in a sentence, and as two lists or one.

import { agreement } from "./agree.js";
import { at, h, LETTERS, put, user } from "./dom.js";
import { legend, summary } from "./marks.js";
import { oneList } from "./merged.js";
import { column } from "./results.js";
import { latency } from "./times.js";

/** How far the answers of `models` agree. */
export function told(answers, models) {
  const lists = answers.map((one) => one.results);
  return lists.length > 1 ? summary(agreement(...lists)) + differing(models) : `${lists[0].length} results.`;
}

/** `asOne`: two lists as one. */
export function drawAnswers({ models, answers, times }, asOne) {
  const lists = answers.map((one) => one.results), two = lists.length > 1;
  put("legend", two ? legend(asOne) : "");
  at("legend").hidden = !two;
  if (two && asOne) return put("shown", heads(models, times), oneList(...lists));
  const { places } = two ? agreement(...lists) : { places: [null] };
  put("shown", h("div", { class: two ? "lists" : "" }, lists.map((list, side) =>
    column(LETTERS[side], models[side], list, times[side], places[side], LETTERS[1 - side]))));
}

/** Indexes that hold other documents: agreement then says little. */
function differing(models) {
  const [a, b] = models.map((model) => model.sizewise.documents);
  return a === b ? "" : ` Their indexes differ: ${a} and ${b} documents.`;
}

function heads(models, times) {
  return h("div", { class: "latencies" }, models.map((model, side) => h("div", {},
    h("span", { class: "letter" }, LETTERS[side]), " ", user(model.id), h("div", { id: `latency-${LETTERS[side]}` }, latency(times[side])))));
}
