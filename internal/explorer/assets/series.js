// Series: what is drawn and listed, made of rows. Distinct counts are never added up, whatever the rows.

import { DAY, GRAINS, HOUR, hourOf, periods, weekday } from "./civil.js";
import { goneOf } from "./horizon.js";
import { number } from "./rows.js";
import { MAX_POINTS } from "./windows.js";

/** @typedef {import("./types").Table} Table */
/** @typedef {import("./types").Built} Built */
/** @typedef {import("./types").Series} Series */
/** @typedef {import("./types").Span} Span */
/** @typedef {import("./types").Grain} Grain */
/** @typedef {import("./types").Civil} Civil */
/** @typedef {import("./types").Part} Part */

/**
 * The place of each row's period among those of a span, -1 outside it.
 * @param {Table} table @param {Civil} start of the first period @param {Grain} grain @param {number} n
 */
function places(table, start, grain, n) {
  const fields = GRAINS.slice(0, GRAINS.indexOf(grain) + 1).map((g) => table.columns[table.names.indexOf(g)] ?? []);
  const first = new Date(start);
  const out = new Int32Array(table.rows);
  // Rows of a day follow each other: the day is worked out when it changes.
  let [y, m, d, day] = ["", "", "", 0];
  for (let i = 0; i < table.rows; i++) {
    let at;
    if (grain === "year" || grain === "month") {
      const months = (Number(fields[0][i]) - first.getUTCFullYear()) * 12 + (grain === "month" ? Number(fields[1][i]) - 1 - first.getUTCMonth() : 0);
      at = grain === "year" ? months / 12 : months;
    } else {
      if (fields[2][i] !== d || fields[1][i] !== m || fields[0][i] !== y) {
        [y, m, d] = [fields[0][i], fields[1][i], fields[2][i]];
        day = Date.UTC(Number(y), Number(m) - 1, Number(d));
      }
      at = (day - start) / DAY;
      if (grain === "hour") at = (day - start) / HOUR + Number(fields[3][i]);
      if (grain === "minute") at = (day - start) / 60e3 + Number(fields[3][i]) * 60 + Number(fields[4][i]);
    }
    out[i] = at >= 0 && at < n ? at : -1;
  }
  return out;
}

/**
 * Values by period and value of the split. A cell that several distinct counts fall into is NaN.
 * @param {Table} table @param {Civil[]} list @param {Grain} grain @param {string} metric @param {string} split @param {boolean} adds
 */
function collect(table, list, grain, metric, split, adds) {
  const where = places(table, list[0] ?? 0, grain, list.length);
  const cells = table.columns[table.names.indexOf(metric)] ?? [];
  const keys = split ? table.columns[table.names.indexOf(split)] : undefined;
  /** @type {Map<string, Float64Array>} */
  const sums = new Map();
  /** @type {Map<string, Uint8Array>} */
  const seen = new Map();
  const any = new Uint8Array(list.length);
  let refused = false;
  let last = -1;
  /** @type {string | undefined} */
  let present;
  let sum = /** @type {Float64Array} */ (new Float64Array(0));
  let had = /** @type {Uint8Array} */ (new Uint8Array(0));
  for (let i = 0; i < table.rows; i++) {
    const at = where[i];
    if (at < 0) continue;
    const key = keys ? keys[i] : "";
    if (at > last) last = at;
    any[at] = 1;
    if (key !== present) {
      present = key;
      if (!sums.has(key)) {
        sums.set(key, new Float64Array(list.length));
        seen.set(key, new Uint8Array(list.length));
      }
      sum = /** @type {Float64Array} */ (sums.get(key));
      had = /** @type {Uint8Array} */ (seen.get(key));
    }
    const value = number(cells[i]);
    if (value === null) continue;
    if (had[at] && !adds) {
      sum[at] = NaN;
      refused = true;
    } else sum[at] += value;
    had[at] = 1;
  }
  return { sums, refused, last, skipped: skipped(list, grain, any) };
}

/** Months in which somewhere clocks go forward; 0 is January. */
const FORWARD = [2, 3, 8, 9, 10];

