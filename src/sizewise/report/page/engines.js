// Engines: how far their vectors are from the reference's.

function drawEngines(run) {
  if (run.engines.length) put("engines-body", ...run.engines.flatMap(drawEngine));
  else document.getElementById("engines").remove();
}

function drawEngine(one) {
  const cosine = (value) => missing(value) ? "–" : fixed(value, 5);
  const figures = one.rows.map(([words, value, least]) => ({ cells: [words, cosine(value), missing(least) ? "–" : String(least)], keys: [words, value, least] }));
  const tasks = one.tasks.map(({ change, metric, top10 }) => ({
    cells: [user(change.task), metric, signed(change.gain, 2), `${signed(change.low, 2)} to ${signed(change.high, 2)}${change.approximate ? " ~" : ""}`, missing(top10) ? "–" : `${fixed(100 * top10, 1)}%`],
    keys: [change.task, metric, change.gain, change.low, top10],
  }));
  const worst = one.shown.map(({ cosine: value, source, text }) => ({ cells: [cosine(value), user(source), text === null ? "left out" : user(text)], keys: [value, source, text ?? ""] }));
  return [
    h("h3", {}, named(one.engine)), h("p", {}, user(`${one.sentence}.`)),
    ...table("Cosine of a text's vector with the reference's (float32 on torch), and the least that is asked.", [{ title: "cosine" }, { title: "found" }, { title: "least" }], figures),
    ...(tasks.length ? table("Scores on tasks, engine less reference.", [{ title: "task" }, { title: "metric", words: true }, { title: "difference" }, { title: "95% interval" }, { title: "same top 10" }], tasks) : []),
    h("details", {}, h("summary", {}, "The worst texts"), ...table("Texts whose vectors are farthest from the reference's.", [{ title: "cosine" }, { title: "from", words: true }, { title: "text", words: true }], worst).filter(Boolean)),
  ];
}
