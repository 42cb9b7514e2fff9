// The controls: they show a state and say which state is wanted instead.

import { GRAINS, floor, isTime, parse, write } from "./civil.js";
import { withFilter, withoutFilter } from "./state.js";
import { choose, grainOf as grainOfPath } from "./tree.js";
import { PRESETS, between, grainOf, grains, hasWeekdays, nameOf, resolve, shifted } from "./windows.js";

/** @typedef {import("./types").State} State */
/** @typedef {import("./types").Span} Span */
/** @typedef {import("./types").Grain} Grain */
/** @typedef {import("./types").Metric} Metric */
/** @typedef {import("./types").ChartKind} ChartKind */

const DAY = 86400e3;
/** How long a date that was picked rests, in ms, before it counts. */
const PICKING = 900;
/** Before this there is nothing: it is a year that is being typed. */
const OLDEST = Date.UTC(2000, 0);

/** @template {HTMLElement} T @param {string} id @returns {T} */
export const get = (id) => /** @type {T} */ (document.getElementById(id));

/** @param {string} tag @param {Record<string, string>} attributes @param {...(Node | string)} children */
export function make(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

/** @type {{kind: ChartKind, title: string}[]} */
const CHARTS = [
  { kind: "line", title: "Line" },
  { kind: "area", title: "Area" },
  { kind: "bars", title: "Bars" },
  { kind: "heat", title: "Week" },
];

/**
 * Fills a select if its options changed.
 * @param {HTMLSelectElement} select @param {{value: string, text: string, off?: boolean, group?: string}[]} options @param {string} value
 */
function fill(select, options, value) {
  const print = JSON.stringify(options);
  // Under the eyes of whoever is choosing nothing moves.
  if (isOpen(select)) {
    if (select.value !== value) select.value = value;
    return;
  }
  if (select.dataset.print !== print) {
    select.dataset.print = print;
    /** @type {Map<string, HTMLElement>} */
    const groups = new Map();
    select.replaceChildren();
    for (const o of options) {
      const option = make("option", o.off ? { value: o.value, disabled: "" } : { value: o.value }, o.text);
      if (!o.group) select.append(option);
      else {
        if (!groups.has(o.group)) {
          groups.set(o.group, make("optgroup", { label: o.group }));
          select.append(/** @type {HTMLElement} */ (groups.get(o.group)));
        }
        groups.get(o.group)?.append(option);
      }
    }
  }
  select.value = value;
}

/** Whether somebody is choosing; where a browser does not tell, whoever has the focus is. @param {HTMLSelectElement} select */
const isOpen = (select) => select.matches(CSS.supports("selector(:open)") ? ":open" : ":focus");

/** @param {string} name of a metric */
const groupOf = (name) =>
  /users$/.test(name) ? "Users" : name.startsWith("duration_") ? "How long sessions lasted" : name.startsWith("bstreams-") ? "Streams" : "Sessions";

export class Controls {
  /**
   * @param {() => State} state @param {(s: State) => void} want @param {() => {tree: import("./tree.js").Tree, metrics: Metric[], now: number}} known
   */
  constructor(state, want, known) {
    this.state = state;
    this.want = want;
    this.known = known;
    /** Values that were seen, by dimension. @type {Map<string, Set<string>>} */
    this.values = new Map();
    /** The timer of a date that is being picked; 0: none is. */
    this.picking = 0;
    /** Whether a date is being typed. */
    this.typing = false;
    /** The window beside which the fields hold a first day after the last; empty: they do not. */
    this.turned = "";
    /** Shows the same again. */
    this.again = () => {};
    /** @param {string} id @param {(value: string) => Partial<State>} change */
    const on = (id, change) =>
      get(id).addEventListener("change", (e) => want({ ...state(), ...change(/** @type {HTMLSelectElement} */ (e.target).value) }));
    on("metric", (metric) => ({ metric }));
    on("split", (split) => ({ split }));
    on("compare", (compare) => ({ compare: /** @type {State["compare"]} */ (compare) }));
    on("grain", (grain) => ({ grain: /** @type {Grain | ""} */ (grain) }));
    on("top", (top) => ({ top: Number(top) }));
    on("report", (report) => ({ report }));
    get("weekday").addEventListener("change", (e) => want({ ...state(), weekday: /** @type {HTMLInputElement} */ (e.target).checked }));
    for (const p of PRESETS) {
      const button = make("button", { type: "button", "data-window": p.name, "aria-pressed": "false" }, p.title);
      button.addEventListener("click", () => want({ ...state(), window: p.name }));
      get("presets").append(button);
    }
    for (const c of CHARTS) {
      const button = make("button", { type: "button", "data-chart": c.kind, "aria-pressed": "false" }, c.title);
      button.addEventListener("click", () => want({ ...state(), chart: c.kind }));
      get("charts").append(button);
    }
    get("previous").addEventListener("click", () => this.move(-1));
    get("next").addEventListener("click", () => this.move(1));
    // A date that is being typed is none yet: it counts when the field is left, or at Enter. One of the calendar's counts once it rests.
    for (const id of ["from", "to"]) {
      const done = () => {
        clearTimeout(this.picking);
        this.picking = 0;
        this.typing = false;
        this.pick();
        if (/** @type {HTMLInputElement} */ (get(id)).value === "") this.again();
      };
      get(id).addEventListener("change", () => {
        clearTimeout(this.picking);
        this.picking = this.typing ? 0 : setTimeout(done, PICKING);
      });
      get(id).addEventListener("blur", done);
      get(id).addEventListener("keydown", (event) => {
        const e = /** @type {KeyboardEvent} */ (event);
        if (e.key === "Enter") done();
        else if (!e.altKey && /^(\d|Arrow(Up|Down)|Backspace|Delete)$/.test(e.key)) this.typing = true;
      });
    }
    get("choose").addEventListener("submit", (e) => e.preventDefault());
    // What a select did not take while somebody was choosing.
    for (const kind of ["pointerdown", "focusout"]) addEventListener(kind, (e) => e.target instanceof HTMLSelectElement && this.again());
  }

  /** @param {number} by */
  move(by) {
    const span = resolve(this.state().window, this.known().now);
    if (span) this.want({ ...this.state(), window: nameOf(shifted(span, by)) });
  }

  /** A window by its first and its last day. */
  pick() {
    const [from, to] = ["from", "to"].map((id) => parse(/** @type {HTMLInputElement} */ (get(id)).value));
    const span = resolve(this.state().window, this.known().now);
    const last = /** @type {HTMLInputElement} */ (get("to"));
    const turned = from !== null && to !== null && from > to && to >= OLDEST;
    this.turned = turned ? this.state().window : "";
    last.setCustomValidity(turned ? "The last day is before the first." : "");
    if (turned) last.reportValidity();
    if (from === null || to === null || from > to || from < OLDEST || !span) return;
    // The days that are shown already may be those of a preset.
    if (from === floor(span.start, "day") && to === floor(span.end - 1, "day")) return;
    this.want({ ...this.state(), window: nameOf(between(from, to + DAY)) });
  }

  /** Shows the state. @param {Span} span @param {{distinct: boolean}} metric */
  show(span, { distinct }) {
    this.again = () => this.show(span, { distinct });
    const s = this.state();
    const { tree, metrics, now } = this.known();
    const heat = s.chart === "heat";
    const pinned = s.report ? s.report.split("/") : null;
    const grain = heat ? "hour" : grainOf(span, s.grain);
    const has = tree.metrics();
    const listed = metrics.filter((m) => has.size === 0 || has.has(m.name) || m.name === s.metric);
    const more = [...has].filter((name) => !metrics.some((m) => m.name === name)).sort();
    const options = [...listed.map((m) => ({ value: m.name, text: m.title, group: groupOf(m.name) })), ...more.map((name) => ({ value: name, text: name, group: "Others" }))];
    if (!options.some((o) => o.value === s.metric)) options.unshift({ value: s.metric, text: s.metric, group: "Others" });
    fill(get("metric"), options, s.metric);

    const dimensions = new Set([...(pinned ? pinned.filter((d) => !isTime(d)) : tree.dimensions()), ...(s.split ? [s.split] : [])]);
    fill(
      get("split"),
      [{ value: "", text: "Nothing" }, ...[...dimensions].map((d) => {
        const can = choose(tree, { ...s, grain, split: d }) !== null;
        return { value: d, text: can ? d : `${d} (not by ${grain})`, off: !can };
      })],
      s.split,
    );
    /** @type {HTMLSelectElement} */ (get("split")).disabled = heat;
    const compare = /** @type {HTMLSelectElement} */ (get("compare"));
    compare.value = s.compare;
    compare.disabled = heat;
    get("weekdays").hidden = heat || !s.compare || !hasWeekdays(grain);
    /** @type {HTMLInputElement} */ (get("weekday")).checked = s.weekday;
    const possible = grains(span).filter((g) => !pinned || g === grainOfPath(pinned));
    fill(get("grain"), [{ value: "", text: `Auto (${grainOf(span, "")})` }, ...possible.map((g) => ({ value: g, text: `By ${g}` }))], possible.includes(/** @type {Grain} */ (s.grain)) ? s.grain : "");
    /** @type {HTMLSelectElement} */ (get("grain")).disabled = heat || pinned !== null;
    const top = /** @type {HTMLSelectElement} */ (get("top"));
    top.value = String(s.top);
    top.disabled = heat || !s.split;

    for (const b of get("presets").children) b.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (b).dataset.window === s.window));
    /** @type {HTMLButtonElement} */ (get("next")).disabled = span.end > now;
    const stacks = !distinct;
    for (const b of /** @type {HTMLCollectionOf<HTMLButtonElement>} */ (get("charts").children)) {
      const kind = b.dataset.chart;
      const off = (kind === "area" || kind === "bars") && !stacks;
      b.disabled = off;
      b.title = off ? "Distinct users never add up, so they are not stacked" : kind === "heat" ? "Hour by weekday" : "";
      b.setAttribute("aria-pressed", String(kind === (s.chart !== "heat" && !stacks ? "line" : s.chart)));
    }
    for (const [id, at] of /** @type {[string, number][]} */ ([["from", span.start], ["to", span.end - 1]])) {
      const field = /** @type {HTMLInputElement} */ (get(id));
      // What is half typed has no value yet.
      if (this.picking === 0 && s.window !== this.turned && (field !== document.activeElement || !field.dataset.filled)) field.value = write(at).slice(0, 10);
      field.dataset.filled = "yes";
    }
    this.showFilters();

    const reports = [...tree.reports.values()].filter((r) => grainOfPath(r.dimensions) !== null);
    reports.sort((a, b) => GRAINS.indexOf(/** @type {Grain} */ (grainOfPath(a.dimensions))) - GRAINS.indexOf(/** @type {Grain} */ (grainOfPath(b.dimensions))) || a.dimensions.length - b.dimensions.length);
    const list = reports.map((r) => ({ value: r.dimensions.join("/"), text: r.dimensions.join(" / "), group: `By ${grainOfPath(r.dimensions)}` }));
    if (s.report && !list.some((o) => o.value === s.report)) list.unshift({ value: s.report, text: s.report.replaceAll("/", " / "), group: "Asked" });
    fill(get("report"), [{ value: "", text: "Automatic: the coarsest that has what is wanted" }, ...list], s.report);
  }

  /** The filters; they stay as they are, with the focus among them, until there are others. */
  showFilters() {
    const s = this.state();
    const print = JSON.stringify(s.filters);
    const place = get("filters");
    if (place.dataset.print === print) return;
    place.dataset.print = print;
    const chips = s.filters.map((f, i) => {
      const text = `${f.dimension} ${f.not ? "≠" : "="} `;
      const remove = make("button", { type: "button", "aria-label": `Remove the filter ${text}${f.value}` }, "×");
      remove.addEventListener("click", () => this.want(withoutFilter(this.state(), i)));
      return make("span", { class: "chip" }, make("span", { title: text + f.value }, text, make("bdi", {}, f.value)), remove);
    });
    const open = make("button", { type: "button" }, "Add a filter");
    open.addEventListener("click", () => {
      const form = this.adding(this.known().tree.dimensions());
      open.replaceWith(form);
      form.querySelector("select")?.focus();
    });
    const focused = place.contains(document.activeElement);
    place.replaceChildren(...chips, open);
    if (focused) open.focus();
  }

  /** @param {string[]} dimensions */
  adding(dimensions) {
    const dimension = /** @type {HTMLSelectElement} */ (make("select", { "aria-label": "Dimension" }, ...dimensions.map((d) => make("option", { value: d }, d))));
    const not = /** @type {HTMLSelectElement} */ (make("select", { "aria-label": "Is or is not" }, make("option", { value: "" }, "is"), make("option", { value: "not" }, "is not")));
    const list = make("datalist", { id: "values" });
    const value = /** @type {HTMLInputElement} */ (make("input", { type: "text", "aria-label": "Value", placeholder: "Value, as in the rows", list: "values" }));
    const suggest = () => list.replaceChildren(...[...(this.values.get(dimension.value) ?? [])].map((v) => make("option", { value: v })));
    const add = make("button", { type: "button" }, "Add");
    const done = () => value.value !== "" && this.want(withFilter(this.state(), { dimension: dimension.value, not: not.value === "not", value: value.value }));
    add.addEventListener("click", done);
    value.addEventListener("keydown", (e) => {
      if (/** @type {KeyboardEvent} */ (e).key === "Enter") {
        e.preventDefault();
        done();
      }
    });
    dimension.addEventListener("change", suggest);
    if (this.state().split) dimension.value = this.state().split;
    suggest();
    const form = make("span", { class: "adding" }, dimension, not, value, list, add);
    form.addEventListener("keydown", (e) => {
      if (/** @type {KeyboardEvent} */ (e).key !== "Escape") return;
      delete get("filters").dataset.print;
      this.showFilters();
    });
    return form;
  }

  /** Remembers values of dimensions, to suggest them. @param {import("./types").Table} table @param {Set<string>} metrics */
  remember(table, metrics) {
    table.names.forEach((name, i) => {
      if (isTime(name) || metrics.has(name)) return;
      const seen = this.values.get(name) ?? new Set();
      let last;
      for (const v of table.columns[i]) if (v !== last && seen.size < 500) seen.add((last = v));
      this.values.set(name, seen);
    });
  }
}
