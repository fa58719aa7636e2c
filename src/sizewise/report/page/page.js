// The page: read the run, decide, draw; and again whenever a knob is turned.

async function start() {
  const data = JSON.parse(document.getElementById("run").textContent);
  const size = data.candidates.length;
  const bounds = data.bounds && (await Promise.all(data.bounds.map((text) => unpacked(text, size))));
  const run = evidence(data, bounds);
  let terms = { ...run.terms, limits: { ...run.terms.limits }, margins: { ...run.terms.margins } };
  const view = { axis: terms.minimise, shapes: null };
  let waiting = 0;

  const drawn = () => {
    if (!run.ladders[view.axis]) view.axis = run.costs.known[0];
    const found = bounds ? decide(run, terms) : asDecided(run, terms);
    if (bounds) drawAnswer(run, found);
    drawFrontier(run, found, view, (change) => { Object.assign(view, change); drawn(); });
    drawSteps(run, view.axis);
    drawSize(run, terms);
    drawSure(run, found);
    drawScores(run, found);
    drawCosts(run, found);
    drawWhose(run, found);
  };
  // Sliders send many turns a second: the knobs follow each, the page only the last.
  const changed = (next, redraw = false) => {
    if (next.minimise !== terms.minimise || redraw) view.axis = next.minimise;
    terms = next;
    if (redraw) drawTerms(run, terms, changed);
    else document.getElementById("command").textContent = command(run, terms);
    clearTimeout(waiting);
    waiting = setTimeout(drawn, 60);
  };

  drawEngines(run);
  drawHybrids(run);
  drawSize(run, terms);
  drawContents();
  drawTheme(drawn);
  put("about", `${run.tasks.length} tasks, ${run.candidates.length} candidates, on ${run.environment.processor}`);
  drawMade(run);
  drawBreaks(run);
  if (bounds) drawTerms(run, terms, changed);
  else put("terms", h("p", { class: "note" }, "This run is too large to decide again here. In a terminal:"), h("code", { class: "command" }, command(run, terms)));
  if (innerWidth < 992) document.getElementById("knobs").open = false;
  drawn();
  const numbers = { written, fixed, grouped, general };
  return { run, numbers, decide: (asked) => decide(run, asked), sentences: (found) => sentences(run, found), termsOf: (preset) => termsOf(run, preset), command: (asked) => command(run, asked) };
}

function drawContents() {
  put("contents", [...document.querySelectorAll("main section:not([hidden])")].map((section) =>
    h("li", {}, h("a", { href: `#${section.id}` }, section.querySelector("h2").textContent))));
}

function drawTheme(again) {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  document.getElementById("theme").addEventListener("click", () => {
    const isDark = (root.dataset.theme ?? (dark.matches ? "dark" : "light")) === "dark";
    root.dataset.theme = isDark ? "light" : "dark";
    again();
  });
  dark.addEventListener("change", again);
}

window.sizewise = start();
window.sizewise.catch((error) => put("about", h("strong", {}, `This page could not be drawn: ${error.message}. It needs a browser of 2023 or later.`)));
