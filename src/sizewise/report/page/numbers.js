// Numbers in words, digit for digit as Python's format() writes them in the terminal.

/** `value` with `digits` decimals; exact ties go to the even digit, as in Python (toFixed would round them up). */
function fixed(value, digits) {
  const doubled = value * 2 ** (digits + 1);
  if (!Number.isInteger(doubled) || Math.abs(doubled) % 2 !== 1) return value.toFixed(digits);
  const scale = 10 ** digits, below = Math.floor(value * scale);
  return ((below % 2 === 0 ? below : below + 1) / scale).toFixed(digits);
}

/** With commas between thousands. */
function grouped(value, digits) {
  const [whole, rest] = fixed(value, digits).split(".");
  const commas = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return rest === undefined ? commas : `${commas}.${rest}`;
}

/** Python's `:.{digits}g`: so many digits that matter, no zeros at the end. */
function general(value, digits) {
  if (value === 0) return "0";
  const exponent = Number(value.toExponential(digits - 1).split("e")[1]);
  if (exponent < -4 || exponent >= digits) {
    const [mantissa, power] = value.toExponential(digits - 1).split("e");
    const size = String(Math.abs(power)).padStart(2, "0");
    return `${trimmed(mantissa)}e${power < 0 ? "-" : "+"}${size}`;
  }
  return trimmed(fixed(value, digits - 1 - exponent));
}

function trimmed(text) {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

/** `decide.terms.written`: four digits that matter, never an exponent for a large one. */
function written(value) {
  return Math.abs(value) >= 1000 ? grouped(value, 0) : general(value, 4);
}

/** With its sign, also that of zero and above. */
function signed(value, digits) {
  const text = fixed(value, digits);
  return value < 0 || text.startsWith("-") ? text : `+${text}`;
}
