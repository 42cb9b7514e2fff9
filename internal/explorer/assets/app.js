// The page: a state is shown, what is needed for it is asked, and what people do makes another state.

import { Failure, Gateway, patiently, pause } from "./api.js";
import { isTime, parse, write as writeCivil } from "./civil.js";
import { Controls, get } from "./controls.js";
import { number, span as spanText } from "./format.js";
import { Finder } from "./finder.js";
import { Plot } from "./plot.js";
import { addBefore, build, heat, openFrom } from "./series.js";
import { INITIAL, read, withFilter, write } from "./state.js";
import { LONG, askKey, empty, failed, loading, madeUp, message, notes, waiting, button } from "./states.js";
import { elsewhere, pages } from "./pages.js";
import { taking } from "./taking.js";
import { Numbers, summary, week } from "./tables.js";
import { Tree, choose, href } from "./tree.js";
import { asOne, compared, count, grainOf, resolve, MAX_POINTS, PRESETS } from "./windows.js";

/** @typedef {import("./types").State} State */
/** @typedef {import("./types").Answer} Answer */
/** @typedef {import("./types").Query} Query */
/** @typedef {import("./types").Span} Span */
/** @typedef {import("./types").Grain} Grain */

const gateway = new Gateway(document.documentElement.dataset.base ?? "");
const tree = new Tree();
const plot = new Plot(get("canvas"));
const numbers = new Numbers(get("numbers"));
const finder = new Finder({
  tree,
  links: (path, signal, awaited) => (awaited ? patiently(() => gateway.links(path, signal), signal, waiting) : gateway.links(path, signal)),
  asking: (text) => get("view").hidden && loading(text, began),
  learnt: showControls,
});

/** @type {State} */
let state = read(location.search);
/** @type {import("./types").Metric[]} */
let metrics = [];
/** Adobe's clock when the page began, and the browser's. */
let clock = { civil: 0, at: 0 };
/** What is under way ends when another view is wanted. */
let under = new AbortController();
/** When the view that is under way was wanted, by performance.now(). */
let began = 0;
/** How often what is shown was stale. */
let stales = 0;
/** What is shown, to be taken away. @type {import("./taking.js").Shown | null} */
let shown = null;

const now = () => clock.civil + (performance.now() - clock.at);
const controls = new Controls(() => state, want, () => ({ tree, metrics, now: now() }));

/** @param {State} next */
function want(next) {
  // What a report lacks, another may have: only the one that was chosen by hand stays.
  state = next;
  history.pushState(null, "", address());
  show();
}

function address() {
  const query = write(state);
  return location.pathname + (query ? "?" + query : "");
}

/** @param {string} name */
const metricOf = (name) => metrics.find((m) => m.name === name) ?? { name, title: name, meaning: "A metric that Adobe's documentation does not name; it is not added up.", distinct: true };

async function show() {
  under.abort();
  under = new AbortController();
  const { signal } = under;
  const result = get("result");
  get("forget").hidden = !gateway.keyed;
  began = performance.now();
  stales = 0;
  const late = setTimeout(() => result.classList.add("waiting"), 120);
  // Another view's numbers do not stand under this title for long.
  const slow = setTimeout(() => get("view").hidden || loading("Asking the gateway", began), LONG * 1000);
  result.setAttribute("aria-busy", "true");
  try {
    await begin(signal);
    await look(signal);
    finder.explore(signal, 40).catch(() => {});
  } catch (e) {
    if (!signal.aborted) explain(e);
  } finally {
    clearTimeout(late);
    clearTimeout(slow);
    if (!signal.aborted) {
      result.classList.remove("waiting");
      result.setAttribute("aria-busy", "false");
    }
  }
}

/** Learns once what the gateway knows. @param {AbortSignal} signal */
async function begin(signal) {
  if (clock.at > 0) return;
  const doc = await patiently(() => gateway.catalog(signal), signal, waiting);
  clock = { civil: parse(doc.now) ?? 0, at: performance.now() };
  metrics = doc.metrics;
  if (doc.simulated) madeUp();
  tree.add(doc.reports);
}

