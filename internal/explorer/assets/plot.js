// The chart: series into Chart.js. It only draws; what it draws is worked out elsewhere.

import { compact, number, period, tick } from "./format.js";
import { picture } from "./picture.js";
import { ticks } from "./ticks.js";

/** @typedef {import("./types").Built} Built */
/** @typedef {import("./types").Series} Series */
/** @typedef {import("./types").Grain} Grain */
/** @typedef {{built: Built, grain: Grain, kind: "line" | "area" | "bars", open: number, metric: string, before: string}} View */

/** @param {string} name of a custom property of the page */
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A colour that is nearly transparent. @param {string} hex @param {string} alpha */
const faded = (hex, alpha) => hex + alpha;

/** The colour of a series. @param {Series} s @param {number} i */
export const colourOf = (s, i) => css(s.others ? "--others" : `--s${i % 10}`);

export class Plot {
  /** @type {any} */
  chart = null;
  /** @type {View | null} */
  view = null;

  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
  }

  /** @param {View} view */
  draw(view) {
    const config = configOf(view);
    const same = this.chart && this.chart.config.type === config.type;
    if (!same) this.clear();
    this.view = view;
    if (same) {
      this.chart.data = config.data;
      this.chart.options = config.options;
      this.chart.update("none");
    } else this.chart = new Chart(this.canvas, { ...config, plugins: [still(), openGround(this)] });
  }

  /** Draws the same with the colours of now. */
  redraw() {
    if (this.view) this.draw(this.view);
  }

  clear() {
    this.chart?.destroy();
    this.chart = this.view = null;
  }

  /** The chart as a PNG, in the colours of the page. @param {{title: string, about: string, foot: string}} texts @returns {Promise<Blob | null>} */
  image(texts) {
    const series = this.view?.built.series ?? [];
    const legend = series.length === 1 && series[0].value === "" ? [] : series.map((s, i) => ({ colour: colourOf(s, i), label: s.label }));
    return picture(this.canvas, { ...texts, legend, ground: css("--card"), ink: css("--ink"), soft: css("--soft") });
  }
}

/** The ground behind periods that may still change. @param {Plot} plot */
const openGround = (plot) => ({
  id: "open",
  /** @param {any} chart */
  beforeDraw(chart) {
    const { view } = plot;
    if (!chart.chartArea || !view || view.open >= view.built.periods.length) return;
    const { left, right, top, bottom } = chart.chartArea;
    const half = view.kind === "bars" ? 0.5 : 0;
    const from = Math.max(left, chart.scales.x.getPixelForValue(view.open - half));
    chart.ctx.save();
    chart.ctx.fillStyle = css("--open");
    chart.ctx.fillRect(from, top, right - from, bottom - top);
    chart.ctx.restore();
  },
});

/** While a pointer moves only the marks under it change: all else is painted once, and copied. Thousands of points would be slow. */
function still() {
  /** @type {HTMLCanvasElement | null} */
  let copy = null;
  return {
    id: "still",
    afterUpdate() {
      copy = null;
    },
    /** @param {any} chart */
    beforeDraw(chart) {
      if (!copy) return true;
      chart.ctx.drawImage(copy, 0, 0, chart.width, chart.height);
      for (const { element } of chart.getActiveElements()) element.draw(chart.ctx, chart.chartArea);
      chart.tooltip?.draw(chart.ctx);
      return false;
    },
    /** @param {any} chart */
    afterDatasetsDraw(chart) {
      if (chart.getActiveElements().length > 0) return;
      copy = document.createElement("canvas");
      copy.width = chart.canvas.width;
      copy.height = chart.canvas.height;
      copy.getContext("2d")?.drawImage(chart.canvas, 0, 0);
    },
  };
}

/** @param {View} view */
function configOf(view) {
  const { built, grain, kind } = view;
  const [ink, line, card] = [css("--soft"), css("--line"), css("--card")];
  const stacked = kind !== "line";
  const last = built.periods.length - 1;
  const pad = kind === "bars" || last === 0 ? 0.5 : 0;
  return {
    type: kind === "bars" ? "bar" : "line",
    data: { datasets: kind === "bars" ? bars(view) : lines(view) },
    options: {
      animation: false,
      responsive: true,
      maintainAspectRatio: false,
      normalized: true,
      parsing: false,
      interaction: { mode: "index", axis: "x", intersect: false },
      layout: { padding: { top: 8, right: 12 } },
      scales: {
        x: {
          type: "linear",
          offset: false,
          min: -pad,
          max: last + pad,
          stacked,
          grid: { color: line, drawTicks: false },
          border: { display: false },
          /** @param {any} axis */
          afterBuildTicks(axis) {
            axis.ticks = ticks(built.periods, Math.floor(axis.chart.width / 84)).map((value) => ({ value }));
          },
          ticks: {
            autoSkip: false,
            maxRotation: 0,
            color: ink,
            padding: 8,
            /** @param {number} value */
            callback: (value) => tick(built.periods[value] ?? 0, grain),
          },
        },
        y: {
          beginAtZero: true,
          stacked,
          grid: { color: line, drawTicks: false },
          border: { display: false },
          ticks: { color: ink, padding: 8, maxTicksLimit: 7, precision: 0, callback: (/** @type {number} */ v) => compact(v) },
        },
      },
      plugins: {
        legend: { display: false },
        tooltip: {
          backgroundColor: css("--ink"),
          titleColor: card,
          bodyColor: card,
          footerColor: card,
          padding: 10,
          boxPadding: 4,
          usePointStyle: true,
          /** @param {any} item */
          filter: (item) => item.raw.y !== null && item.dataset.$shows(item.raw.x),
          callbacks: {
            /** @param {any[]} items */
            title: (items) => (items.length > 0 ? period(built.periods[items[0].raw.x], grain) : ""),
            /** @param {any} item */
            label: (item) => `${item.dataset.label}: ${number(item.raw.y)}`,
            /** @param {any[]} items */
            footer: (items) => (items.length > 0 && items[0].raw.x >= view.open ? "may still change" : ""),
          },
        },
      },
    },
  };
}

