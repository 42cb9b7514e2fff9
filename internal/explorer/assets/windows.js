// Windows: which span of Adobe's calendar is meant, what it is compared with, and by which periods it is shown.

import { DAY, GRAINS, addMonths, floor, parse, step, write } from "./civil.js";

/** @typedef {import("./types").Civil} Civil */
/** @typedef {import("./types").Grain} Grain */
/** @typedef {import("./types").Span} Span */

/** The presets, by their name in the URL. */
export const PRESETS = [
  { name: "24h", title: "24 hours" },
  { name: "7d", title: "7 days" },
  { name: "30d", title: "30 days" },
  { name: "90d", title: "90 days" },
  { name: "this-month", title: "This month" },
  { name: "last-month", title: "Last month" },
  { name: "12m", title: "12 months" },
];

/** The most points that a series may have. */
export const MAX_POINTS = 2000;

/**
 * The span that a window means now. Presets of days and months are whole ones up to today; this month goes on to the end of today.
 * @param {string} name @param {Civil} now @returns {Span | null}
 */
export function resolve(name, now) {
  const today = floor(now, "day");
  const month = floor(now, "month");
  switch (name) {
    case "24h":
      return { start: floor(now, "hour") - DAY, end: floor(now, "hour"), months: 0 };
    case "this-month":
      return { start: month, end: today + DAY, months: 1 };
    case "last-month":
      return { start: addMonths(month, -1), end: month, months: 1 };
    case "12m":
      return { start: addMonths(month, -12), end: month, months: 12 };
  }
  const days = /^([1-9]\d{0,2})d$/.exec(name);
  if (days) return { start: today - Number(days[1]) * DAY, end: today, months: 0 };
  const [from, to] = name.split("..");
  const start = parse(from ?? "");
  const end = parse(to ?? "");
  return start !== null && end !== null && start < end ? between(start, end) : null;
}

/** The span between two instants, which is one of months if both are the first of one. @param {Civil} start @param {Civil} end @returns {Span} */
export function between(start, end) {
  const whole = start === floor(start, "month") && end === floor(end, "month");
  const [a, b] = [new Date(start), new Date(end)];
  return { start, end, months: whole ? (b.getUTCFullYear() - a.getUTCFullYear()) * 12 + b.getUTCMonth() - a.getUTCMonth() : 0 };
}

/** A window's name in the URL. @param {Span} span */
export const nameOf = (span) => `${write(span.start)}..${write(span.end)}`;

/** The span n windows later or, if negative, earlier. @param {Span} span @param {number} n @returns {Span} */
export function shifted(span, n) {
  if (span.months > 0) {
    // A month that is not over has whole ones beside it.
    const start = addMonths(span.start, n * span.months);
    return { start, end: addMonths(start, span.months), months: span.months };
  }
  const by = n * (span.end - span.start);
  return { start: span.start + by, end: span.end + by, months: 0 };
}

/** Whether weekdays can stand beside the same ones: months and years have all of them. @param {Grain} grain */
export const hasWeekdays = (grain) => grain !== "month" && grain !== "year";

/**
 * The span to compare with: the one before, or a year before. With weekday, weekdays stand beside the same ones. By month or year it is
 * shifted by whole months, so that a month stands beside a month.
 * @param {Span} span @param {"before" | "year"} kind @param {boolean} weekday @param {Grain} grain @returns {Span}
 */
export function compared(span, kind, weekday, grain) {
  const length = span.end - span.start;
  if (!hasWeekdays(grain)) {
    const n = kind === "year" ? 12 : count(span, grain) * (grain === "year" ? 12 : 1);
    return { start: addMonths(span.start, -n), end: monthsBefore(span.end, n), months: span.months };
  }
  if (weekday) {
    const week = 7 * DAY;
    const by = kind === "year" ? 52 * week : Math.ceil(length / week) * week;
    return { start: span.start - by, end: span.end - by, months: 0 };
  }
  if (kind === "year") {
    const start = addMonths(span.start, -12);
    return { start, end: span.months > 0 ? addMonths(span.end, -12) : start + length, months: span.months };
  }
  if (span.months > 0) {
    // Whole months have whole ones before them; of a month that is not over, as many days.
    const start = addMonths(span.start, -span.months);
    const over = span.end === floor(span.end, "month");
    return { start, end: over ? span.start : Math.min(start + length, span.start), months: span.months };
  }
  return { start: span.start - length, end: span.start, months: 0 };
}

/** An end n months before: the last day's end stays one. @param {Civil} end @param {number} n */
const monthsBefore = (end, n) => (end === floor(end, "month") ? addMonths(end, -n) : addMonths(end - 1, -n) + 1);

/** How many periods of a grain a span has. @param {Span} span @param {Grain} grain */
export function count(span, grain) {
  const [a, b] = [new Date(floor(span.start, grain)), new Date(span.end)];
  const months = (b.getUTCFullYear() - a.getUTCFullYear()) * 12 + b.getUTCMonth() - a.getUTCMonth();
  switch (grain) {
    case "year":
      return Math.max(1, Math.ceil(months / 12));
    case "month":
      return Math.max(1, months + (floor(span.end, "month") === span.end ? 0 : 1));
  }
  return Math.ceil((span.end - a.getTime()) / (step(0, grain, 1) - 0));
}

/** The grain that shows a span best: hours up to 31 days, then days, months over two years. @param {Span} span @returns {Grain} */
export function bestGrain(span) {
  const days = (span.end - span.start) / DAY;
  if (days <= 31) return "hour";
  return days <= 731 ? "day" : "month";
}

/** The grains that show a span in 2 to MAX_POINTS points, or that have one period in it. @param {Span} span @returns {Grain[]} */
export function grains(span) {
  return GRAINS.filter((g) => {
    const n = count(span, g);
    return n <= MAX_POINTS && span.end >= step(span.start, g, 1);
  });
}

/** The grain that is shown: the one wanted if it can be. @param {Span} span @param {Grain | ""} wanted @returns {Grain} */
export function grainOf(span, wanted) {
  const possible = grains(span);
  return wanted && possible.includes(wanted) ? wanted : bestGrain(span);
}

/**
 * The bounds of a preset in the gateway's relative form, where that means the same span at a grain.
 * @param {string} name @param {Grain} grain @returns {{start: string, end: string} | null}
 */
export function relative(name, grain) {
  if (name === "24h" && grain === "hour") return { start: "-24h", end: "-0h" };
  if (name === "last-month") return { start: "last-month", end: "this-month" };
  const days = /^(\d+)d$/.exec(name);
  if (days && grain === "day") return { start: `-${days[1]}d`, end: "today" };
  if (name === "12m" && grain === "month") return { start: "-12m", end: "this-month" };
  return null;
}

/** The whole period of a coarser grain that a span is, if it is one. @param {Span} span @param {Grain} grain @returns {Grain | null} */
export function asOne(span, grain) {
  for (const g of GRAINS.slice(0, GRAINS.indexOf(grain))) {
    if (floor(span.start, g) === span.start && step(span.start, g, 1) === span.end) return g;
  }
  return null;
}
