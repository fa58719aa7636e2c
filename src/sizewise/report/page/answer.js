// The answer, and how scores and differences are shown.

const VERDICTS = { proven: ["proven", "Proven"], "best guess": ["guess", "Best guess"], none: ["none", "No recommendation"] };

function drawAnswer(run, found) {
  const [style, title] = VERDICTS[found.choice.verdict];
  const [first, ...rest] = sentences(run, found);
  const body = document.getElementById("answer-body");
  body.className = style;
  body.replaceChildren(h("p", { class: "badge" }, title), h("p", { class: "first" }, user(first)), ...rest.map((words) => h("p", {}, user(words))));
}

function points(value, digits = 1) {
  return missing(value) ? "–" : fixed(value, digits);
}

function scored(value, low, high, approximate) {
  if (missing(value)) return "–";
  return [points(value), h("small", { title: approximate || null }, `${points(low)} to ${points(high)}${approximate ? " ~" : ""}`)];
}

/** How the recommended one's score differs from another's: what it may lose and gain, as the decision bounds it. */
function difference(run, t, other, chosen) {
  const size = run.candidates.length, a = run.row.get(other), b = run.row.get(chosen);
  const value = run.points[t][a] - run.points[t][b];
  if (!run.bounds || !run.tasks[t].can_prove) return [signed(value, 1), null, null];
  return [signed(value, 1), -run.bounds[t][a * size + b] / 100, run.bounds[t][b * size + a] / 100];
}
