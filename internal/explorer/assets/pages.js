// Pages behind a key cannot be opened by a link: they are fetched with it, and shown here under a fragment of the address.

import { Failure } from "./api.js";
import { get, make } from "./controls.js";

/** The most signs that are shown of what is no page. */
const MOST = 100_000;

/** @param {import("./api.js").Gateway} gateway */
export function pages(gateway) {
  document.addEventListener("click", (e) => {
    const a = e.target instanceof Element ? e.target.closest("a[data-page], #page a") : null;
    if (!(a instanceof HTMLAnchorElement) || !gateway.keyed || e.ctrlKey || e.metaKey || e.shiftKey || a.origin !== location.origin) return;
    const path = a.pathname.slice(gateway.base.length);
    if (path === "" || path === "/") return;
    e.preventDefault();
    location.hash = path + a.search;
  });

  /** Shows the page that the fragment names, or the explorer. */
  async function turn() {
    // Other fragments are places on this page.
    const path = location.hash.startsWith("#/") ? decodeURI(location.hash.slice(1)) : "";
    const page = get("page");
    for (const e of document.querySelectorAll("main > :not(#page)")) /** @type {HTMLElement} */ (e).hidden = path !== "";
    page.hidden = path === "";
    if (path === "") return;
    try {
      const response = await gateway.ask(path, "text/html");
      const text = await response.text();
      if (!response.headers.get("Content-Type")?.startsWith("text/html")) {
        page.replaceChildren(make("pre", {}, text.slice(0, MOST)));
        return;
      }
      const other = new DOMParser().parseFromString(text, "text/html");
      page.replaceChildren(...[...(other.querySelector("main") ?? other.body).childNodes].map((n) => document.importNode(n, true)));
      page.focus();
    } catch (e) {
      page.textContent = e instanceof Failure ? e.problem.detail : String(e);
    }
  }
  addEventListener("hashchange", turn);
  if (location.hash !== "") turn();
}
