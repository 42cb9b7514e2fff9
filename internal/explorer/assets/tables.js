// Tables: the series with their figures, the numbers behind the chart, and the hours of the week.

import { brief, change, escape, number, period, weekdayName } from "./format.js";

/** @typedef {import("./types").Built} Built */
/** @typedef {import("./types").Series} Series */
/** @typedef {import("./types").Grain} Grain */

/**
 * The series and their figures, which is the legend too.
 * @param {Built} built
 * @param {{split: string, grain: Grain, compared: string, whole: Map<string, number | null> | null, caption: string, filterable: boolean}} o
 */
export function summary(built, o) {
  const compared = built.series.some((s) => s.before);
  const heads = [o.split || "Series"];
  const adds = built.series.some((s) => s.sum !== null);
  if (adds) heads.push("Sum");
  heads.push(`Mean per ${o.grain}`, `Highest ${o.grain}`);
  if (!adds) heads.push("Whole window");
  if (compared) heads.push(o.compared, "Change");
  const rows = built.series.map((s, i) => {
    const cells = [];
    if (adds) cells.push(number(s.sum));
    cells.push(number(s.mean), number(s.max));
    if (!adds) {
      const value = o.whole?.get(s.value);
      cells.push(value == null ? '<span class="none">not available</span>' : number(value));
    }
    if (compared) cells.push(number(adds ? s.beforeSum : s.beforeMean), change(s.change ?? null));
    const swatch = `<svg class="swatch ${s.others ? "others" : `c${i % 10}`}" viewBox="0 0 12 12" aria-hidden="true"><rect width="12" height="12" rx="3"/></svg>`;
    const label = `<bdi>${escape(s.label)}</bdi>`;
    const name =
      // Adobe takes no filter on no value.
      o.filterable && !s.others && s.value !== "" ? `<button type="button" class="filter" data-value="${escape(s.value)}" title="Show only ${escape(s.label)}">${label}</button>` : label;
    return `<tr><th scope="row"><span class="name">${swatch}${name}</span></th>${cells.map((c) => `<td>${c}</td>`).join("")}</tr>`;
  });
  return `<table><caption>${escape(o.caption)}</caption><thead><tr>${heads.map((h) => `<th scope="col">${escape(h)}</th>`).join("")}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
}

/** How many rows are made at once, so that a page with many stays quick. */
const CHUNK = 120;

/** The numbers behind a chart, a row for each period. It fills up while the browser has nothing else to do. */
export class Numbers {
  /** @param {HTMLElement} place */
  constructor(place) {
    this.place = place;
    this.turn = 0;
    /** @type {{built: Built, grain: Grain, open: number, before: string, caption: string} | null} */
    this.shown = null;
    this.sort = { column: 0, down: false };
    place.addEventListener("click", (e) => {
      const button = e.target instanceof Element ? e.target.closest("button[data-column]") : null;
      if (!(button instanceof HTMLElement) || !this.shown) return;
      const column = Number(button.dataset.column);
      this.sort = { column, down: this.sort.column === column ? !this.sort.down : column > 0 };
      this.fill();
      /** @type {HTMLElement | null} */ (place.querySelector(`button[data-column="${column}"]`))?.focus();
    });
  }

  /** @param {{built: Built, grain: Grain, open: number, before: string, caption: string}} o @param {boolean} same newer numbers of the same view */
  show(o, same = false) {
    this.shown = o;
    if (!same) this.sort = { column: 0, down: false };
    const focused = document.activeElement instanceof HTMLElement && this.place.contains(document.activeElement) ? document.activeElement.dataset.column : undefined;
    this.fill(same);
    if (focused) /** @type {HTMLElement | null} */ (this.place.querySelector(`button[data-column="${focused}"]`))?.focus({ preventScroll: true });
  }

  /** What is shown, in its order, as CSV: a column for the periods, and one for each column of the table. */
  csv() {
    if (!this.shown) return "";
    const { built, grain } = this.shown;
    const { columns, order } = this.layout(this.shown);
    const quoted = (/** @type {string} */ text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const digits = { year: 4, month: 7, day: 10, hour: 16, minute: 16 }[grain];
    const rows = order.map((i) => [new Date(built.periods[i]).toISOString().slice(0, digits), ...columns.map((c) => String(c.values[i] ?? ""))]);
    return [[grain, ...columns.map((c) => c.name)], ...rows].map((row) => row.map(quoted).join(",") + "\n").join("");
  }

  /** The columns, and the periods in the order of their rows. @param {{built: Built, before: string}} o */
  layout({ built, before }) {
    const columns = built.series.flatMap((s) => (s.before ? [{ name: s.label, values: s.values }, { name: `${s.label}, ${before}`, values: s.before }] : [{ name: s.label, values: s.values }]));
    const order = built.periods.map((_, i) => i);
    const { column, down } = this.sort;
    const by = column > 0 ? columns[column - 1]?.values : undefined;
    order.sort((a, b) => {
      if (!by) return down ? b - a : a - b;
      const [x, y] = [by[a] ?? -1, by[b] ?? -1];
      return (down ? y - x : x - y) || a - b;
    });
    return { columns, order };
  }

  /** @param {boolean} [whole] at once, so that whoever has scrolled stays there */
  fill(whole = false) {
    if (!this.shown) return;
    const { built, grain, open, caption } = this.shown;
    const { columns, order } = this.layout(this.shown);
    const { column, down } = this.sort;
    /** @param {string} name @param {number} at */
    const head = (name, at) => {
      const sorted = at === column ? (down ? "descending" : "ascending") : "none";
      const arrow = at === column ? (down ? "↓" : "↑") : "";
      return `<th scope="col" aria-sort="${sorted}"><button type="button" data-column="${at}"><bdi>${escape(name)}</bdi><span aria-hidden="true">${arrow}</span></button></th>`;
    };
    this.place.innerHTML = `<table><caption>${escape(caption)}</caption><thead><tr>${[grain[0].toUpperCase() + grain.slice(1), ...columns.map((c) => c.name)]
      .map(head)
      .join("")}</tr></thead><tbody></tbody></table>`;
    const body = /** @type {HTMLElement} */ (this.place.querySelector("tbody"));
    const turn = ++this.turn;
    let at = 0;
    const more = () => {
      if (turn !== this.turn) return;
      let html = "";
      for (const end = Math.min(at + (whole ? order.length : CHUNK), order.length); at < end; at++) {
        const i = order[at];
        html += `<tr${i >= open ? ' class="open"' : ""}><th scope="row">${escape(period(built.periods[i], grain))}</th>`;
        for (const c of columns) html += `<td>${number(c.values[i])}</td>`;
        html += "</tr>";
      }
      body.insertAdjacentHTML("beforeend", html);
      if (at < order.length) later(more);
      else this.place.dataset.rows = String(order.length);
    };
    delete this.place.dataset.rows;
    more();
  }
}

/** @param {() => void} work */
function later(work) {
  if ("requestIdleCallback" in window) requestIdleCallback(work, { timeout: 500 });
  else setTimeout(work, 30);
}

/**
 * The hours of the week, as a table with classes for colours.
 * @param {{mean: (number | null)[][], max: number}} heat @param {string} caption
 */
export function week(heat, caption) {
  const hours = Array.from({ length: 24 }, (_, h) => String(h).padStart(2, "0"));
  const rows = heat.mean.map((day, d) => {
    const cells = day.map((v, h) => {
      if (v === null) return '<td class="none">–</td>';
      const step = heat.max > 0 ? Math.min(8, Math.floor((v / heat.max) * 8.999)) : 0;
      return `<td class="h${step}" title="${escape(weekdayName(d))} ${hours[h]}:00: ${number(v)}">${brief(v)}</td>`;
    });
    return `<tr><th scope="row">${escape(weekdayName(d))}</th>${cells.join("")}</tr>`;
  });
  return `<table class="week"><caption>${escape(caption)}</caption><thead><tr><th scope="col">Hour</th>${hours.map((h) => `<th scope="col">${h}</th>`).join("")}</tr></thead><tbody>${rows.join("")}</tbody></table>`;
}
