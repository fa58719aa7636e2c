// Scales of a chart: from values to places, and where they are marked.

/** {place(value), ticks}: from the `values` to `[from, to]`, with some room at both ends. */
export function scale(values, [from, to], { log = false, room = 0.06, ticks = 6 } = {}) {
  const turn = log ? Math.log10 : (value) => value;
  let low = turn(Math.min(...values)), high = turn(Math.max(...values));
  if (low === high) [low, high] = log ? [low - 0.1, high + 0.1] : [low - (Math.abs(low) || 1) * 0.05, high + (Math.abs(high) || 1) * 0.05];
  const more = (high - low) * room;
  [low, high] = [low - more, high + more];
  const place = (value) => from + ((turn(value) - low) / (high - low)) * (to - from);
  const marks = log ? decades(10 ** low, 10 ** high, ticks) : even(low, high, ticks);
  return { place, ticks: marks };
}

/** As many round numbers as are not too many; evenly spaced ones where they are too few. */
function decades(low, high, most) {
  for (const steps of [[1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++)
      for (const step of steps) found.push(Number(`${step}e${power}`));
    const within = found.filter((value) => value >= low && value <= high);
    if (within.length < 2) break;
    if (within.length <= most || steps.length === 1) return within;
  }
  return even(low, high, most);
}

/** Multiples of 1, 2 or 5 times a power of ten. */
function even(low, high, most) {
  const rough = (high - low) / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const found = [];
  for (let at = Math.ceil(low / step); at * step <= high; at++) found.push(Number((at * step).toPrecision(12)));
  return found;
}
