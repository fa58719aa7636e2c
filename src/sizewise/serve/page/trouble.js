// What went wrong, and trying again: not before the server wishes.

import { Failure, hasKey } from "./api.js";
import { h, put } from "./dom.js";
import { typedKey } from "./key.js";

const TITLES = { 0: "No answer", 429: "The server has too much to do", 503: "The server is not ready" };

/**
 * What `action` gives, however often it must be tried: again after a key was typed, or when the person asks for it. With
 * `patient` it is tried again without asking while the server is not ready.
 */
export async function insisting(action, { patient = false } = {}) {
  for (;;) {
    try {
      const found = await action();
      put("trouble");
      return found;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      put("trouble");
      if (error.status === 401) await typedKey(hasKey() ? error.message : "Type the one that you were given.");
      else await again(error, patient && error.status === 503);
    }
  }
}

/** Comes back when it is time, by itself or because a button was pressed. */
function again(error, alone) {
  return new Promise((done) => {
    const button = h("button", { type: "button", disabled: error.wait > 0, click: done }, "Try again");
    const left = h("span");
    put("trouble", h("div", { class: "box" }, h("h2", {}, TITLES[error.status] ?? "That did not work"), h("p", {}, error.message), h("p", {}, button, " ", left)));
    let seconds = Math.ceil(error.wait);
    const count = () => {
      if (!button.isConnected) return; // something newer is shown
      left.textContent = seconds > 0 ? `in ${seconds} s` : "";
      button.disabled = seconds > 0;
      if (seconds-- > 0) setTimeout(count, 1000);
      else if (alone) done();
    };
    if (alone) seconds = Math.max(seconds, 1);
    count();
  });
}
