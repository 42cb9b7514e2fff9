// What is shown instead of a chart, and the notes beside one.

import { hurry } from "./api.js";
import { get, make } from "./controls.js";
import { ago, moment, period, span as spanText } from "./format.js";
import { floor, parse } from "./civil.js";
import { allGone } from "./horizon.js";
import { between, nameOf } from "./windows.js";

/** @typedef {import("./types").Problem} Problem */
/** @typedef {import("./types").Span} Span */
/** @typedef {import("./types").Part} Part */

/** What counts seconds in a message; a message is shown until the next. @type {ReturnType<typeof setInterval> | undefined} */
let ticking;

/**
 * Seconds that are counted before people's eyes; a screen reader is not told of each.
 * @param {(past: number) => string} text of the whole seconds that have passed
 */
function seconds(text) {
  const began = performance.now();
  const place = make("span", { role: "timer", "aria-live": "off" }, text(0));
  ticking = setInterval(() => {
    if (place.isConnected && !get("state").hidden) place.textContent = text(Math.floor((performance.now() - began) / 1000));
    else clearInterval(ticking);
  }, 1000);
  return place;
}

/** @param {string} kind @param {string} title @param {string} text @param {...(Node | string)} more */
export function message(kind, title, text, ...more) {
  const place = get("state");
  const focused = [place, get("view")].some((e) => e.contains(document.activeElement));
  clearInterval(ticking);
  place.dataset.kind = kind;
  place.replaceChildren(make("h2", {}, title), make("p", { class: "soft" }, text), ...more);
  place.hidden = false;
  get("view").hidden = true;
  get("take").hidden = true;
  get("code").hidden = true;
  get("copy").setAttribute("aria-expanded", "false");
  if (focused) get("result").focus({ preventScroll: true });
}

/** @param {string} text @param {() => void} act */
export function button(text, act, look = "main") {
  const b = make("button", { type: "button", class: look }, text);
  b.addEventListener("click", act);
  return b;
}

/** How long a view may take, in seconds, before more is said of it. */
export const LONG = 5;

/** Rows are on their way. @param {string} text @param {number} since when they are, by performance.now() */
export function loading(text, since) {
  message("loading", "Loading", text, make("progress", { "aria-label": "Loading" }));
  const already = (performance.now() - since) / 1000;
  const slow = seconds((past) => (past + already < LONG ? "" : `${ago(Math.floor(past + already))} so far: Adobe takes its time. Another choice ends this.`));
  get("state").append(make("p", { class: "soft" }, slow));
}

/** The gateway has no answer yet, and will be asked again. @param {Problem} p @param {number} wait in seconds */
export function waiting(p, wait) {
  if (p.blocks_total) {
    const done = p.blocks_done ?? 0;
    const bar = make("progress", { value: String(done), max: String(p.blocks_total), "aria-label": "Rows that are there" });
    message("progress", "Fetching from Adobe", `${done} of ${p.blocks_total} blocks are there.`, bar);
  } else {
    message("down", p.code === "no_access" ? "No access to Adobe for now" : "Adobe cannot be had for now", p.detail,
      make("progress", { "aria-label": "Waiting" }));
  }
  const left = seconds((past) => (past < wait ? `Asking again in ${wait - past} s.` : "Asking again."));
  get("state").append(make("p", { class: "row soft" }, left, button("Ask now", hurry, "")));
}

/** There is no row. @param {Span} span @param {number} now @param {boolean} filtered @param {Part[]} gone */
export function empty(span, now, filtered, gone) {
  if (allGone(span, gone)) {
    return message("gone", "Adobe no longer has it", `Adobe keeps 25 months. What was ${partsOf(gone)} cannot be asked any more, and it was not kept here. That is not “no usage”.`);
  }
  if (span.start >= now) return message("empty", "This window has not begun", "There is no usage to show yet.");
  message("empty", "No rows in this window", filtered ? "Nothing in it fits the filters. Remove one, or choose another window." : "Adobe has no usage in it. Choose another window.");
}

/** @param {Part[]} gone */
const partsOf = (gone) => gone.map((p) => `from ${moment(p.start)} to ${moment(p.end)}`).join(", ");

