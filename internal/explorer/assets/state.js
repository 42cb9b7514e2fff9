// The state of a view, and the query of a URL: each is made of the other, and nothing of a view is kept elsewhere.

/** @typedef {import("./types").State} State */
/** @typedef {import("./types").Filter} Filter */
/** @typedef {import("./types").Grain} Grain */
/** @typedef {import("./types").ChartKind} ChartKind */
/** @typedef {import("./types").Compare} Compare */

import { GRAINS, isTime } from "./civil.js";
import { resolve } from "./windows.js";

/** @type {State} */
export const INITIAL = {
  metric: "active-users", split: "", filters: [], window: "30d", grain: "", compare: "", weekday: false, chart: "line", top: 6, report: "",
};

/** How many values are drawn on their own. */
export const TOPS = [3, 6, 10];

const CHARTS = ["line", "area", "bars", "heat"];
const COMPARES = ["", "before", "year"];
const name = /^(?!\.{1,2}$)[^\s/?&=!;,]{1,100}$/;

/**
 * Reads a query. What makes no sense is as it is at first.
 * @param {string} query @returns {State}
 */
export function read(query) {
  const q = new URLSearchParams(query);
  /** @param {string} key @param {readonly string[]} known @param {string} otherwise */
  const one = (key, known, otherwise) => (known.includes(q.get(key) ?? otherwise) ? (q.get(key) ?? otherwise) : otherwise);
  /** @param {string} key @param {string} otherwise */
  const word = (key, otherwise) => (name.test(q.get(key) ?? "") ? /** @type {string} */ (q.get(key)) : otherwise);
  const window = q.get("window") ?? INITIAL.window;
  const report = q.get("report") ?? "";
  return {
    metric: word("metric", INITIAL.metric),
    split: word("split", ""),
    filters: [...q.getAll("is").map((t) => filter(t, false)), ...q.getAll("not").map((t) => filter(t, true))].filter((f) => f !== null),
    window: resolve(window, 0) ? window : INITIAL.window,
    grain: /** @type {Grain | ""} */ (one("by", GRAINS, "")),
    compare: /** @type {Compare} */ (one("compare", COMPARES, "")),
    weekday: q.get("weekday") === "match",
    chart: /** @type {ChartKind} */ (one("chart", CHARTS, INITIAL.chart)),
    top: TOPS.includes(Number(q.get("top"))) ? Number(q.get("top")) : INITIAL.top,
    report: report.split("/").every((d) => name.test(d)) ? report : "",
  };
}

/** @param {string} text @param {boolean} not @returns {Filter | null} */
function filter(text, not) {
  const at = text.indexOf("=");
  return at > 0 && at < text.length - 1 && name.test(text.slice(0, at)) && !isTime(text.slice(0, at)) ? { dimension: text.slice(0, at), not, value: text.slice(at + 1) } : null;
}

/** Writes a query, with what is not as it is at first. @param {State} s */
export function write(s) {
  const q = new URLSearchParams();
  /** @param {string} key @param {string} value @param {string} initial */
  const put = (key, value, initial) => value !== initial && q.set(key, value);
  put("metric", s.metric, INITIAL.metric);
  put("split", s.split, "");
  for (const f of s.filters) q.append(f.not ? "not" : "is", `${f.dimension}=${f.value}`);
  put("window", s.window, INITIAL.window);
  put("by", s.grain, "");
  put("compare", s.compare, "");
  if (s.compare && s.weekday) q.set("weekday", "match");
  put("chart", s.chart, INITIAL.chart);
  put("top", String(s.top), String(INITIAL.top));
  put("report", s.report, "");
  // Slashes and such as are plain in a query stay readable.
  return q.toString().replace(/%2F/g, "/").replace(/%3D/g, "=");
}

/** @param {State} s @param {Filter} f @returns {State} */
export function withFilter(s, f) {
  const same = s.filters.some((g) => g.dimension === f.dimension && g.not === f.not && g.value === f.value);
  return same ? s : { ...s, filters: [...s.filters, f] };
}

/** @param {State} s @param {number} i @returns {State} */
export const withoutFilter = (s, i) => ({ ...s, filters: s.filters.filter((_, at) => at !== i) });