/**
 * Hours that perhaps were none: Adobe's zone is not known, but in the night to a Sunday in which a clock may go forward one hour has no row
 * at all, and those beside it have some.
 * @param {Civil[]} list @param {Grain} grain @param {Uint8Array} any whether a period has rows
 */
function skipped(list, grain, any) {
  return list.map((p, i) => grain === "hour" && !any[i] && any[i - 1] === 1 && any[i + 1] === 1 && weekday(p) === 6 && hourOf(p) < 4 && FORWARD.includes(new Date(p).getUTCMonth()));
}

/**
 * Makes the series of a window. Periods without rows are zero, as Adobe has a row for each that has usage; those that have not begun,
 * those that Adobe no longer has, and those that perhaps were none, are not known.
 * @param {{table: Table, span: Span, grain: Grain, metric: string, distinct: boolean, adds: boolean, split: string, top: number, now: Civil,
 *   gone: Part[], settled: Civil | null, incomplete: boolean}} o
 * @returns {Built}
 */
export function build(o) {
  const list = periods(o.span.start, o.span.end, o.grain, MAX_POINTS);
  const { sums, refused, last, skipped } = collect(o.table, list, o.grain, o.metric, o.split, o.adds);
  // Of what may still change, what is after the last row is not computed yet.
  const begun = Math.min(list.filter((p) => p <= o.now).length, Math.max(openFrom(list, o.settled), last + 1));
  const gone = goneOf(list, o.grain, o.gone);
  const unknown = gone.map((g, i) => g || skipped[i]);
  const ranked = [...sums].map(([value, sum]) => ({ value, sum, rank: sum.reduce((a, v) => a + (Number.isNaN(v) ? 0 : v), 0) }));
  ranked.sort((a, b) => b.rank - a.rank || (a.value < b.value ? -1 : 1));
  const top = o.split ? ranked.slice(0, o.top) : ranked;
  const rest = ranked.slice(top.length);
  const series = top.map((r) => finish(o.split ? r.value : "", o.split ? r.value || "(empty)" : "All", r.sum, begun, unknown, o));
  if (rest.length > 0 && o.adds && !o.distinct) {
    const sum = new Float64Array(list.length);
    for (const r of rest) for (let i = 0; i < sum.length; i++) sum[i] += r.sum[i];
    series.push({ ...finish("", rest.length === 1 ? "1 other" : `${rest.length} others`, sum, begun, unknown, o), others: true });
  }
  return { periods: list, series, rest: rest.length, all: ranked.map((r) => r.value), distinct: o.distinct, refused, rows: o.table.rows, begun, gone, skipped: list.filter((_, i) => skipped[i]) };
}

/**
 * @param {string} value @param {string} label @param {Float64Array} sum @param {number} begun @param {boolean[]} unknown
 * @param {{adds: boolean, distinct: boolean, incomplete: boolean}} o @returns {Series}
 */
function finish(value, label, sum, begun, unknown, o) {
  /** @type {(number | null)[]} */
  const values = Array.from(sum, (v, i) => (i >= begun || Number.isNaN(v) || (v === 0 && (o.incomplete || unknown[i])) ? null : v));
  return { value, label, others: false, values, ...figures(values, o.adds && !o.distinct) };
}

/** Sum, mean and maximum; there is no sum of what does not add up. @param {(number | null)[]} values @param {boolean} adds */
export function figures(values, adds) {
  let [n, total, max] = [0, 0, -Infinity];
  for (const v of values) {
    if (v === null) continue;
    n++;
    total += v;
    if (v > max) max = v;
  }
  return { sum: adds && n > 0 ? total : null, mean: n > 0 ? total / n : null, max: n > 0 ? max : null };
}

/**
 * Adds the values of another span, period by period, to the series that are there. What was among the first then, and is gone now, gets a
 * series too.
 * @param {Built} built @param {{table: Table, span: Span, grain: Grain, metric: string, distinct: boolean, adds: boolean, split: string, top: number,
 *   now: Civil, gone: Part[], incomplete: boolean}} o
 */
