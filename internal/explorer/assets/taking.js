// Taking away what is shown: as a file, a picture, or code.

import { get } from "./controls.js";
import { KINDS, fileName, save } from "./takeaway.js";
import { href } from "./tree.js";
import { relative } from "./windows.js";

/** @typedef {{query: import("./types").Query, span: import("./types").Span, title: string, about: string, rows: string, answer: import("./types").Answer}} Shown */

/**
 * Makes the buttons work.
 * @param {{gateway: import("./api.js").Gateway, plot: import("./plot.js").Plot, numbers: import("./tables.js").Numbers, shown: () => Shown | null, state: () => import("./types").State,
 *   explain: (e: unknown) => void}} page
 */
export function taking({ gateway, plot, numbers, shown: view, state, explain }) {
  /** What a file of a view is called. @param {Shown} shown */
  const nameOf = (shown) => `${shown.answer.simulated ? "simulated_" : ""}${state().metric}${state().split ? "-by-" + state().split : ""}`;

  /** The whole address of what is shown, relative to now where that means the same. */
  function wholeURL() {
    const shown = view();
    if (!shown) return "";
    const r = relative(state().window, shown.query.grain);
    const path = r ? href(shown.query, r.start, r.end, ".csv") : shown.answer.href;
    return location.origin + gateway.base + path;
  }

  function showCode() {
    const kind = KINDS.find((k) => k.name === /** @type {HTMLSelectElement} */ (get("kind")).value) ?? KINDS[0];
    get("text").textContent = view() ? kind.write({ url: wholeURL(), keyed: gateway.keyed }) : "";
    get("copied").textContent = "";
  }

  for (const k of KINDS) get("kind").append(new Option(k.title, k.name));
  get("kind").addEventListener("change", showCode);
  get("copy").addEventListener("click", () => {
    const code = get("code");
    code.hidden = !code.hidden;
    get("copy").setAttribute("aria-expanded", String(!code.hidden));
  });
  get("clip").addEventListener("click", async () => {
    const text = get("text").textContent ?? "";
    try {
      await navigator.clipboard.writeText(text);
      get("copied").textContent = "Copied.";
    } catch {
      getSelection()?.selectAllChildren(get("text"));
      get("copied").textContent = "Selected: copy it with the keyboard.";
    }
  });
  get("csv").addEventListener("click", async () => {
    const shown = view();
    if (!shown) return;
    try {
      const response = await gateway.ask(shown.answer.href, "text/csv");
      save(await response.blob(), fileName(response.headers.get("Content-Disposition"), "report.csv"));
    } catch (e) {
      explain(e);
    }
  });
  get("table").addEventListener("click", () => {
    const shown = view();
    if (shown) save(new Blob(["\ufeff", numbers.csv()], { type: "text/csv;charset=utf-8" }), `${nameOf(shown)}-by-${shown.query.grain}.csv`);
  });
  get("png").addEventListener("click", async () => {
    const shown = view();
    if (!shown) return;
    const about = shown.answer.simulated ? `Made-up numbers of a simulated Adobe · ${shown.about}` : shown.about;
    const image = await plot.image({ title: shown.title, about, foot: get("key").textContent ?? "" });
    if (image) save(image, `${nameOf(shown)}.png`);
  });

  return { showCode };
}
