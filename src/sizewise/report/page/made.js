// How the run was made, and how to make the page again.

function drawMade(run) {
  const { environment, seconds } = run;
  const lines = (pairs) => h("dl", {}, Object.entries(pairs).filter(([, value]) => !missing(value) && value !== "").map(([name, value]) => [h("dt", {}, name), h("dd", {}, user(String(value)))]));
  const cut = run.truncation.filter((one) => one.truncated_texts).map((one) => `${one.model} on ${one.task}: ${grouped(one.truncated_texts, 0)} of ${grouped(one.texts, 0)} texts (${grouped(one.cut_tokens, 0)} of ${grouped(one.tokens, 0)} tokens)`);
  const notes = run.tasks.flatMap((task) => task.notes.map((note) => `${task.name}: ${note}`));
  const told = (pairs) => Object.entries(pairs).filter(([, value]) => !missing(value)).map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(", ");
  put("made-body",
    lines({
      "Processor": `${environment.processor}, ${environment.processors} processors, ${environment.threads} threads, ${environment.memory_gb} GB`,
      "Accelerator": environment.accelerator, "System": `${environment.system}, Python ${environment.python}`,
      "Versions": Object.entries(environment.versions).map(([name, version]) => `${name} ${version}`).join(", "),
      "Cost was measured on": run.cost_texts,
      "Prices": told(run.prices), "Documents": grouped(run.documents, 0),
      "Seconds": told(seconds),
      "Two measurements differ by": `latency ${fixed(100 * run.drift.p95_ms, 0)}%, throughput ${fixed(100 * run.drift.texts_per_s, 0)}%; costs closer than that tie`,
    }),
    notes.length ? [h("h3", {}, "About the tasks"), h("ul", {}, notes.map((note) => h("li", {}, user(note))))] : [],
    cut.length ? [h("h3", {}, "Texts cut off at a model's limit"), h("ul", {}, cut.map((one) => h("li", {}, user(one))))] : [],
    run.confirmation ? drawConfirmation(run.confirmation) : [],
    h("h3", {}, "Again"), h("p", {}, "Decide again: "), h("code", { class: "command" }, `sizewise recommend ${quoted(run.folder)}`),
    h("p", {}, "Write this page again: "), h("code", { class: "command" }, `sizewise report ${quoted(run.folder)}`),
    h("p", { class: "note" }, `Made by Sizewise ${environment.versions.sizewise ?? ""}. The page is whole in itself: it asks no network for anything. The matrices and raw records are in the run folder.`));
}

function drawConfirmation(logged) {
  const lines = logged.tasks.map((one) => `${one.task}: ${points(one.score)} on ${grouped(one.units, 0)} units, loss ${signed(one.loss, 1)} (${signed(one.low, 1)} to ${signed(one.high, 1)}${one.approximate ? " ~" : ""}), ${one.holds ? "within the margin" : "not shown to be within the margin"} of ${general(one.margin, 6)}.`);
  return [h("h3", {}, "Held-out units"), h("p", {}, `Opened on ${logged.opened} for `, user(logged.candidate), ":"), h("ul", {}, lines.map((line) => h("li", {}, user(line))))];
}