/** @param {unknown} e */
function explain(e) {
  shown = null;
  get("notes").replaceChildren();
  if (!(e instanceof Failure)) {
    message("broken", "The page failed", e instanceof Error ? e.message : String(e), button("Try again", show));
    return;
  }
  if (e.wantsKey) {
    const wrong = gateway.keyed;
    gateway.setKey("");
    get("forget").hidden = true;
    askKey(wrong, (key) => {
      gateway.setKey(key);
      if (elsewhere()) turn();
      else show();
    });
    return;
  }
  failed(e.problem, {
    again: show,
    window: (window) => want({ ...state, window }),
    go: (report) => want({ ...state, report }),
    reset: () => want({ ...INITIAL }),
  });
}

function showControls() {
  const span = resolve(state.window, now());
  if (span) controls.show(span, metricOf(state.metric));
}

/** @param {AbortSignal} signal @param {boolean} quiet what is shown stays until there is something newer */
async function look(signal, quiet = false) {
  const span = resolve(state.window, now());
  if (!span) return;
  const metric = metricOf(state.metric);
  showControls();
  if (!quiet) head(span, null);
  finder.asked = 0;
  for (let tries = 0; tries < 4; tries++) {
    const query = await finder.find(state, span, signal);
    if (!query) return none(span);
    if (count(span, query.grain) > MAX_POINTS) {
      const row = document.createElement("div");
      row.className = "row";
      for (const p of PRESETS) {
        const shorter = resolve(p.name, now());
        if (shorter && count(shorter, query.grain) <= MAX_POINTS) row.append(button(p.title, () => want({ ...state, window: p.name }), ""));
      }
      return message("large", "Too many points", `This window has more than ${number(MAX_POINTS)} of them by ${query.grain}. Choose a shorter window${state.report ? ", or another report" : ""}.`, row);
    }
    if (get("view").hidden) loading("Asking the gateway", began);
    const all = await fetchAll(query, span, signal, quiet);
    const names = all.answer.table.names;
    if (all.answer.table.rows > 0) {
      const dimensions = new Set([...query.path, ...query.project, ...query.filters.map((f) => f.dimension), "tenant"]);
      const has = names.filter((name) => !dimensions.has(name));
      const known = tree.reports.get(query.path.join("/"));
      if (known && known.metrics.length === 0) known.metrics = has;
      controls.remember(all.answer.table, new Set(has));
      if (!names.includes(state.metric)) {
        if (known) known.metrics = has;
        continue;
      }
    }
    draw(query, span, metric, all, quiet);
    return;
  }
  none(span);
}

/** No report has what is wanted. @param {Span} span */
function none(span) {
  get("notes").replaceChildren();
  const grain = state.chart === "heat" ? "hour" : grainOf(span, state.grain);
  const title = metricOf(state.metric).title;
  /** @type {HTMLElement[]} */
  const ways = [];
  for (const g of /** @type {Grain[]} */ ([grain, ...["hour", "day", "month"].filter((g) => g !== grain)])) {
    for (const split of [state.split, ...tree.dimensions().filter((d) => d !== state.split)]) {
      if (ways.length === 6 || count(span, g) > MAX_POINTS) break;
      const query = choose(tree, { ...state, grain: g, split, report: "" });
      // Only what is known to have the metric is offered.
      if (!query || !tree.reports.get(query.path.join("/"))?.metrics.includes(state.metric)) continue;
      ways.push(button(`By ${g}${split ? `, split by ${split}` : ""}`, () => want({ ...state, grain: g, split, chart: "line", report: "" }), ""));
    }
  }
  const row = document.createElement("div");
  row.className = "row";
  row.append(...ways);
  if (finder.more(state)) row.append(button("Follow more of Adobe’s links", show, ""));
  message("none", "No report has this", `${title}${state.split ? ` by ${state.split}` : ""} by ${grain}${state.filters.length > 0 ? " with these filters" : ""} is in none of the reports that are known from Adobe’s links${finder.more(state) ? " so far" : ""}.`, row);
}

/** @param {Query} query @param {Span} span */
const hrefOf = (query, span) => href(query, writeCivil(span.start), writeCivil(span.end), ".csv");

/** A failure is no answer; anything else is a mistake. @param {unknown} e @returns {null} */
function orNothing(e) {
  if (e instanceof Failure && !e.wantsKey) return null;
  throw e;
}

