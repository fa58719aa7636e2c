// The decision of `sizewise.decide.recommend`, taken again in the browser from the same matrices.
// A test holds both to the same answers, sentence for sentence.

/** Bounds as hundredths of a point: planes of low and high bytes, deflated, base64. */
async function unpacked(text, count) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const values = new Int16Array(count * count);
  for (let at = 0; at < values.length; at++) values[at] = bytes[at] | (bytes[at + values.length] << 8);
  return values;
}

/** The run with its figures and matrices ready to decide on. */
function evidence(data, bounds) {
  const row = new Map(data.candidates.map((name, at) => [name, at]));
  const deciding = data.tasks.flatMap((task, at) => (task.decides ? [at] : []));
  return { ...data, bounds, row, deciding };
}

const missing = (value) => value === null || value === undefined;

function figure(run, name, cost) {
  const value = run.figures[name]?.[cost];
  return missing(value) ? null : value;
}

function moreIsBetter(run, cost) {
  return run.costs.more_is_better.includes(cost);
}

function marginOf(terms, task) {
  return (Object.hasOwn(terms.margins, task.name) ? terms.margins[task.name] : task.margin) ?? terms.margin;
}

function breach(run, name, limit, value) {
  if (missing(value)) return `${name} was not measured`;
  const [broken, side] = moreIsBetter(run, name) ? [value < limit, "below"] : [value > limit, "above"];
  return broken ? `${name} ${written(value)} is ${side} ${written(limit)}` : null;
}

/** Why the units that a made model never saw do not speak for it; null where they do, or where it was not made. */
function withheld(run, terms, name) {
  const origin = run.origins[name];
  if (!origin) return null;
  if (missing(origin.start)) return `it was made from ${origin.named}, which is not here to be compared with`;
  const at = run.row.get(name), start = run.row.get(origin.start), count = run.candidates.length;
  const failed = run.deciding.filter((t) => {
    const allowed = origin.must_gain ? 0 : marginOf(terms, run.tasks[t]);
    return !(run.tasks[t].can_prove && run.bounds[t][at * count + start] / 100 < allowed);
  }).map((t) => run.tasks[t].name);
  if (!failed.length) return null;
  return `made from ${origin.start}, it shows ${origin.must_gain ? "no gain" : "no loss within the margin"} against it on ${failed.join(", ")}`;
}

/** Candidates out of the running and why. */
function infeasible(run, terms) {
  const reasons = new Map();
  run.candidates.forEach((name, at) => {
    const undone = run.deciding.filter((t) => run.points[t][at] === null).map((t) => run.tasks[t].name);
    const broken = brokenLimits(run, terms, name), unproven = withheld(run, terms, name);
    if (undone.length) reasons.set(name, `it does not apply to ${undone.join(", ")}`);
    else if (broken.length) reasons.set(name, broken.join("; "));
    else if (figure(run, name, terms.minimise) === null) reasons.set(name, `${terms.minimise} was not measured`);
    else if (unproven) reasons.set(name, unproven);
  });
  return reasons;
}

function brokenLimits(run, terms, name) {
  const whole = run.end_to_end[name];
  return Object.entries(terms.limits).flatMap(([cost, limit]) => {
    const why = breach(run, cost, limit, figure(run, name, cost));
    if (why) return [why];
    if (!whole || missing(whole[cost])) return [];
    const also = breach(run, cost, limit, whole[cost]);
    return also ? [`measured end to end, ${also}`] : [];
  });
}

/** The arrays of one decision: feasible candidates only, deciding tasks only. */
function board(run, terms) {
  const out = infeasible(run, terms);
  const names = run.candidates.filter((name) => !out.has(name));
  const rows = names.map((name) => run.row.get(name));
  const sign = moreIsBetter(run, terms.minimise) ? -1 : 1;
  const costs = names.map((name) => sign * figure(run, name, terms.minimise));
  const loss = [], bound = [], margins = [];
  for (const t of run.deciding) {
    const points = rows.map((at) => run.points[t][at]);
    const best = Math.max(...points);
    loss.push(points.map((point) => best - point));
    bound.push(rows.map((at) => (run.tasks[t].can_prove ? worstBound(run, t, at, rows) : Infinity)));
    margins.push(marginOf(terms, run.tasks[t]));
  }
  const worst = (table) => rows.map((_, at) => Math.max(...table.map((values, t) => values[at] / margins[t])));
  return {
    names, costs, loss, bound, margins, drift: run.drift[terms.minimise],
    worstBound: worst(bound), worstLoss: worst(loss), infeasible: out,
  };
}

