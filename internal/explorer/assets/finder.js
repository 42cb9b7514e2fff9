// Finding the report that has what is wanted: Adobe's links are followed as far as a view needs, and some more while people look.

import { Failure, pause } from "./api.js";
import { choose, onTheWay, besideDays } from "./tree.js";
import { grainOf } from "./windows.js";

/** @typedef {import("./types").State} State */
/** @typedef {import("./types").Span} Span */
/** @typedef {import("./types").Query} Query */
/** @typedef {import("./types").Grain} Grain */

/** The most places that one view asks about: each may be a call to Adobe. More than that people ask for themselves. */
const MOST_PLACES = 32;

export class Finder {
  /** How many places this view has asked about. */
  asked = 0;

  /**
   * @param {{tree: import("./tree.js").Tree, links: (path: string[], signal: AbortSignal, awaited: boolean) => Promise<{metrics: string[], leadsTo: string[]}>,
   *   asking: (text: string) => void, learnt: () => void}} o links asks the gateway, for a view that waits or for later; asking is told of each place that a
   *   view waits for
   */
  constructor({ tree, links, asking, learnt }) {
    this.tree = tree;
    this.links = links;
    this.asking = asking;
    this.learnt = learnt;
  }

  /** What a state asks for, as far as reports are known. @param {State} s @param {Span} span */
  chosen(s, span) {
    const { tree } = this;
    const asWeek = s.chart === "heat";
    const grain = asWeek ? /** @type {Grain} */ ("hour") : grainOf(span, s.grain);
    return choose(tree, { grain, split: asWeek ? "" : s.split, filters: s.filters, metric: s.metric, report: s.report });
  }

  /**
   * Asks for links until the report is known that answers; null: it is not among the places that were asked.
   * @param {State} s @param {Span} span @param {AbortSignal} signal @returns {Promise<Query | null>}
   */
  async find(s, span, signal) {
    for (;;) {
      const query = this.chosen(s, span);
      if (query) return query;
      const path = s.report && !this.tree.reports.has(s.report) ? s.report.split("/") : this.next(s);
      if (!path || this.asked === MOST_PLACES) return null;
      this.asked++;
      this.asking(`Following Adobe’s links to the report: ${path.join(" / ") || "the root"}`);
      await this.ask(path, signal, true, s.report);
    }
  }

  /** The next place where a view may be found. @param {State} s */
  next(s) {
    const splits = [s.split, ...s.filters.map((f) => f.dimension)].some((d) => d !== "");
    const { tree } = this;
    if (!splits) return tree.unexplored(onTheWay);
    return tree.unexplored((p) => p[0] === "tenant" && onTheWay(p)) ?? tree.unexplored(besideDays) ?? tree.unexplored(onTheWay) ?? tree.unexplored(sometimes);
  }

  /** Whether more could be learnt for a view. @param {State} s */
  more(s) {
    return s.report === "" && this.next(s) !== null;
  }

  /** @param {string[]} path @param {AbortSignal} signal @param {boolean} awaited @param {string} [wanted] the report whose failure is the view's */
  async ask(path, signal, awaited, wanted) {
    try {
      const { metrics: has, leadsTo } = await this.links(path, signal, awaited);
      this.tree.learn(path, has, leadsTo);
    } catch (e) {
      if (!(e instanceof Failure) || e.wantsKey || e.passes || e.problem.status >= 500 || e.problem.status === 0 || path.join("/") === wanted) throw e;
      this.tree.learn(path, [], []); // it cannot be asked, and so leads nowhere
    }
  }

  /** Learns more of the tree while people look. @param {AbortSignal} signal @param {number} most */
  async explore(signal, most) {
    for (let n = 0; n < most; n++) {
      const path = this.tree.unexplored(onTheWay) ?? this.tree.unexplored(besideDays);
      if (!path) return;
      await pause(50, signal);
      await this.ask(path, signal, false);
      this.learnt();
    }
  }

  /** Learns of places anywhere, and says of how many. @param {AbortSignal} signal @param {number} most */
  async follow(signal, most) {
    for (let n = 0; n < most; n++) {
      const path = this.tree.unexplored((p) => p.length < 9);
      if (!path) return n;
      await this.ask(path, signal, false);
    }
    return most;
  }
}

/** Places that are asked about only where a view needs them. @param {string[]} path */
const sometimes = (path) => path.length < 8 && !path.includes("duration") && !path.includes("minute");
