// The knobs: limits, margins and what to minimise, and the command that asks for the same.

const MOST_KNOBS = 7;

/** The terms of a preset, or the study's own. */
function termsOf(run, preset) {
  const found = preset ? run.presets[preset] : run.study_terms;
  return { minimise: found.minimise, limits: { ...found.limits }, margin: found.margin, margins: { ...(found.margins ?? {}) }, preset: preset || run.study_terms.preset || null };
}

/** `sizewise recommend` with these terms, for a shell. */
function command(run, terms) {
  const own = terms.preset === run.study_terms.preset, base = own ? run.study_terms : termsOf(run, terms.preset);
  const words = ["sizewise", "recommend", quoted(run.folder), ...run.options];
  if (!own && terms.preset) words.push("--preset", terms.preset);
  const lifted = Object.keys(base.limits).some((name) => !(name in terms.limits));
  if (lifted) words.push("--no-limits");
  for (const [name, limit] of Object.entries(terms.limits))
    if (lifted || base.limits[name] !== limit) words.push("--limit", `${name}=${limit}`);
  if (terms.margin !== base.margin) words.push("--margin", terms.margin);
  for (const [task, margin] of Object.entries(terms.margins))
    if (base.margins[task] !== margin) words.push("--task-margin", quoted(`${task}=${margin}`));
  if (terms.minimise !== base.minimise) words.push("--minimise", terms.minimise);
  return words.join(" ");
}

function quoted(text) {
  return /^[\w@%+=:,.\/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Fills the form; calls `changed(terms)` on every turn of a knob. */
function drawTerms(run, terms, changed) {
  const set = (change) => { terms = { ...terms, ...change }; changed(terms); };
  const again = (preset) => changed(termsOf(run, preset), true);
  const names = Object.keys(run.presets);
  put("terms",
    chooser("Preset", [["", "The study's own terms"], ...names.map((name) => [name, name])], terms.preset ?? "", again),
    h("p", { class: "hint", id: "preset-why" }, run.presets[terms.preset]?.why ?? ""),
    chooser("Minimise", [...new Set([...run.costs.known, terms.minimise])].map((name) => [name, titled(run, name)]), terms.minimise, (minimise) => set({ minimise })),
    h("fieldset", {}, h("legend", {}, "Margin"),
      knob("points (x100) that may be lost on each task", { value: terms.margin, low: 0.1, high: 20, step: 0.1 },
        (margin) => margin > 0 && set({ margin })),
      taskMargins(run, () => terms, set)),
    limitKnobs(run, () => terms, set),
    h("button", { type: "button", click: () => again("") }, "Back to the study's own"),
    h("p", { class: "hint" }, "The same in a terminal:"),
    h("code", { class: "command", id: "command", tabindex: "0" }, command(run, terms)));
}

function titled(run, name) {
  return `${name} (${run.costs.units[name]})`;
}

/** Three digits of a number, rounded away from the data: a limit there excludes nothing. */
function beyond(value, down) {
  const step = 10 ** (Math.floor(Math.log10(Math.abs(value) || 1)) - 2);
  return Number(((down ? Math.floor : Math.ceil)(value / step) * step).toPrecision(3));
}

/** A slider and a number that move together. */
function knob(label, { value, low, high, step, log = false, disabled = false }, change, box = null) {
  const place = (number) => (log ? Math.log(number / low) / Math.log(high / low) : (number - low) / (high - low)) * 1000;
  const worth = (at) => (log ? low * (high / low) ** (at / 1000) : low + ((high - low) * at) / 1000);
  const number = h("input", { type: "number", value, min: 0, step: "any", disabled, "aria-label": label });
  const slider = h("input", { type: "range", min: 0, max: 1000, step: 1, value: place(value), disabled, "aria-label": `${label}, slider` });
  slider.addEventListener("input", () => {
    const exact = worth(Number(slider.value));
    number.value = step ? Number((Math.round(exact / step) * step).toFixed(4)) : Number(exact.toPrecision(3));
    change(Number(number.value));
  });
  number.addEventListener("input", () => {
    if (number.value === "" || !(Number(number.value) >= 0)) return;
    slider.value = place(Number(number.value));
    change(Number(number.value));
  });
  return h("div", { class: "knob" }, h("label", {}, box, label), number, high > low ? slider : null);
}

function taskMargins(run, now, set) {
  const terms = now();
  const tasks = run.tasks.filter((task) => task.decides);
  return h("details", { open: Object.keys(terms.margins).length > 0 }, h("summary", {}, "Margins by task"),
    tasks.map((task) => {
      const own = Object.hasOwn(terms.margins, task.name) ? terms.margins[task.name] : null;
      const change = (event) => {
        const { [task.name]: _, ...margins } = now().margins, margin = Number(event.target.value);
        set({ margins: margin > 0 ? { ...margins, [task.name]: margin } : margins });
      };
      const input = h("input", { type: "number", min: 0, step: "any", value: own ?? "", placeholder: task.margin ?? "as above", input: change, "aria-label": `margin on ${task.name}` });
      return h("div", { class: "knob" }, h("label", {}, user(task.name)), input);
    }));
}

function limitKnobs(run, now, set) {
  const order = costsFirst(run).filter((name) => run.costs.known.includes(name)), first = order.slice(0, MOST_KNOBS);
  const draw = (names) => names.map((name) => limitKnob(run, now, name, set)), rest = order.slice(MOST_KNOBS);
  const more = h("details", { open: rest.some((name) => name in now().limits) }, h("summary", {}, "More limits"), draw(rest));
  return h("fieldset", {}, h("legend", {}, "Limits"), draw(first), rest.length ? more : "");
}

function limitKnob(run, now, name, set) {
  const terms = now();
  const values = run.candidates.map((one) => figure(run, one, name)).filter((value) => value !== null);
  const low = Math.min(...values), high = Math.max(...values), log = low > 0;
  const isOn = name in terms.limits, more = moreIsBetter(run, name);
  const value = terms.limits[name] ?? beyond(more ? low : high, more);
  const lift = () => { const { [name]: _, ...limits } = now().limits; set({ limits }); };
  const limit = (number) => set({ limits: { ...now().limits, [name]: number } });
  const box = h("input", { type: "checkbox", checked: isOn });
  const label = `${name} ${more ? "at least" : "at most"}`;
  const found = knob(label, { value, low: log ? low : 0, high, log, disabled: !isOn }, limit, box);
  const inputs = found.querySelectorAll('input:not([type="checkbox"])');
  box.addEventListener("change", () => {
    inputs.forEach((input) => { input.disabled = !box.checked; });
    if (box.checked) limit(Number(inputs[0].value)); else lift();
  });
  return found;
}