/** The largest upper bound on what row `at` loses against any of `rows`, in points; zero against itself. */
function worstBound(run, t, at, rows) {
  const start = at * run.candidates.length;
  let most = 0;
  for (const other of rows) most = Math.max(most, run.bounds[t][start + other]);
  return most / 100;
}

function choose(run, terms, found = board(run, terms)) {
  if (!found.names.length) return { verdict: "none", candidate: null, cost: null, tasks: [], tied: [], feasible: 0 };
  const proven = found.worstBound.map((factor) => factor < 1);
  const guess = found.worstLoss.map((factor) => factor < 1);
  const least = Math.min(...found.worstLoss);
  const isProven = proven.some(Boolean);
  const allowed = isProven ? proven : guess.some(Boolean) ? guess : found.worstLoss.map((loss) => loss <= least);
  const [chosen, tied] = cheapest(found, allowed);
  const factor = found.worstBound[chosen], provable = Number.isFinite(factor);
  const there = provable ? cheapest(found, found.worstBound.map((one) => one <= factor))[0] : null;
  return {
    verdict: isProven ? "proven" : "best guess",
    candidate: found.names[chosen],
    cost: figure(run, found.names[chosen], terms.minimise),
    tasks: onTasks(run, found, chosen),
    provableMargin: provable ? factor * terms.margin : null,
    provenAtThatMargin: there === null ? null : found.names[there],
    withinMargin: guess[chosen],
    tied: tied.map((at) => found.names[at]),
    feasible: found.names.length,
  };
}

/** The cheapest allowed one and those tied with it: among costs within drift of the least, the better wins. */
function cheapest(found, allowed) {
  const inside = found.names.map((_, at) => at).filter((at) => allowed[at]);
  const least = Math.min(...inside.map((at) => found.costs[at]));
  const tied = inside.filter((at) => found.costs[at] <= least + found.drift * Math.abs(least));
  const keys = [found.worstBound, found.worstLoss, found.costs];
  tied.sort((a, b) => {
    const key = keys.find((values) => values[a] !== values[b]);
    return key ? (key[a] < key[b] ? -1 : 1) : a - b;
  });
  return [tied[0], tied.slice(1)];
}

function onTasks(run, found, chosen) {
  const at = run.row.get(found.names[chosen]);
  return run.deciding.map((t, place) => {
    const task = run.tasks[t], losses = found.loss[place];
    const best = found.names[losses.indexOf(Math.min(...losses))];
    const loss = losses[chosen], bound = found.bound[place][chosen], margin = found.margins[place];
    const finite = Number.isFinite(bound);
    const needed = finite && bound >= margin ? unitsNeeded(loss, bound, margin, task.units) : null;
    return {
      task: task.name, metric: task.metric, score: run.points[t][at], low: run.low[t][at], high: run.high[t][at],
      best, bestScore: run.points[t][run.row.get(best)], loss, margin,
      bound: finite ? bound : null,
      unitsNeeded: needed !== null && Number.isFinite(needed) ? needed : null,
    };
  });
}

function unitsNeeded(loss, bound, margin, units) {
  if (loss >= margin) return Infinity;
  return Math.max(units, Math.ceil(units * ((bound - loss) / (margin - loss)) ** 2));
}

/** Tasks that tell no candidates apart, and how. */
function alike(run, terms) {
  const found = [];
  for (const t of run.deciding) {
    const task = run.tasks[t], points = run.points[t].filter((point) => point !== null);
    if (points.length < 2) continue;
    const margin = marginOf(terms, task), least = Math.min(...points), most = Math.max(...points);
    if (least >= run.saturated) found.push([task.name, `saturated: every candidate scores ${fixed(least, 1)} or more`]);
    else if (task.can_prove && run.largest_bound[t] < margin)
      found.push([task.name, `all candidates are alike: proven within ${general(margin, 6)} points of each other`]);
    else if (least === most) found.push([task.name, "all candidates score the same"]);
  }
  return found;
}

