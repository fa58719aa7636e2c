// Asking for a key when the server wants one. It stays in memory, or in the tab where that is wished.

import { useKey } from "./api.js";
import { h, put } from "./dom.js";

/** Comes back when a key was typed. */
export function typedKey(message) {
  return new Promise((done) => {
    const field = h("input", { type: "password", id: "typed-key", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "key-why" });
    const keep = h("input", { type: "checkbox" });
    const given = (event) => {
      event.preventDefault();
      if (/[^\x21-\x7e]/.test(field.value.trim())) {
        put(why, "A key has letters, digits and signs of plain ASCII only.");
        return;
      }
      useKey(field.value, keep.checked);
      put("key");
      done();
    };
    const why = h("p", { id: "key-why", role: "status" }, message);
    put("key", h("form", { class: "box", submit: given }, h("h2", {}, "This server wants a key"), why,
      h("div", { class: "query" }, h("label", { class: "wide" }, "API key ", field), h("button", { type: "submit", class: "main" }, "Use this key")),
      h("label", { class: "tick" }, keep, "Keep it until this tab is closed")));
    field.focus();
  });
}
