// Hybrids: how deep is enough, what cascades save, which weights were found, and whether composed latencies held.

function drawHybrids(run) {
  const { depths, cascades, weights, finalists } = run.hybrids;
  const parts = [drawDepths(depths), drawCascades(cascades), drawWeights(weights), drawFinalists(finalists)].filter(Boolean);
  if (depths.length + cascades.length + weights.length) put("hybrids-body", ...parts);
  else document.getElementById("hybrids").remove();
}

function drawDepths(found) {
  if (!found.length) return null;
  const columns = ["first", "ranked again by", "task", "first alone", "enough", "score there", "pool’s ceiling there", "deepest", "score there", "pool’s ceiling there"];
  const rows = found.map((one) => ({
    cells: [named(one.first), named(one.second), user(one.task), some(one.first_score), String(one.enough), points(one.score), some(one.ceiling), String(one.deepest), points(one.deepest_score), some(one.deepest_ceiling)],
    keys: [one.first, one.second, one.task, one.first_score, one.enough, one.score, one.ceiling, one.deepest, one.deepest_score, one.deepest_ceiling],
    find: `${one.first} ${one.second} ${one.task}`.toLowerCase(),
  }));
  return [h("h3", {}, "How deep is enough"), ...table("Enough: the least depth that surely loses less than the margin against the deepest. The pool’s ceiling is what a perfect reranker of so many would reach: where it is hardly above the score, look for another retriever.", headed(columns, 2), rows, { search: "Find", most: 40 })];
}

function drawCascades(found) {
  if (!found.length) return null;
  const columns = ["cascade", "task", "found", "ranked again", "score", "against always", "mean ms", "always, mean ms", "best fixed that costs no more", "against that"];
  const rows = found.map((one) => ({
    cells: [named(one.candidate), user(one.task), one.needed === null ? one.found : [one.found, h("small", {}, `cannot certify: ${grouped(one.queries, 0)} independent queries, ${grouped(one.needed, 0)} needed`)], `${fixed(100 * one.share, 0)}%`, points(one.score), gap(one.always), some(one.cost), some(one.always_cost), one.fixed === null ? "–" : named(one.fixed), gap(one.against_fixed)],
    keys: [one.candidate, one.task, one.found, one.share, one.score, one.always?.[0] ?? null, one.cost, one.always_cost, one.fixed ?? "", one.against_fixed?.[0] ?? null],
    find: `${one.candidate} ${one.task}`.toLowerCase(),
  }));
  return [h("h3", {}, "Cascades"), ...table("Only queries below the threshold are ranked again. It was found on queries that are not scored here, so that the expected loss against always ranking again is below the risk asked for with 95% confidence (Learn then Test); “always”: no threshold could be certified.", headed(columns, 3), rows, { search: "Find", most: 40 })];
}

function drawWeights(found) {
  if (!found.length) return null;
  const rows = found.map((one) => ({ cells: [named(one.candidate), user(one.task), one.found, points(one.score)], keys: [one.candidate, one.task, one.found, one.score] }));
  return [h("h3", {}, "Weights found"), ...table("The weight of the first one, found on queries that are not scored here.", headed(["fusion", "task", "weight", "score"], 2), rows)];
}

function drawFinalists(found) {
  if (!found.length) return null;
  const rows = found.map((one) => ({
    cells: [named(one.candidate), fixed(one.composed, 1), fixed(one.measured, 1), `${signed(100 * one.apart, 0)}%`, ...["encoding", "search"].map((stage) => one.stages ? `${fixed(one.stages[stage][0], 1)}, ${fixed(one.stages[stage][1], 1)}` : "–"), Math.abs(one.apart) <= 0.2 ? "held" : one.misled ? `misled by ${one.misled}` : "did not hold"],
    keys: [one.candidate, one.composed, one.measured, one.apart, one.stages?.encoding[1] ?? null, one.stages?.search[1] ?? null, Math.abs(one.apart)],
  }));
  return [h("h3", {}, "Composed and measured"), ...table("95th percentiles of latency in ms: composed of the stages’, and measured from query to ranking. Held: within 20%; where it did not hold, the stage that is farthest from what was composed.", headed(["finalist", "composed", "measured", "apart", "encoding, composed and measured", "search, composed and measured", ""], 1), rows)];
}

function headed(titles, words) {
  return titles.map((title, at) => ({ title, words: at > 0 && at < words }));
}

function some(value) {
  return value === null || value === undefined ? "–" : points(value);
}

function gap(found) {
  return found === null ? "–" : [signed(found[0], 2), h("small", {}, `${signed(found[1], 1)} to ${signed(found[2], 1)}`)];
}