/** When nothing is feasible: up to three candidates that break the limits least, and which. */
function closest(run, terms, reasons) {
  const severity = (name) => {
    let worst = 0;
    for (const [cost, limit] of Object.entries(terms.limits)) {
      const value = figure(run, name, cost);
      if (value === null) return Infinity;
      const [over, under] = moreIsBetter(run, cost) ? [limit, value] : [value, limit];
      worst = Math.max(worst, under ? over / under : Infinity);
    }
    return worst;
  };
  const ranked = [...reasons.keys()].map((name) => [severity(name), name]);
  ranked.sort((a, b) => (a[0] === b[0] ? 0 : a[0] - b[0]));
  return ranked.slice(0, 3).map(([, name]) => [name, reasons.get(name)]);
}

/** What the answer would be under other margins and without each limit: only what changes it. */
function sensitivity(run, terms, choice) {
  const own = run.tasks.some((task) => marginOf(terms, task) !== terms.margin);
  const others = run.other_margins.map((margin) => [
    `a margin of ${general(margin, 6)} points${own ? " on every task" : ""}`,
    { ...terms, margin, margins: own ? Object.fromEntries(run.tasks.map((task) => [task.name, margin])) : {} },
  ]);
  for (const name of Object.keys(terms.limits)) {
    const { [name]: _, ...limits } = terms.limits;
    others.push([`no limit on ${name}`, { ...terms, limits }]);
  }
  return others.flatMap(([change, asked]) => {
    const other = choose(run, asked);
    const same = other.candidate === choice.candidate && other.verdict === choice.verdict;
    return same ? [] : [{ change, verdict: other.verdict, candidate: other.candidate }];
  });
}

/** The recommendation under `terms`, as `sizewise.decide.recommendation.decide` has it. */
function decide(run, terms) {
  const found = board(run, terms), choice = choose(run, terms, found);
  const ladder = run.ladders[terms.minimise] ?? [];
  const best = bestPlain(run, ladder);
  return {
    terms, choice, best, ladder,
    savings: savings(run, choice.candidate, best),
    infeasible: found.infeasible,
    closest: choice.candidate === null ? closest(run, terms, found.infeasible) : [],
    alike: alike(run, terms),
    breakEven: breakEven(run, terms, choice),
    sensitivity: sensitivity(run, terms, choice),
  };
}

/** Without matrices: what was decided when the page was written. */
function asDecided(run, terms) {
  const { choice, infeasible, best } = run.decided, names = { bestScore: "best_score", unitsNeeded: "units_needed" };
  const tasks = choice.tasks.map((one) => ({ ...one, ...Object.fromEntries(Object.entries(names).map(([to, from]) => [to, one[from]])) }));
  const found = { terms, best, choice: { ...choice, tasks }, infeasible: new Map(Object.entries(infeasible)) };
  return { ...found, ladder: run.ladders[terms.minimise] ?? [], breakEven: breakEven(run, terms, found.choice) };
}

/** What one would use without looking for savings: the plain encoder of highest mean score. */
function bestPlain(run, ladder) {
  const plain = ladder.filter((point) => run.plain.includes(point.candidate));
  const among = plain.length ? plain : ladder;
  return among.reduce((best, point) => (best && best.quality >= point.quality ? best : point), null)?.candidate ?? null;
}

function savings(run, chosen, best) {
  if (chosen === null || best === null || chosen === best) return new Map();
  return new Map(run.costs.names.flatMap((name) => {
    const before = figure(run, best, name), after = figure(run, chosen, name);
    return before === null || after === null || before === after ? [] : [[name, [before, after]]];
  }));
}

/** For each shape: how many times dearer it is, and what it would have to score to unseat the chosen one. */
function breakEven(run, terms, choice) {
  return run.shapes.flatMap((shape) => {
    const cost = figure(run, shape, terms.minimise);
    if (!cost || !choice.cost) return [];
    const times = moreIsBetter(run, terms.minimise) ? choice.cost / cost : cost / choice.cost;
    return [{ shape, cost, times, scores: choice.tasks.map((one) => [one.task, one.score + one.margin, one.score]) }];
  });
}
