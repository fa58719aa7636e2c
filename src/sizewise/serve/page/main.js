// The page: learn what is served, ask what was typed, show both answers.

import { drawAnswers, told } from "./answers.js";
import { ask, search } from "./api.js";
import { at, h, LETTERS, put } from "./dom.js";
import { facts } from "./facts.js";
import { drawFrontier } from "./frontier.js";
import { read, write } from "./place.js";
import { printable } from "./text.js";
import { latency, timed, TIMES } from "./times.js";
import { calm, insisting, refocus } from "./trouble.js";

const DEPTHS = [5, 10, 20, 50];
const NARROW = "(max-width: 47.99rem)";

let served = [], searchable = [], study = null;
let shown = null; // {query, models, answers, times}: what the lists hold
let asOne = matchMedia(NARROW).matches, chosenView = false;
let running = new AbortController();

async function start() {
  listen();
  served = (await insisting(() => ask("v1/models"), { patient: true })).data;
  study = served.some((model) => model.sizewise.run) ? await insisting(theStudy) : null;
  searchable = served.filter((model) => model.sizewise.documents !== null);
  put("about", about());
  if (searchable.length) {
    fill();
    at("ask").hidden = at("results").hidden = false;
    await fromAddress();
    refocus();
  } else {
    put("trouble", noIndex());
    drawMeasured(served.slice(0, 2));
  }
}

/** Null where bundles were built by a version that did not keep it. */
async function theStudy() {
  try {
    return await ask("study");
  } catch (error) {
    if (error.status === 404) return null;
    throw error;
  }
}

function about() {
  const many = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
  return `${many(served.length, "pipeline")} served, ${searchable.length} with an index to search.`;
}

function noIndex() {
  return h("div", { class: "box" }, h("h2", {}, "There is nothing to search yet"),
    h("p", {}, "No bundle here has an index. Make one, and start the server again:"), h("code", { class: "command" }, "sizewise index BUNDLE CORPUS"));
}

function fill() {
  const options = () => searchable.map((model) => h("option", { value: model.id }, printable(model.id)));
  put("a", options());
  put("b", options());
  put("depth", DEPTHS.map((depth) => h("option", { value: depth }, depth)));
  if (searchable.length > 1) return;
  put("second", "To compare, serve a second bundle that has an index: ", h("code", { class: "command" }, "sizewise serve BUNDLE ANOTHER"));
}

/** The form says what the address says; what the address names and is not served is left as it was. */
async function fromAddress() {
  const asked = read(), has = (id) => searchable.some((model) => model.id === id);
  at("query").value = asked.query;
  at("a").value = has(asked.a) ? asked.a : searchable[0].id;
  if (searchable.length > 1) at("b").value = has(asked.b) ? asked.b : searchable.find((model) => model.id !== at("a").value).id;
  at("depth").value = DEPTHS.includes(Number(asked.depth)) ? asked.depth : "10";
  drawMeasured(chosen());
  if (asked.query.trim()) await run();
  else nothingAsked();
}

function listen() {
  at("ask").addEventListener("submit", (event) => { event.preventDefault(); run(); });
  for (const id of ["a", "b", "depth"]) at(id).addEventListener("change", () => { drawMeasured(chosen()); run(); });
  for (const id of ["one", "two"]) at(id).addEventListener("change", () => { asOne = id === "one"; chosenView = true; drawResults(); });
  at("again").addEventListener("click", timeAgain);
  document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); at("results").focus(); });
  addEventListener("popstate", () => { if (searchable.length) fromAddress(); });
  matchMedia(NARROW).addEventListener("change", (event) => {
    if (chosenView) return;
    asOne = event.matches;
    if (shown) drawResults();
  });
}

/** The models in the form: one or two. */
function chosen() {
  const ids = searchable.length > 1 ? [at("a").value, at("b").value] : [at("a").value];
  return ids.map((id) => searchable.find((model) => model.id === id));
}

function nothingAsked() {
  running.abort();
  shown = null;
  calm();
  put("said", "Type a query to see what each finds.");
  put("shown");
  at("tools").hidden = at("legend").hidden = true;
}

async function run() {
  const query = at("query").value, depth = Number(at("depth").value), models = chosen();
  running.abort();
  const { signal } = (running = new AbortController());
  if (!query.trim()) return nothingAsked();
  write({ query, a: models[0].id, b: models[1]?.id, depth });
  try {
    const answers = await insisting(() => searched(models, query, depth, signal));
    if (signal.aborted) return;
    put("timing");
    put("said", told(answers, models));
    shown = { query, depth, models, answers, times: answers.map((one) => ({ server: [one.took_ms], round: [one.round_ms] })) };
    drawResults();
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  }
}

/** One after another: none slows the other. */
async function searched(models, query, depth, signal) {
  put("said", "Searching.");
  const found = [];
  try {
    for (const model of models) found.push(await search(model.id, query, depth, signal));
  } finally {
    if (found.length < models.length && !signal.aborted) put("said", "Not answered yet.");
  }
  return found;
}

function drawResults() {
  drawAnswers(shown, asOne);
  at("tools").hidden = false;
  at("view").hidden = shown.models.length < 2;
  at(asOne ? "one" : "two").checked = true;
}

async function timeAgain() {
  const { query, depth, models } = shown;
  put("timing");
  running.abort();
  const { signal } = (running = new AbortController());
  try {
    const found = await insisting(() => timed(models.map((model) => model.id), query, depth, signal, (turn) => put("turns", `${turn} of ${TIMES}`)));
    shown.times = found;
    put("timing", `Timed ${TIMES} times.`);
    models.forEach((_, side) => put(`latency-${LETTERS[side]}`, latency(found[side])));
  } catch (error) {
    if (error.name !== "AbortError") throw error;
  } finally {
    put("turns");
  }
}

function drawMeasured(models) {
  const lettered = models.map((model, side) => [LETTERS[side], model]);
  put("facts-body", facts(lettered));
  at("facts").hidden = at("frontier").hidden = false;
  const letters = new Map();
  for (const [letter, model] of lettered) letters.set(model.id, [letters.get(model.id), letter].filter(Boolean).join(" "));
  if (study?.rows.length) drawFrontier(at("frontier-body"), study, letters);
  else put("frontier-body", h("p", { class: "note" }, "No bundle here was built from a study, so there is no frontier to show. Build from a run: ", h("code", {}, "sizewise build RUN")));
}

window.sizewise = start(); // tests wait for it
window.sizewise.catch((error) => put("about", `This page could not be drawn: ${error.message}. It needs a browser of 2023 or later.`));