/** @param {Problem} p @param {{again: () => void, window: (name: string) => void, go: (path: string) => void, reset: () => void}} act */
export function failed(p, act) {
  const again = button("Try again", act.again);
  if (p.status === 413 || p.code === "too_wide" || p.code === "adobe_too_large") {
    const parts = (p.narrower ?? []).slice(0, 24).map((n) => {
      const [start, end] = [parse(n.start), parse(n.end)];
      if (start === null || end === null) return make("li", {});
      const name = nameOf(between(start, end));
      return make("li", {}, button(spanText({ start, end, months: 0 }), () => act.window(name), ""));
    });
    return message("large", "Too much for one answer", `${p.detail} ${parts.length > 0 ? "Narrower windows:" : "Choose a narrower window or fewer values."}`,
      make("ul", {}, ...parts));
  }
  if (p.nearest && p.nearest.length > 0) {
    const list = p.nearest.map((href) => href.replace(/^.*\/cmu\/v2\//, ""));
    return message("missing", "Adobe has no such report", p.detail, make("ul", {}, ...list.map((path) => make("li", {}, button(path, () => act.go(path), "")))));
  }
  if (p.status >= 500 || p.status === 0) return message("down", p.status === 0 ? "The gateway cannot be reached" : "Adobe cannot be had for now", p.detail, again);
  message("refused", "This cannot be shown", p.detail, again, button("Begin anew", act.reset, ""));
}

/** Asks for the key. @param {boolean} wrong @param {(key: string) => void} use */
export function askKey(wrong, use) {
  const input = /** @type {HTMLInputElement} */ (make("input", { type: "password", autocomplete: "off", "aria-label": "Key", placeholder: "Key of this gateway", required: "" }));
  const form = make("form", {}, input, make("button", { type: "submit", class: "main" }, "Use the key"));
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    use(input.value.trim());
  });
  message("key", wrong ? "That key is not taken" : "This gateway asks for a key",
    "It is kept in this tab alone until that is closed, and sent to the gateway as a header, never in an address.", form);
  input.focus();
}

/** Says that numbers are made up, where the page did not know yet. */
export function madeUp() {
  if (document.querySelector(".simulated")) return;
  document.body.prepend(make("aside", { class: "simulated", "aria-label": "Simulated Adobe" }, make("strong", {}, "These numbers are made up:"), " they come from a simulated Adobe."));
}

/**
 * The notes beside a chart.
 * @param {{span: Span, now: number, settled: number | null, open: boolean, stale: boolean, tried: number, age: number, incomplete: string, rest: number, distinct: boolean, split: string, gone: Part[], skipped: import("./types").Civil[],
 *   before: Span | null, past: import("./types").Answer | null, grain: import("./types").Grain, stacked: boolean}} o
 */
export function notes(o) {
  /** @type {HTMLElement[]} */
  const list = [];
  /** @param {string} kind @param {string} text */
  const add = (kind, text) => list.push(make("p", { class: "note " + kind, "data-note": kind }, text));
  if (o.incomplete) add("warn incomplete", `Incomplete: ${o.incomplete}. Numbers are too low where rows are missing.`);
  if (o.past?.incomplete) add("warn incomplete", `What is compared with is incomplete: ${o.past.incomplete}. Its numbers are too low, so there is no change to tell.`);
  if (o.past?.stale) add("warn stale", `What is compared with is ${ago(o.past.age)} old, older than it should be.`);
  if (o.before && !o.past) add("warn past", "What is compared with cannot be had for now.");
  if (o.stale) add("warn stale", `These numbers are ${ago(o.age)} old, older than they should be. ${o.tried === 0 ? "Newer ones are being fetched." : "Newer ones cannot be had so far."}`);
  if (o.gone.length > 0) add("warn gone", `Adobe no longer has all of what was ${partsOf(o.gone)}, and it was not kept: it keeps 25 months. A gap there is not “no usage”.`);
  if (o.past && o.past.gone.length > 0) {
    add("warn gone-before", `Adobe no longer has all of what is compared with: it keeps 25 months, and what was ${partsOf(o.past.gone)} was not kept. So there is no change to tell.`);
  }
  if (o.span.start !== floor(o.span.start, o.grain) || (o.span.end !== floor(o.span.end, o.grain) && o.span.end <= o.now)) {
    add("cut", `The window begins or ends within a ${o.grain}: that ${o.grain} is counted in part.`);
  }
  if (o.skipped.length > 0) {
    add("skipped", `${o.skipped.map((p) => period(p, "hour")).join("; ")} has no row, in a night in which a clock may go forward: perhaps there was no such hour, so it is a gap and counts in no mean.`);
  }
  if (o.open && o.settled !== null) add("open", `From ${moment(Math.max(o.settled, o.span.start))} on, numbers may still change: they are drawn lighter.`);
  if (o.distinct && o.stacked) add("distinct", "Distinct users never add up, so they are drawn as lines and not stacked.");
  if (o.distinct && o.rest > 0) add("distinct", `${o.rest} more ${o.rest === 1 ? "value is" : "values are"} not shown. Distinct users never add up, so there are no “others” and no sum.`);
  get("notes").replaceChildren(...list);
}