/** @param {Query} query @param {Span} span @param {AbortSignal} signal @param {boolean} quiet */
async function fetchAll(query, span, signal, quiet) {
  /** @param {Query} q @param {Span} s */
  const report = (q, s) => (quiet ? gateway.report(hrefOf(q, s), signal) : patiently(() => gateway.report(hrefOf(q, s), signal), signal, waiting));
  const before = state.compare && state.chart !== "heat" ? compared(span, state.compare, state.weekday, query.grain) : null;
  const metric = metricOf(state.metric);
  const coarse = metric.distinct && state.chart !== "heat" && !state.report ? asOne(span, query.grain) : null;
  const whole = coarse && choose(tree, { grain: coarse, split: state.split, filters: state.filters, metric: state.metric, report: "" });
  const [answer, past, one] = await Promise.all([
    report(query, span),
    // A view is not refused for what stands beside it.
    before ? report(query, before).catch(orNothing) : null,
    whole ? report(whole, span).catch(orNothing) : null,
  ]);
  return { answer, before, past, one: one && whole ? { answer: one, grain: whole.grain } : null };
}

/** @param {Span} span @param {Query | null} query */
function head(span, query) {
  const metric = metricOf(state.metric);
  const split = state.split && state.chart !== "heat" ? ` by ${state.split}` : "";
  const title = metric.title + split;
  get("title").textContent = title;
  document.title = `${title} · CMU explorer`;
  get("meaning").textContent = metric.meaning + (metric.distinct && metric.meaning !== "" ? " Never added up." : "");
  const where = state.filters.map((f) => `${f.dimension} ${f.not ? "≠" : "="} \u2068${f.value}\u2069`).join(", ");
  const about = [spanText(span), query ? `by ${query.grain}` : "", where, "Adobe’s time"].filter((t) => t !== "").join(" · ");
  get("about").textContent = about;
  return { title, about };
}

/**
 * @param {Query} query @param {Span} span @param {import("./types").Metric} metric
 * @param {{answer: Answer, before: Span | null, past: Answer | null, one: {answer: Answer, grain: Grain} | null}} all
 * @param {boolean} quiet what is shown is of the same view
 */
function draw(query, span, metric, all, quiet) {
  const { answer, before, past, one } = all;
  const split = state.chart === "heat" ? "" : state.split;
  const o = { metric: metric.name, distinct: metric.distinct, adds: !metric.distinct, split, top: state.top, now: now() };
  const built = build({ ...o, table: answer.table, gone: answer.gone, span, grain: query.grain, settled: answer.settled, incomplete: answer.incomplete !== "" });
  const text = head(span, query);
  // Only what is renewed is compared with what was.
  const rows = !answer.stale && !quiet ? "" : JSON.stringify([answer, past, one?.answer].map((a) => a && [a.table, a.settled, a.incomplete, a.gone]));
  const same = quiet && shown?.rows === rows;
  shown = { query, span, answer, rows, ...text };
  const open = openFrom(built.periods, answer.settled);
  notes({ span, now: now(), settled: answer.settled, open: open < built.periods.length && built.periods[open] <= now(), stale: answer.stale, tried: stales, age: answer.age,
    incomplete: answer.incomplete, gone: answer.gone, skipped: built.skipped, rest: built.rest - (built.series.some((s) => s.others) ? built.rest : 0), distinct: metric.distinct, split, before, past, grain: query.grain,
    stacked: state.chart === "area" || state.chart === "bars" });
  if (answer.simulated) madeUp();
  if (answer.stale) again(under.signal);
  if (same) return;
  if (built.rows === 0) return empty(span, now(), state.filters.length > 0, answer.gone);
  if (built.refused && built.series.every((s) => s.values.every((v) => v === null))) return refused(query, split);
  if (before && past) addBefore(built, { ...o, table: past.table, gone: past.gone, span: before, grain: query.grain, incomplete: past.incomplete !== "" });
  const past_ = before ? (state.compare === "year" ? "year before" : "period before") : "";
  const caption = `${text.title}, ${text.about}`;
  /** @type {Map<string, number | null> | null} */
  let whole = null;
  if (built.periods.length === 1 && !built.gone[0]) whole = new Map(built.series.map((s) => [s.value, s.values[0]]));
  if (one && one.answer.incomplete === "" && one.answer.gone.length === 0) {
    const coarse = build({ ...o, table: one.answer.table, gone: [], span, grain: one.grain, settled: one.answer.settled, incomplete: false, top: Infinity });
    whole = new Map(coarse.series.map((s) => [s.value, s.values[0] ?? null]));
  }
  get("state").hidden = true;
  get("told").textContent = caption;
  get("view").hidden = false;
  get("take").hidden = false;
  const asWeek = state.chart === "heat";
  get("figure").hidden = asWeek;
  get("week").hidden = !asWeek;
  /** @type {HTMLButtonElement} */ (get("png")).disabled = asWeek;
  if (asWeek) {
    get("week").innerHTML = week(heat(built.periods, built.series[0]?.values ?? []), `${metric.title}: the mean of each hour of the week, ${text.about}`);
    plot.clear();
  } else {
    const kind = metric.distinct && state.chart !== "line" ? "line" : /** @type {"line" | "area" | "bars"} */ (state.chart);
    const canvas = get("canvas");
    canvas.setAttribute("aria-label", `${kind === "bars" ? "Bars" : kind === "area" ? "Stacked areas" : "Lines"}: ${caption}. ${built.series.length} series with ${built.periods.length} points each; the same numbers stand in the table below.`);
    get("key").textContent = before ? `Dashed: the ${past_}, ${spanText(before)}${metric.distinct || kind === "line" ? "" : ", all together"}. Times are Adobe’s.` : "Times are Adobe’s.";
    plot.draw({ built, grain: query.grain, kind, open, metric: metric.title, before: past_ });
  }
  const focused = document.activeElement instanceof HTMLElement && get("summary").contains(document.activeElement) ? document.activeElement : null;
  get("summary").innerHTML = summary(built, { split: split || "", grain: query.grain, compared: before ? `${metric.distinct ? `Mean per ${query.grain}, ${past_[0]}` : past_[0].toUpperCase()}${past_.slice(1)} (${spanText(before)})` : "", whole,
    caption: `Figures: ${caption}`, filterable: split !== "" });
  if (focused) {
    const there = quiet ? get("summary").querySelector(`button[data-value="${CSS.escape(focused.dataset.value ?? "")}"]`) : null;
    /** @type {HTMLElement} */ (there ?? get("result")).focus({ preventScroll: true });
  }
  numbers.show({ built, grain: query.grain, open, before: past_, caption }, quiet);
  get("asked").textContent = `${query.path.join(" / ")}${query.project.length > 0 ? `, and ${query.project.join(", ")} beside it` : ""}`;
  showCode();
  showControls();
}

