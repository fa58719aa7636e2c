// What went wrong, and trying again: not before the server wishes.

import { Failure, hasKey } from "./api.js";
import { at, h, put } from "./dom.js";
import { typedKey } from "./key.js";

const TITLES = { 0: "No answer", 429: "The server has too much to do", 503: "The server is not ready" };

const button = h("button", { type: "button", click: () => { if (!waits()) next?.(); } }, "Try again"), left = h("span");
let next = null; // tries again
let lost = false; // the focus was on what is gone

/**
 * What `action` gives, however often it must be tried: again after a key was typed, or when the person asks for it. With
 * `patient` it is tried again without asking while the server is not ready.
 */
export async function insisting(action, { patient = false } = {}) {
  for (;;) {
    try {
      const found = await action();
      calm();
      refocus();
      return found;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (error.status === 401) {
        calm();
        await typedKey(hasKey() ? error.message : "Type the one that you were given.");
        lost = true;
      } else await again(error, patient && error.status === 503);
    }
  }
}

/** There is no trouble any more. */
export function calm() {
  lost ||= document.activeElement === button;
  next = null;
  put("trouble");
  put("retry");
}

/** The focus, where what had it is gone, goes to what was found, or where one types; not before these are shown. */
export function refocus() {
  if (!at("ask").hidden) focus(at(at("query").value.trim() ? "results" : "query"));
}

function focus(element) {
  if (lost && document.activeElement === document.body) element.focus();
  lost = false;
}

/** Comes back when it is time, by itself or because the button was pressed. */
function again(error, alone) {
  return new Promise((done) => {
    next = done;
    say(TITLES[error.status] ?? "That did not work", error.message);
    if (!button.isConnected) put("retry", h("div", { class: "box" }, button, " ", left));
    let seconds = Math.ceil(error.wait);
    const count = () => {
      if (next !== done) return; // something newer is shown
      left.textContent = seconds > 0 ? `in ${seconds} s` : "";
      button.setAttribute("aria-disabled", seconds > 0); // truly disabled, it would lose the focus
      if (seconds-- > 0) setTimeout(count, 1000);
      else if (alone) done();
    };
    if (alone) seconds = Math.max(seconds, 1);
    count();
    focus(button);
  });
}

/** What is said already stays as it is: whatever is put there is read out. */
function say(title, message) {
  const box = h("div", { class: "box" }, h("h2", {}, title), h("p", {}, message));
  if (box.textContent !== at("trouble").textContent) put("trouble", box);
}

function waits() {
  return button.getAttribute("aria-disabled") === "true";
}
