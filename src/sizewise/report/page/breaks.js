// What breaks: units, with both answers side by side.

/** The list, made once: it is of the candidate recommended when the page was written. */
function drawBreaks(run) {
  const said = run.breaks.map((one) => {
    const against = one.other ? `${one.candidate} against ${one.other}: worse on ${grouped(one.lost, 0)} of ${grouped(one.units, 0)} units, better on ${grouped(one.gained, 0)}. ` : "";
    return h("p", { class: "note" }, user(`${one.task}: ${against}${one.note}`));
  });
  const now = h("div", { id: "breaks-now" });
  const made = run.breaks.flatMap((task) => task.shown.map((one) => ({ task, one, find: texts(one).join("\n").toLowerCase(), element: null })));
  if (!made.length) return put("breaks-body", now, ...said);
  let shown = 20, wanted = "", only = "";
  const list = h("div"), more = h("button", { type: "button", click: () => { shown += 20; show(); } }, "Show more");
  const status = h("p", { class: "hint", role: "status" });
  const show = () => {
    const hits = made.filter(({ task, find }) => (!only || task.task === only) && (!wanted || find.includes(wanted)));
    list.replaceChildren(...hits.slice(0, shown).map((entry) => (entry.element ??= drawCase(entry.task, entry.one))));
    more.hidden = hits.length <= shown;
    status.textContent = `${hits.length} units, those that lose most first`;
  };
  show();
  put("breaks-body", now, ...said,
    h("div", { class: "tools" },
      h("label", {}, "Search texts", h("input", { type: "search", input: (event) => { wanted = event.target.value.toLowerCase(); show(); } })),
      chooser("Task", [["", "all"], ...run.breaks.map((one) => [one.task, one.task])], "", (name) => { only = name; show(); })),
    status, list, more);
}

/** Says so when something else is recommended than when the page was written. */
function drawWhose(run, found) {
  if (!run.breaks_of || found.choice.candidate === run.breaks_of) return put("breaks-now");
  const again = h("code", { class: "command" }, command(run, found.terms).replace("sizewise recommend", "sizewise report"));
  put("breaks-now", h("p", { class: "note" }, "These are the units of ", user(run.breaks_of), ", recommended when this page was written. For what is recommended now, write the page again: ", again));
}

/** Every text in it, however deep. */
function texts(value) {
  if (typeof value === "string") return [value];
  return value && typeof value === "object" ? Object.values(value).flatMap(texts) : [];
}

function drawCase(task, one) {
  const where = [task.task, `unit ${one.unit}`, one.group && `group ${one.group}`, one.slice && `slice ${one.slice}`].filter(Boolean).join(" · ");
  const summary = h("summary", {}, h("span", { class: "fell" }, `${points(one.other_value)} → ${points(one.value)}`), one.case ? user(one.case.texts.join(" ⟷ ")) : "", h("small", { class: "hint" }, " ", user(where)));
  if (!one.case) return h("p", { class: "case" }, ...summary.childNodes);
  const body = h("div", { class: "sides" });
  const details = h("details", { class: "case", toggle: () => {
    if (details.open && !body.firstChild) body.append(...expected(one.case), side(task.other, one.other_value, one.other_case), side(task.candidate, one.value, one.case));
  } }, summary, body);
  return details;
}

/** What was wanted of the unit, where the answers alone do not show it. */
function expected(one) {
  if (one.shape === "ranked" && one.expected.length)
    return [h("div", { class: "expected" }, h("h3", {}, "Expected"), h("ol", {}, one.expected.map((passage) => h("li", {}, user(passage.text)))), one.more ? h("p", { class: "hint" }, `and ${one.more} more`) : "")];
  if (one.shape === "scored" && one.expected)
    return [h("div", { class: "expected" }, h("h3", {}, "Expected"), h("p", {}, `${one.word ? `${one.word}: ` : ""}${level(one.expected)}`))];
  if (one.shape === "labelled") return [h("div", { class: "expected" }, h("h3", {}, "Expected"), h("p", {}, user(one.expected)))];
  return [];
}

function side(candidate, value, one) {
  return h("div", {}, h("h3", {}, user(candidate), ` (${points(value)})`), answered(one));
}

function answered(one) {
  if (one.shape === "ranked")
    return h("ol", {}, one.answered.map((passage) => h("li", { class: passage.relevant ? "right" : null }, user(passage.text),
      passage.relevant ? h("span", { class: "tag" }, " ✓ relevant") : "", h("small", { class: "hint" }, ` ${written(passage.score)}`))));
  if (one.shape === "scored") return h("p", {}, level(one.answered));
  if (one.shape === "labelled")
    return h("ul", {}, one.answered.map((label) => h("li", { class: label.right ? "right" : null }, user(label.name), label.share < 1 ? ` (${fixed(100 * label.share, 0)}%)` : "")));
  return h("p", {}, "");
}

function level(one) {
  return `${general(one.value, 3)}, higher than ${fixed(100 * one.rank, 0)}% of the pairs`;
}
