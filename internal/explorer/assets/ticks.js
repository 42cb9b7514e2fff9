// Which periods an axis names: as many as there is room for, at the seams of the calendar.

import { DAY, HOUR, weekday } from "./civil.js";

/** @typedef {import("./types").Civil} Civil */

/** From fine to coarse. @type {((at: Civil) => boolean)[]} */
const seams = [
  () => true,
  ...[2, 3, 6, 12].map((h) => (/** @type {Civil} */ at) => at % (h * HOUR) === 0),
  (at) => at % DAY === 0,
  (at) => at % (2 * DAY) === 0,
  (at) => at % DAY === 0 && weekday(at) === 0,
  (at) => at % (14 * DAY) === 4 * DAY,
  (at) => at % DAY === 0 && new Date(at).getUTCDate() === 1,
  ...[2, 3, 6, 12].map((n) => (/** @type {Civil} */ at) => at % DAY === 0 && new Date(at).getUTCDate() === 1 && new Date(at).getUTCMonth() % n === 0),
];

/** Where the seams of months begin. */
const MONTHS = 9;

/**
 * The places of the periods that are named, at most as many as there is room for, if that can be.
 * @param {Civil[]} periods @param {number} room @returns {number[]}
 */
export function ticks(periods, room) {
  // Months and years have the seams of the year alone.
  const long = periods.length > 1 && periods[1] - periods[0] > 27 * DAY;
  for (const seam of long ? seams.slice(MONTHS) : seams) {
    const at = [];
    for (let i = 0; i < periods.length; i++) if (seam(periods[i])) at.push(i);
    if (at.length > 0 && at.length <= Math.max(room, 2)) return at;
  }
  return periods.length > 0 ? [0, periods.length - 1] : [];
}