export function addBefore(built, o) {
  const list = periods(o.span.start, o.span.end, o.grain, MAX_POINTS);
  const { sums, skipped } = collect(o.table, list, o.grain, o.metric, o.split, o.adds);
  const begun = list.filter((p) => p <= o.now).length;
  const gone = goneOf(list, o.grain, o.gone);
  const unknown = gone.map((g, i) => g || skipped[i]);
  if (o.split) {
    const total = (/** @type {Float64Array} */ sum) => sum.reduce((a, v) => a + (Number.isNaN(v) ? 0 : v), 0);
    const first = [...sums].map(([value, sum]) => ({ value, rank: total(sum) })).sort((a, b) => b.rank - a.rank).slice(0, o.top);
    const vanished = first.filter(({ value }) => !built.all.includes(value));
    const none = new Float64Array(built.periods.length);
    const place = built.series.findIndex((s) => s.others);
    built.series.splice(place < 0 ? built.series.length : place, 0, ...vanished.map(({ value }) => finish(value, value || "(empty)", none, built.begun, built.gone, o)));
  }
  const named = new Set(built.series.filter((s) => !s.others).map((s) => s.value));
  const length = built.periods.length;
  for (const s of built.series) {
    let sum = sums.get(s.value) ?? new Float64Array(list.length);
    if (s.others) {
      sum = new Float64Array(list.length);
      for (const [value, other] of sums) if (!named.has(value)) for (let i = 0; i < sum.length; i++) sum[i] += other[i];
    }
    const all = finish("", "", sum, begun, unknown, o).values;
    const f = figures(all, o.adds && !o.distinct);
    s.before = Array.from({ length }, (_, i) => all[i] ?? null);
    s.beforeSum = f.sum;
    s.beforeMean = f.mean;
    s.change = change(s, all, { gone: built.gone, goneThen: gone, skipped });
  }
}

/**
 * A change as a part of what was, or null where like cannot be compared with like: something of what was is not known, or gone in part on
 * either side. Periods that have not begun, or are not known, are compared with nothing.
 * @param {Series} s @param {(number | null)[]} all what was @param {{gone: boolean[], goneThen: boolean[], skipped: boolean[]}} o by period
 */
function change(s, all, { gone, goneThen, skipped }) {
  if (s.values.some((v, i) => v !== null && gone[i])) return null;
  if (goneThen.some((g, i) => g && (s.values[i] ?? null) !== null)) return null;
  const cut = s.values.includes(null);
  const like = all.filter((_, i) => !skipped[i] && (!cut || (s.values[i] ?? null) !== null));
  if (like.includes(null)) return null;
  const f = figures(like, s.sum !== null);
  const [now, then] = s.sum !== null ? [s.sum, f.sum] : [s.mean, f.mean];
  return now === null || then === null || then === 0 ? null : now / then - 1;
}

/** The first period that may still change. @param {Civil[]} list @param {Civil | null} settled */
export function openFrom(list, settled) {
  if (settled === null) return list.length;
  const at = list.findIndex((p) => p >= settled);
  return at < 0 ? list.length : at;
}

/**
 * The mean of each hour of the week, Monday first. A mean adds nothing up, so distinct counts have one.
 * @param {Civil[]} list of hours @param {(number | null)[]} values
 * @returns {{mean: (number | null)[][], max: number}}
 */
export function heat(list, values) {
  const sum = Array.from({ length: 7 }, () => new Float64Array(24));
  const n = Array.from({ length: 7 }, () => new Int32Array(24));
  list.forEach((p, i) => {
    const v = values[i];
    if (v === null || v === undefined) return;
    sum[weekday(p)][hourOf(p)] += v;
    n[weekday(p)][hourOf(p)]++;
  });
  let max = 0;
  const mean = sum.map((day, d) =>
    Array.from(day, (s, h) => {
      if (n[d][h] === 0) return null;
      max = Math.max(max, s / n[d][h]);
      return s / n[d][h];
    }),
  );
  return { mean, max };
}
