// What each step gains, how sure we are, and all scores: by task, slice and group.

function drawSteps(run, axis) {
  const steps = run.marginal[axis] ?? [];
  if (!steps.length) return put("steps-body", h("p", { class: "note" }, "The frontier has one rung: nothing to step up to."));
  const columns = [{ title: "from", sort: false }, { title: "to", sort: false, words: true }, { title: run.costs.short[axis] ?? axis, sort: false },
    ...steps[0].gains.map((gain) => ({ title: `gain on ${gain.task}`, sort: false }))];
  const rows = steps.map((step) => ({ cells: [named(step.start), named(step.to), [written(step.cost_from), h("small", {}, `to ${written(step.cost_to)}`)],
    ...step.gains.map((one) => [signed(one.gain, 1), h("small", { title: one.approximate || null }, `${signed(one.low, 1)} to ${signed(one.high, 1)}${one.approximate ? " ~" : ""}`)])] }));
  put("steps-body", table("Each step up the frontier: points gained on each task, with paired 95% intervals (~: approximate), and what it costs.", columns, rows));
}

function drawSure(run, found) {
  const { tasks } = found.choice;
  if (!tasks.length) return put("sure-body", h("p", { class: "note" }, "Nothing is recommended, so there is nothing to be sure of."));
  const wanted = [0.5, 1, 2, 5];
  const columns = [{ title: "task" }, { title: "units" }, { title: "groups" }, { title: "loss" }, { title: "decides from" }, { title: "margin" }, ...wanted.map((margin) => ({ title: `units for ${margin}` }))];
  const rows = tasks.map((one) => {
    const task = run.tasks.find((other) => other.name === one.task);
    const needs = wanted.map((margin) => one.bound === null ? null : one.bound < margin ? task.units : unitsNeeded(one.loss, one.bound, margin, task.units));
    return {
      cells: [user(one.task), grouped(task.units, 0), grouped(task.groups, 0), points(one.loss), one.bound === null ? "too few units" : points(one.bound, 2), general(one.margin, 6),
        ...needs.map((need) => need === null ? "–" : need === task.units ? "enough" : need > 1e6 ? (Number.isFinite(need) ? "over a million" : "no number") : `about ${grouped(need, 0)}`)],
      keys: [one.task, task.units, task.groups, one.loss, one.bound, one.margin, ...needs],
    };
  });
  put("sure-body", table("For the recommended candidate: points lost by point estimate, the smallest margin that these data prove (decides from), and about how many units would prove other margins; “no number” where the measured loss itself is larger.", columns, rows));
}

function drawScores(run, found) {
  const chosen = found.choice.candidate;
  const order = found.ladder.map((point) => point.candidate);
  const names = [...order, ...run.candidates.filter((name) => !order.includes(name))];
  const columns = [{ title: "candidate" }, { title: run.costs.short[found.terms.minimise] ?? found.terms.minimise },
    ...run.tasks.flatMap((task) => [{ title: `${task.name} ${task.metric}` }, ...(chosen ? [{ title: "difference" }] : [])])];
  const rows = names.map((name) => {
    const at = run.row.get(name), cost = figure(run, name, found.terms.minimise);
    const cells = [named(name), cost === null ? "–" : written(cost)], keys = [name, cost];
    run.tasks.forEach((_, t) => {
      cells.push(scored(run.points[t][at], run.low[t][at], run.high[t][at], run.approximate[t][at]));
      keys.push(run.points[t][at]);
      if (!chosen) return;
      const known = run.points[t][at] !== null && run.points[t][run.row.get(chosen)] !== null && name !== chosen;
      const [value, low, high] = known ? difference(run, t, name, chosen) : ["–", null, null];
      cells.push(low === null ? value : [value, h("small", {}, `${signed(low, 1)} to ${signed(high, 1)}`)]);
      keys.push(known ? run.points[t][at] - run.points[t][run.row.get(chosen)] : null);
    });
    return { cells, keys, marks: name === chosen ? "chosen" : found.infeasible.has(name) ? "outside" : null, find: name.toLowerCase() };
  });
  put("scores-body",
    table(`Scores (x100) with 95% intervals (~: approximate), and differences against the recommended candidate with the bounds that the decision uses: each end holds with 95% confidence, for all candidates together.`, columns, rows, { search: "Search candidates", most: 60 }),
    drawSlices(run, found), drawGroups(run));
}

function drawSlices(run, found) {
  const names = [...new Set([found.choice.candidate, found.best])].filter(Boolean);
  if (!run.slices.length || !names.length) return null;
  const columns = [{ title: "slice" }, { title: "task", words: true }, { title: "units" }, ...names.map((name) => ({ title: name })), ...(names.length > 1 ? [{ title: "difference" }] : [])];
  const rows = run.slices.map((one) => {
    const at = names.map((name) => run.row.get(name));
    const cells = at.map((row) => scored(one.scores[row], one.low[row], one.high[row], one.approximate[row]));
    const both = at.length > 1 && at.every((row) => one.scores[row] !== null), gap = both ? one.scores[at[0]] - one.scores[at[1]] : null;
    return { cells: [user(one.name), user(one.task), grouped(one.units, 0), ...cells, ...(names.length > 1 ? [both ? signed(gap, 1) : "–"] : [])], keys: [one.name, one.task, one.units, ...at.map((row) => one.scores[row]), gap] };
  });
  return [h("h3", {}, "By slice"), table("The recommended candidate and the best plain one on each slice that the data name.", columns, rows, { most: 100 })];
}

function drawGroups(run) {
  const shown = run.groups.filter((one) => one.shown.length);
  if (!shown.length) return null;
  const columns = [{ title: "group" }, { title: "task", words: true }, { title: "units" }, { title: "recommended" }, { title: "best" }, { title: "difference" }, { title: "takes from the mean" }];
  const rows = shown.flatMap((task) => task.shown.map((one) => ({
    cells: [user(one.name), user(task.task), grouped(one.units, 0), points(one.score), points(one.other_score),
      missing(one.low) ? signed(one.difference, 1) : [signed(one.difference, 1), h("small", { title: one.approximate || null }, `${signed(one.low, 1)} to ${signed(one.high, 1)} ~`)], signed(one.part, 2)],
    keys: [one.name, task.task, one.units, one.score, one.other_score, one.difference, one.part], find: one.name.toLowerCase(),
  })));
  const about = shown.map((one) => `${one.task}: ${one.candidate} against ${one.other}, worse in ${one.lost} of ${one.groups} groups, better in ${one.gained}`);
  return [h("h3", {}, "By group"), table(`Groups of units that take most from the mean, as recommended when this page was written. ${about.join("; ")}.`, columns, rows, { most: 60 })];
}
