// Text from documents made safe to show: nothing in it turns a line around, and a long one is cut.

const HIDDEN = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

/** Control characters, marks of direction and halves of pairs written out, as `sizewise.core.text.printable` does. */
export function printable(text) {
  return text.replace(HIDDEN, (found) => {
    const point = found.charCodeAt(0).toString(16);
    return point.length <= 2 ? `\\x${point.padStart(2, "0")}` : `\\u${point.padStart(4, "0")}`;
  });
}

/** The first `most` characters, to the end of a word where one is near; whole where it is hardly longer. */
export function clipped(text, most) {
  if (text.length <= most * 1.25) return text;
  const cut = text.slice(0, most), space = cut.lastIndexOf(" ");
  const kept = space > most * 0.7 ? cut.slice(0, space) : cut;
  return `${kept.replace(/[\ud800-\udbff]$/, "")} …`; // never half of a pair
}

/** How many words, about: what stands between spaces. */
export function words(text) {
  return text.split(/\s+/).filter(Boolean).length;
}
