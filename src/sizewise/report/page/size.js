// Where size matters: every model as it is against the largest one, task by task.

const HELD = ["proven", "holds"], OPEN = ["guess", "open"], LOST = ["none", "loses"];

function drawSize(run, terms) {
  const size = (name) => run.figures[name].parameters;
  const models = run.plain.filter((name) => size(name) > 0).sort((a, b) => size(b) - size(a));
  document.getElementById("size").hidden = models.length < 2;
  if (models.length < 2) return;
  const [largest] = models, axis = terms.minimise;
  const columns = [{ title: "model" }, { title: "parameters" }, { title: run.costs.short[axis] ?? axis },
    ...run.tasks.map((task) => ({ title: `${task.name} ${task.metric}` })), { title: "holds on" }];
  const rows = models.map((name) => {
    const at = run.row.get(name), cost = figure(run, name, axis);
    const cells = [named(name), grouped(size(name), 0), cost === null ? "–" : written(cost)], keys = [name, size(name), cost];
    let holds = 0, known = 0;
    run.tasks.forEach((task, t) => {
      const score = run.points[t][at];
      keys.push(score);
      if (score === null || run.points[t][run.row.get(largest)] === null) return cells.push("–");
      if (name === largest) return cells.push(points(score));
      const [gap, low, high] = difference(run, t, name, largest), margin = marginOf(terms, task);
      const [state, word] = low === null ? OPEN : low > -margin ? HELD : high < -margin ? LOST : OPEN;
      known += 1;
      holds += state === "proven";
      const bounds = low === null ? null : h("small", {}, `${signed(low, 1)} to ${signed(high, 1)}`);
      cells.push([points(score), h("small", { class: state }, `${word}: ${gap}`), bounds]);
    });
    cells.push(name === largest ? "" : `${holds} of ${known}`);
    keys.push(name === largest ? null : holds);
    return { cells, keys };
  });
  put("size-body", table(`Every model as it is against the largest one, ${largest}. Holds: the data exclude a loss of the margin; loses: they show one; open: neither. Bounds are those of the decision, each with 95% confidence for all candidates together.`, columns, rows));
}
