// Latency: as the server measured it, and there and back. Searches go one after another, so that none waits for another.

import { search } from "./api.js";
import { h } from "./dom.js";
import { median, milliseconds } from "./numbers.js";

export const TIMES = 10;

/** `TIMES` searches with each of `models` in turn, who goes first changing: for each model {server, round} in ms. */
export async function timed(models, query, depth, signal, told) {
  const found = models.map(() => ({ server: [], round: [] }));
  for (let turn = 0; turn < TIMES; turn++) {
    told(turn);
    const order = turn % 2 ? [...models.keys()].reverse() : [...models.keys()];
    for (const at of order) {
      const answer = await search(models[at], query, depth, signal);
      found[at].server.push(answer.took_ms);
      found[at].round.push(answer.round_ms);
    }
  }
  return found;
}

/** Of one search, or the medians of several with the range of the server's. */
export function latency(times) {
  const [server, round] = [median(times.server), median(times.round)];
  const many = times.server.length > 1;
  const range = many ? ` (${milliseconds(Math.min(...times.server))} to ${milliseconds(Math.max(...times.server))})` : "";
  return h("p", { class: "latency" }, h("strong", {}, milliseconds(server)), ` in the server${range}, `,
    h("strong", {}, milliseconds(round)), " there and back", many ? `; medians of ${times.server.length}` : "");
}