/**
 * Points of a part of a series. The place of a point is that of its period, whatever the part: by that the pointer finds the others.
 * @param {(number | null)[]} values @param {number} from @param {number} to
 */
function points(values, from, to) {
  const list = [];
  for (let x = 0; x < to; x++) list.push({ x, y: x < from ? null : (values[x] ?? null) });
  return list;
}

/** Points without neighbours have no line: they are dots. @param {(number | null)[]} values @param {number} from @param {number} to */
function dots(values, from, to) {
  const radii = [];
  let any = false;
  for (let x = 0; x < to; x++) {
    const alone = x >= from && values[x] !== null && (values[x - 1] ?? null) === null && (values[x + 1] ?? null) === null;
    any ||= alone;
    radii.push(alone ? 3 : 0);
  }
  return any ? radii : 0;
}

/** @param {View} view */
function lines(view) {
  const { built, kind, open } = view;
  const n = built.periods.length;
  const area = kind === "area";
  /** @type {any[]} */
  const sets = [];
  built.series.forEach((s, i) => {
    const colour = colourOf(s, i);
    const shape = { label: s.label, borderWidth: area ? 1 : n > 400 ? 1.5 : 2, pointHoverRadius: 4, pointHitRadius: 0, tension: 0, pointStyle: "line", fill: false };
    if (open > 0) {
      sets.push({ ...shape, data: points(s.values, 0, open), borderColor: colour, backgroundColor: area ? faded(colour, "b0") : colour,
        pointRadius: dots(s.values, 0, open), stack: "settled", fill: area && (i === 0 ? "origin" : "-1"), $shows: () => true });
    }
    if (open < n) {
      const from = Math.max(open - 1, 0);
      sets.push({ ...shape, data: points(s.values, from, n), borderColor: faded(colour, "90"), backgroundColor: area ? faded(colour, "50") : faded(colour, "90"),
        pointRadius: dots(s.values, from, n), stack: "open", fill: area && "stack", $shows: (/** @type {number} */ x) => x >= open });
    }
  });
  if (area) {
    // Fills reach to the set below in the same stack.
    for (const set of sets) set.fill = sets.findIndex((o) => o.stack === set.stack) === sets.indexOf(set) ? "origin" : "stack";
  }
  return [...sets, ...befores(view)];
}

/** @param {View} view */
function bars(view) {
  const sets = view.built.series.map((s, i) => {
    const colour = colourOf(s, i);
    return { type: "bar", label: s.label, data: points(s.values, 0, s.values.length), stack: "all", barPercentage: 0.95, categoryPercentage: 0.9,
      backgroundColor: s.values.map((_, x) => (x >= view.open ? faded(colour, "70") : colour)), pointStyle: "rect", $shows: () => true };
  });
  return [...sets, ...befores(view)];
}

/** What is compared with, dashed: each series, or where they are stacked their sum. @param {View} view */
function befores(view) {
  const shape = { type: "line", borderWidth: 1.5, pointRadius: 0, pointHoverRadius: 3, pointHitRadius: 0, fill: false, pointStyle: "line", tension: 0, $shows: () => true };
  const dashed = { ...shape, borderDash: [5, 4] };
  const compared = view.built.series.filter((s) => s.before);
  if (compared.length === 0) return [];
  if (view.kind === "line") {
    // Behind the lines of now, and fainter.
    return view.built.series.map((s, i) => ({ ...dashed, order: 1, label: `${s.label}, ${view.before}`, data: points(s.before ?? [], 0, s.values.length),
      borderColor: faded(colourOf(s, i), "a0"), backgroundColor: colourOf(s, i) }));
  }
  const sum = view.built.periods.map((_, x) =>
    compared.reduce((a, s) => (s.before?.[x] == null ? a : (a ?? 0) + /** @type {number} */ (s.before[x])), /** @type {number | null} */ (null)),
  );
  const all = { ...dashed, label: `All, ${view.before}`, data: points(sum, 0, sum.length), borderWidth: 2, stack: "before" };
  // On top, with a rim, so that it is seen on every colour.
  return [
    { ...all, order: -2, borderColor: css("--ink"), backgroundColor: css("--ink") },
    { ...all, order: -1, borderColor: css("--card"), backgroundColor: css("--card"), borderDash: [], borderWidth: 5, pointHoverRadius: 0, stack: "rim", $shows: () => false },
  ];
}
