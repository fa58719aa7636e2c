// `sizewise.decide.words`: the recommendation, one sentence or two to an entry.

function sentences(run, found) {
  const parts = found.choice.candidate === null ? [nothing] : [answer, givesUp, saves, tellNothing, leftOut];
  return [...parts, changes, preset].flatMap((part) => part(run, found));
}

function amount(run, name, value) {
  return `${written(value)} ${run.costs.units[name]}`;
}

function nothing(run, found) {
  const { terms } = found, words = [];
  const limits = limitsInWords(run, terms.limits);
  if (limits.length) words.push(`No candidate is within the limits (${limits.join(", ")}), so there is nothing to recommend.`);
  else words.push(`No candidate has a score on every task and a figure for ${terms.minimise}: nothing to recommend.`);
  if (run.costs.money.includes(terms.minimise) && !found.ladder.some((point) => point.cost))
    words.push("Money is worked out from your prices: give at least the price of a machine hour.");
  for (const [name, why] of found.closest) words.push(`${name} is out: ${why}.`);
  return words;
}

function answer(run, { terms, choice }) {
  const cost = choice.cost === null ? "an unknown cost" : amount(run, terms.minimise, choice.cost);
  const [noun, scores] = run.fidelity_only
    ? ["agreement with the reference", "agreement with the reference is"]
    : ["quality", "measured scores are"];
  const words = [];
  if (choice.feasible === 1)
    words.push(`${choice.verdict === "proven" ? "Use" : "Best guess:"} ${choice.candidate} (${cost}). It is the only candidate left, so nothing was compared with it.`);
  else if (choice.verdict === "proven")
    words.push(`Use ${choice.candidate}. It is the cheapest candidate within the limits (${cost}) that is proven, with 95% confidence, to lose less ${noun} than the margin against any other, on every task.`);
  else if (choice.withinMargin)
    words.push(`Best guess: ${choice.candidate} (${cost}). It is the cheapest whose ${scores} within the margin on every task, but these data do not prove it.`);
  else
    words.push(`Best guess: ${choice.candidate} (${cost}). No candidate within the limits is within the margin on every task; this one loses least where it loses most.`);
  if (run.fidelity_only) words.push("No task has labels: agreement with a reference candidate was measured, not quality.");
  if (choice.tied.length)
    words.push(`As cheap, within what two measurements of the same thing differ: ${choice.tied.join(", ")}.`);
  return words;
}

function givesUp(run, { terms, choice }) {
  const words = choice.tasks.map((one) => `${one.task}: ${scoreInWords(one)}${lossInWords(one)}`);
  if (choice.verdict !== "best guess") return words;
  if (choice.provableMargin === null) {
    const short = choice.tasks.filter((one) => one.bound === null).map((one) => one.task).join(", ");
    return [...words, `${short}: too few units to prove anything; at least ${run.fewest_groups} that are independent of each other are needed.`];
  }
  const also = choice.provenAtThatMargin;
  const rest = also === choice.candidate ? "" : `; at that margin the cheapest proven candidate is ${also}`;
  words.push(`These data would prove it ${atMargin(terms, choice)}${rest}.`);
  for (const one of choice.tasks)
    if (one.unitsNeeded !== null)
      words.push(`${one.task}: about ${grouped(one.unitsNeeded, 0)} units would settle the margin of ${general(one.margin, 6)}.`);
  return words;
}

/** The margin that would prove the choice, rounded up so that it really does. */
function atMargin(terms, choice) {
  const provable = choice.provableMargin;
  if (choice.tasks.some((one) => one.margin !== terms.margin))
    return `if every margin were ${fixed((Math.floor((100 * provable) / terms.margin) + 1) / 100, 2)} times as wide`;
  return `at a margin of ${fixed((Math.floor(10 * provable) + 1) / 10, 1)} points`;
}

function scoreInWords(one) {
  return `${one.metric} ${fixed(one.score, 1)} (95% interval ${fixed(one.low, 1)} to ${fixed(one.high, 1)})`;
}

