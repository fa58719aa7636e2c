// Numbers in words.

/** Four digits that matter, commas between thousands, no zeros at the end. */
export function written(value) {
  if (!Number.isFinite(value)) return "–";
  if (Math.abs(value) >= 1000) return value.toLocaleString("en-GB", { maximumFractionDigits: 0 });
  return String(Number(value.toPrecision(4)));
}

/** Milliseconds: finer where they are few. */
export function milliseconds(value) {
  return `${value < 10 ? value.toFixed(1) : written(Math.round(value))} ms`;
}

/** With its sign, and a real minus. */
export function signed(value) {
  return value < 0 ? `−${-value}` : `+${value}`;
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}