/** Asks again for what was stale, a few times. Whoever looks at it is not disturbed until newer numbers are there. @param {AbortSignal} signal */
async function again(signal) {
  if (++stales > 5) return;
  try {
    await pause(5000 * stales, signal);
    await look(signal, true);
  } catch (e) {
    if (e instanceof Failure && !e.wantsKey) again(signal);
    else if (!signal.aborted) explain(e);
  }
}

/** A distinct count would have to be added up. @param {Query} query @param {string} split */
function refused(query, split) {
  const beside = query.path.filter((d) => !isTime(d) && d !== split && d !== "tenant");
  const list = beside.join(", ") || "tenant";
  message("refused", "Not available", `The report has a row for each ${list}, and distinct users never add up. Split by ${list}, or filter it down to one value.`,
    ...(beside.length === 1 ? [button(`Split by ${list}`, () => want({ ...state, split: beside[0] }))] : []));
}

const { showCode } = taking({ gateway, plot, numbers, shown: () => shown, state: () => state, explain });

// A click on a series filters by it.
get("summary").addEventListener("click", (e) => {
  const b = e.target instanceof Element ? e.target.closest("button[data-value]") : null;
  if (b instanceof HTMLElement && b.dataset.value !== undefined) want(withFilter(state, { dimension: state.split, not: false, value: b.dataset.value }));
});

get("explore").addEventListener("click", async () => {
  const status = get("explored");
  status.textContent = "Following…";
  try {
    const n = await finder.follow(under.signal, 12);
    status.textContent = n > 0 ? `${n} more places asked; ${tree.reports.size} reports are known.` : "All of Adobe’s links were followed.";
    showControls();
  } catch (e) {
    status.textContent = e instanceof Failure ? e.problem.detail : "";
  }
});

get("forget").addEventListener("click", () => {
  gateway.setKey("");
  clock.at = 0;
  if (location.hash !== "") location.hash = "";
  show();
});

const { turn } = pages(gateway, show);

addEventListener("popstate", () => {
  const next = read(location.search);
  if (write(next) === write(state)) return; // a fragment alone
  state = next;
  show();
});
for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", () => plot.redraw());
show();
