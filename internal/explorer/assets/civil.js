// Civil time: Adobe's calendar as numbers. Date is used for arithmetic in UTC alone; no zone is ever read or converted.

/** @typedef {import("./types").Civil} Civil */
/** @typedef {import("./types").Grain} Grain */

export const HOUR = 3600e3;
export const DAY = 24 * HOUR;

/** Time dimensions from coarse to fine. @type {Grain[]} */
export const GRAINS = ["year", "month", "day", "hour", "minute"];

/** @param {string} name @returns {name is Grain} */
export const isTime = (name) => GRAINS.includes(/** @type {Grain} */ (name));

const form = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d)(?::(\d\d)(?::\d\d(?:\.\d+)?)?)?)?)?)?$/;

/**
 * Reads a civil time, which may be cut off after any field.
 * @param {string} text @returns {Civil | null}
 */
export function parse(text) {
  const m = form.exec(text.trim());
  if (!m) return null;
  const [y, mo, d, h, mi] = [m[1], m[2] ?? "1", m[3] ?? "1", m[4] ?? "0", m[5] ?? "0"].map(Number);
  const at = Date.UTC(y, mo - 1, d, h, mi);
  const back = new Date(at);
  // Years of two digits would be those of the last century.
  return back.getUTCFullYear() === y && back.getUTCMonth() === mo - 1 && back.getUTCDate() === d && h < 24 && mi < 60 ? at : null;
}

/** Writes a civil time as a bound of a report. @param {Civil} at */
export function write(at) {
  const text = new Date(at).toISOString();
  return at % DAY === 0 ? text.slice(0, 10) : text.slice(0, 16);
}

/** The first instant of the period that holds at. @param {Civil} at @param {Grain} grain @returns {Civil} */
export function floor(at, grain) {
  const d = new Date(at);
  switch (grain) {
    case "year":
      return Date.UTC(d.getUTCFullYear(), 0);
    case "month":
      return Date.UTC(d.getUTCFullYear(), d.getUTCMonth());
    case "day":
      return Math.floor(at / DAY) * DAY;
    case "hour":
      return Math.floor(at / HOUR) * HOUR;
  }
  return Math.floor(at / 60e3) * 60e3;
}

/** The same day and time some months later, or the last day of that month. @param {Civil} at @param {number} n @returns {Civil} */
export function addMonths(at, n) {
  const d = new Date(at);
  const month = d.getUTCFullYear() * 12 + d.getUTCMonth() + n;
  const last = new Date(0);
  last.setUTCFullYear(Math.floor(month / 12), (month % 12) + 1, 0);
  const day = Math.min(d.getUTCDate(), last.getUTCDate());
  return Date.UTC(Math.floor(month / 12), month % 12, day) + (at - floor(at, "day"));
}

/** The period n later; at must be the beginning of one. @param {Civil} at @param {Grain} grain @param {number} n @returns {Civil} */
export function step(at, grain, n) {
  switch (grain) {
    case "year":
      return addMonths(at, 12 * n);
    case "month":
      return addMonths(at, n);
    case "day":
      return at + n * DAY;
    case "hour":
      return at + n * HOUR;
  }
  return at + n * 60e3;
}

/** The beginnings of all periods that begin in a span, at most limit. @param {Civil} start @param {Civil} end @param {Grain} grain @param {number} limit */
export function periods(start, end, grain, limit) {
  const list = [];
  for (let at = floor(start, grain); at < end && list.length < limit; at = step(at, grain, 1)) list.push(at);
  return list;
}

/** 0 is Monday. @param {Civil} at */
export const weekday = (at) => (new Date(at).getUTCDay() + 6) % 7;

/** @param {Civil} at */
export const hourOf = (at) => Math.floor(at / HOUR) % 24;
