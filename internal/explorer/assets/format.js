// Numbers and times for people, in the browser's language. Civil times are shown as they are: the zone is UTC on both sides.

/** @typedef {import("./types").Civil} Civil */
/** @typedef {import("./types").Grain} Grain */
/** @typedef {import("./types").Span} Span */

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumSignificantDigits: 3 });
const shorter = new Intl.NumberFormat(undefined, { notation: "compact", maximumSignificantDigits: 2 });
const percent = new Intl.NumberFormat(undefined, { style: "percent", maximumFractionDigits: 1, signDisplay: "exceptZero" });

/** @param {Intl.DateTimeFormatOptions} o */
const dates = (o) => new Intl.DateTimeFormat(undefined, { timeZone: "UTC", ...o });
const forms = {
  year: dates({ year: "numeric" }),
  month: dates({ year: "numeric", month: "short" }),
  day: dates({ year: "numeric", month: "short", day: "numeric", weekday: "short" }),
  hour: dates({ year: "numeric", month: "short", day: "numeric", weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
  tick: dates({ month: "short", day: "numeric" }),
  clock: dates({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" }),
  date: dates({ year: "numeric", month: "short", day: "numeric" }),
  weekday: dates({ weekday: "short" }),
};

/** @param {number | null | undefined} n */
export const number = (n) => (n === null || n === undefined ? "–" : whole.format(n));
/** @param {number | null} n */
export const compact = (n) => (n === null ? "–" : short.format(n));
/** @param {number} n */
export const brief = (n) => shorter.format(n);
/** @param {number | null} part */
export const change = (part) => (part === null ? "–" : percent.format(part));

/** The name of a period. @param {Civil} at @param {Grain} grain */
export const period = (at, grain) => (grain === "minute" ? forms.hour : forms[grain]).format(at);

/** A period on an axis. @param {Civil} at @param {Grain} grain */
export function tick(at, grain) {
  if (grain === "year" || grain === "month") return forms[grain].format(at);
  return at % 86400e3 === 0 ? forms.tick.format(at) : forms.clock.format(at);
}

/** A span; its last day is named, not the one after it. @param {Span} span */
export function span({ start, end }) {
  if (start % 86400e3 !== 0 || end % 86400e3 !== 0) return `${moment(start)} – ${moment(end)}`;
  return forms.date.formatRange(start, end - 1);
}

/** @param {Civil} at */
export const moment = (at) => (at % 86400e3 === 0 ? forms.date.format(at) : `${forms.date.format(at)}, ${forms.clock.format(at)}`);

/** Monday is 0. @param {number} day */
export const weekdayName = (day) => forms.weekday.format((4 + day) * 86400e3);

/** How long ago, of seconds. @param {number} seconds */
export function ago(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

/** @param {string} text */
export const escape = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
