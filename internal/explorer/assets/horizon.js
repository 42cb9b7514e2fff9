// What Adobe no longer has: the gateway tells it of each answer, and nothing here reckons it.

import { parse, step } from "./civil.js";

/** @typedef {import("./types").Civil} Civil */
/** @typedef {import("./types").Grain} Grain */
/** @typedef {import("./types").Part} Part */

/** Reads the header Cmu-Before-Horizon, a list of RFC 9651. @param {string | null} header @returns {Part[]} */
export function readHorizon(header) {
  const parts = [];
  for (const item of (header ?? "").split(",")) {
    const [start, end] = ["from", "until"].map((name) => parse(new RegExp(`;\\s*${name}="([^"]*)"`).exec(item)?.[1] ?? ""));
    if (start !== null && end !== null && start < end) parts.push({ start, end });
  }
  return parts;
}

/** For each period whether something of it is gone. @param {Civil[]} list @param {Grain} grain @param {Part[]} gone @returns {boolean[]} */
export const goneOf = (list, grain, gone) => list.map((p) => gone.some((g) => p < g.end && step(p, grain, 1) > g.start));

/** Whether all of a span is gone. @param {Part} span @param {Part[]} gone */
export function allGone({ start, end }, gone) {
  let at = start;
  for (const g of gone) if (g.start <= at) at = Math.max(at, g.end);
  return at >= end;
}