function lossInWords(one) {
  const bound = one.bound === null
    ? "too few units to bound its loss"
    : `with 95% confidence it loses at most ${fixed(one.bound, 2)}`;
  const margin = `(margin ${general(one.margin, 6)})`;
  if (one.loss <= 0) return `, the best score; ${bound} ${margin}.`;
  return `, ${fixed(one.loss, 1)} below ${one.best} (${fixed(one.bestScore, 1)}); ${bound} ${margin}.`;
}

function saves(run, found) {
  const words = [], whole = run.end_to_end[found.choice.candidate];
  if (whole) {
    const parts = ["p50_ms", "p95_ms", "memory_mb"].filter((name) => !missing(whole[name])).map((name) => amount(run, name, whole[name]));
    words.push(`Measured end to end, from query to ranking in a fresh process: ${parts.join(", ")}.`);
  }
  const parts = run.costs.told.filter((name) => found.savings.has(name)).map((name) => {
    const [before, after] = found.savings.get(name);
    return `${written(after)} instead of ${amount(run, name, before)}`;
  });
  if (parts.length) words.push(`Against ${found.best} it takes ${parts.join("; ")}.`);
  if (found.breakEven.length) {
    const times = found.breakEven.map((one) => `${one.shape} ${grouped(one.times, 1)}`).join(", ");
    const needed = found.breakEven[0].scores.filter(([, score]) => score <= 100).map(([task, score]) => `${fixed(score, 1)} on ${task}`).join(", ");
    words.push(`Shapes, in times its cost: ${times}. To be worth more, a model of such a shape would have to score above ${needed || "100"}, on one task at least.`);
  }
  return words;
}

function tellNothing(_, found) {
  return found.alike.map(([task, what]) => `${task} does not tell candidates apart: ${what}; they are not ranked on it.`);
}

/** Those that no limit speaks against: a task that they cannot do, or a figure that nobody measured. */
function leftOut(run, found) {
  const byReason = new Map();
  for (const [name, why] of found.infeasible)
    if (why.includes("was not measured") || why.includes("does not apply"))
      byReason.set(why, [...(byReason.get(why) ?? []), name]);
  return [...byReason].map(([why, names]) => {
    const more = names.length > run.most_names ? ` and ${names.length - run.most_names} more` : "";
    return `Left out: ${names.slice(0, run.most_names).join(", ")}${more} (${why}).`;
  });
}

function changes(_, found) {
  return found.sensitivity.map((one) => {
    const other = one.candidate === null ? "no candidate at all" : `${one.candidate} (${one.verdict})`;
    return `With ${one.change}, the answer would be ${other}.`;
  });
}

/** `presets.explained`: the preset in force, whom it is for, what it asks, and what was changed. */
function preset(run, { terms }) {
  const own = run.presets[terms.preset];
  if (!terms.preset) return [];
  if (!own) return [`Preset ${terms.preset}, which this version of Sizewise does not know.`];
  const margin = (points) => `margin ${general(points, 6)} where a task has none of its own`;
  const aim = (name) => `${moreIsBetter(run, name) ? "most" : "least"} ${name}`;
  const other = Object.fromEntries(Object.entries(terms.limits).filter(([name, limit]) => own.limits[name] !== limit));
  const changed = [...limitsInWords(run, other), ...Object.keys(own.limits).filter((name) => !(name in terms.limits)).map((name) => `no limit on ${name}`)];
  if (terms.margin !== own.margin) changed.push(margin(terms.margin));
  for (const [task, points] of Object.entries(terms.margins)) changed.push(`margin ${general(points, 6)} on ${task}`);
  if (terms.minimise !== own.minimise) changed.push(aim(terms.minimise));
  const asked = [...limitsInWords(run, own.limits), margin(own.margin), aim(own.minimise)].join(", ");
  return [`Preset ${own.name}, for ${own.for_whom}: ${asked}${changed.length ? "; changed here: " : ""}${changed.join(", ")}.`];
}

function limitsInWords(run, limits) {
  return Object.entries(limits).map(([name, limit]) => `${name} at ${moreIsBetter(run, name) ? "least" : "most"} ${written(limit)}`);
}
