// The tree of reports, as far as Adobe's links told of it, and the choice of the report that answers a question.

import { GRAINS, isTime } from "./civil.js";

/** @typedef {import("./types").Report} Report */
/** @typedef {import("./types").Query} Query */
/** @typedef {import("./types").State} State */
/** @typedef {import("./types").Grain} Grain */

export class Tree {
  /** By path. @type {Map<string, Report>} */
  reports = new Map();

  /** @param {Report[]} list */
  add(list) {
    for (const r of list) {
      const known = this.reports.get(r.dimensions.join("/"));
      if (!known || (r.asked && !known.asked) || (r.metrics.length > 0 && known.metrics.length === 0)) this.reports.set(r.dimensions.join("/"), r);
    }
  }

  /** What an answer told. @param {string[]} path @param {string[]} metrics @param {string[]} leadsTo */
  learn(path, metrics, leadsTo) {
    this.reports.set(path.join("/"), { dimensions: path, asked: true, metrics, leads_to: leadsTo });
    this.add(leadsTo.map((d) => ({ dimensions: [...path, d], asked: false, metrics: [], leads_to: [] })));
  }

  /** All dimensions that reports are known to have, time aside. @returns {string[]} */
  dimensions() {
    const all = new Set();
    for (const r of this.reports.values()) for (const d of r.dimensions) if (!isTime(d)) all.add(d);
    return [...all].sort();
  }

  /** All metrics that reports are known to have. @returns {Set<string>} */
  metrics() {
    const all = new Set();
    for (const r of this.reports.values()) for (const m of r.metrics) all.add(m);
    return all;
  }

  /** The dimensions below a path. @param {string[]} path @returns {Set<string>} */
  below(path) {
    const all = new Set();
    const prefix = path.join("/") + "/";
    for (const [key, r] of this.reports) if (key.startsWith(prefix)) for (const d of r.dimensions.slice(path.length)) all.add(d);
    return all;
  }

  /**
   * The next place to ask about, so that more is known: along the chain of time, and for a wanted dimension one more.
   * @param {(path: string[]) => boolean} wanted @returns {string[] | null}
   */
  unexplored(wanted) {
    if (this.reports.size === 0) return [];
    let best = null;
    // Below tenant reports have the most metrics, and every licence has them.
    const cost = (/** @type {string[]} */ path) => path.length + (path[0] === "tenant" ? 0 : 100);
    for (const r of this.reports.values()) {
      if (!r.asked && wanted(r.dimensions) && (!best || cost(r.dimensions) < cost(best))) best = r.dimensions;
    }
    return best;
  }
}

/** Places whose links show all ways to split by one dimension: the chains of time, with one other dimension before them at most. @param {string[]} path */
export function onTheWay(path) {
  const others = path.filter((d) => !isTime(d));
  const time = path.filter(isTime);
  if (time.includes("minute") || !chain(time)) return false;
  // Levels are by the year first, and have a metric that nothing else has.
  if (others.length === 1 && path.length > 2 && /-level$/.test(path[path.length - 1])) return true;
  return others.length === 0 || (others.length === 1 && path[0] === others[0]);
}

/** Places below a day and one other dimension: what else a report can be split by is among their links. @param {string[]} path */
export const besideDays = (path) => path.length === 5 && path[0] === "tenant" && path.slice(1, 4).join() === GRAINS.slice(0, 3).join() && !isTime(path[4]);

/** Whether time dimensions run from year down without a gap. @param {string[]} time */
export const chain = (time) => time.length === 0 || (new Set(time).size === time.length && GRAINS.slice(0, time.length).every((g) => time.includes(g)));

/** The finest of the time dimensions of a path, or null if they do not run from year down. @param {string[]} path @returns {Grain | null} */
export function grainOf(path) {
  const time = path.filter(isTime);
  return time.length > 0 && chain(time) ? GRAINS[time.length - 1] : null;
}

/**
 * The report that has what is wanted with the fewest dimensions beside it, so that as little as possible is added up. What a path
 * lacks can be asked for beside it where it lies below.
 * @param {Tree} tree @param {{grain: Grain, split: string, filters: import("./types").Filter[], metric: string, report: string}} wanted
 * @returns {Query | null}
 */
export function choose(tree, wanted) {
  const needed = [...new Set([wanted.split, ...wanted.filters.map((f) => f.dimension)])].filter((d) => d !== "" && !isTime(d));
  /** @type {{cost: number[], key: string, query: Query} | null} */
  let best = null;
  for (const [key, r] of tree.reports) {
    if (wanted.report ? key !== wanted.report : grainOf(r.dimensions) !== wanted.grain) continue;
    const grain = grainOf(r.dimensions);
    if (!grain || (r.metrics.length > 0 && !r.metrics.includes(wanted.metric))) continue;
    const others = r.dimensions.filter((d) => !isTime(d));
    const missing = needed.filter((d) => !others.includes(d));
    if (missing.length > 0) {
      const below = tree.below(r.dimensions);
      if (!missing.every((d) => below.has(d))) continue;
    }
    const beside = others.filter((d) => !needed.includes(d) && d !== "tenant").length;
    // Where metrics are not known yet the report may lack the one that is wanted.
    const cost = [beside, missing.length, r.dimensions[0] === "tenant" ? 0 : 1, r.metrics.length > 0 ? 0 : 1, r.dimensions.length];
    if (!best || less(cost, key, best.cost, best.key)) {
      const valued = wanted.filters.map((f) => f.dimension);
      best = { cost, key, query: { path: r.dimensions, grain, project: missing.filter((d) => !valued.includes(d)), filters: wanted.filters } };
    }
  }
  return best && best.query;
}

/** @param {number[]} a @param {string} aKey @param {number[]} b @param {string} bKey */
function less(a, aKey, b, bKey) {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return a[i] < b[i];
  return aKey < bKey;
}

/** Escapes for a path and a query, and all that a shell or another tool might read as its own. @param {string} text */
const escape = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/**
 * The address of a report below a base, with its window.
 * @param {Query} q @param {string} start @param {string} end @param {string} extension such as .csv
 */
export function href(q, start, end, extension) {
  const query = [`start=${start}`, `end=${end}`];
  for (const d of q.project) query.push(escape(d));
  for (const f of q.filters) query.push(`${escape(f.dimension)}${f.not ? "!" : ""}=${escape(f.value)}`);
  return `/cmu/v2/${q.path.map(escape).join("/")}${extension}?${query.join("&")}`;
}
