// Elements from data. All text goes in as text nodes: nothing that a document says can become markup.

import { printable } from "./text.js";

/** What the pipelines are called on the page. */
export const LETTERS = ["A", "B"];

const SVG = "http://www.w3.org/2000/svg";

/** `<tag>` with attributes (functions become listeners) and children (texts, elements, arrays of them). */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same in a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...present(children));
  return element;
}

/** Text that somebody else wrote: made safe to show, and on its own side of any right-to-left mark. */
export function user(text) {
  return h("bdi", { dir: "auto" }, printable(text));
}

/** A candidate's name, which may break behind a `+`, `/`, `@` or comma, not within a word. */
export function named(name) {
  return h("bdi", { dir: "ltr" }, printable(name).split(/(?<=[+/@,(])/).flatMap((part) => [part, h("wbr")]));
}

export function at(id) {
  return document.getElementById(id);
}

export function put(place, ...children) {
  (typeof place === "string" ? at(place) : place).replaceChildren(...present(children));
}

function present(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== "");
}
