// How far two rankings agree.

/**
 * Of two lists of results: `places`, for each list the rank in the other one by id; `common`, the ids in both; `of`, the
 * longer list's length; `sameFirst`; and `correlation`, Kendall's tau of the common ones, null below three.
 */
export function agreement(a, b) {
  const inA = ranks(a), inB = ranks(b);
  const common = a.map((one) => one.id).filter((id) => inB.has(id));
  return {
    places: [inB, inA],
    common,
    of: Math.max(a.length, b.length),
    sameFirst: a.length > 0 && b.length > 0 && a[0].id === b[0].id,
    correlation: common.length < 3 ? null : kendall(common.map((id) => inB.get(id))),
  };
}

/** Documents of both lists, each once: the one that stands higher in either list first, those of the first list before. */
export function merged(a, b) {
  const [inA, inB] = [ranks(a), ranks(b)];
  const found = new Map([...b, ...a].map((one) => [one.id, one]));
  const best = (id) => Math.min(inA.get(id) ?? Infinity, inB.get(id) ?? Infinity);
  const rows = [...found.values()].map((one) => ({ document: one, a: inA.get(one.id), b: inB.get(one.id) }));
  return rows.sort((x, y) => best(x.document.id) - best(y.document.id) || (x.a ?? Infinity) - (y.a ?? Infinity));
}

function ranks(results) {
  return new Map(results.map((one) => [one.id, one.rank]));
}

/** Pairs in order less pairs out of order, of all pairs. Ranks have no ties. */
function kendall(order) {
  let sum = 0;
  for (let i = 0; i < order.length; i++) for (let j = i + 1; j < order.length; j++) sum += Math.sign(order[j] - order[i]);
  return sum / ((order.length * (order.length - 1)) / 2);
}
