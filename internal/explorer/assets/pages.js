// Pages behind a key cannot be opened by a link: they are fetched with it, and shown here under a fragment of the address.

import { Failure } from "./api.js";
import { get, make } from "./controls.js";
import { askKey } from "./states.js";
import { fileName, save } from "./takeaway.js";

/** The most signs that are shown of what is no page. */
const MOST = 100_000;

/** Whether the address names a page beside the explorer. */
export const elsewhere = () => location.hash.startsWith("#/");

/** @param {import("./api.js").Gateway} gateway @param {() => void} explore shows the explorer */
export function pages(gateway, explore) {
  const title = document.title;
  let away = false;
  document.addEventListener("click", (e) => {
    const a = e.target instanceof Element ? e.target.closest("a[data-page], #page a") : null;
    if (!(a instanceof HTMLAnchorElement) || !gateway.keyed || e.ctrlKey || e.metaKey || e.shiftKey || a.origin !== location.origin) return;
    const path = a.pathname.slice(gateway.base.length);
    if (path === "" || path === "/") return;
    e.preventDefault();
    location.hash = path + a.search;
  });

  /** Shows the page, or else the explorer. @param {boolean} open */
  function only(open) {
    for (const e of document.querySelectorAll("main > :not(#page)")) /** @type {HTMLElement} */ (e).hidden = open;
    get("page").hidden = !open;
    get("page").replaceChildren();
  }

  /** Shows the page that the fragment names, or the explorer. */
  async function turn() {
    // Other fragments are places on this page.
    const path = elsewhere() ? location.hash.slice(1) : "";
    const page = get("page");
    only(path !== "");
    if (path === "") {
      if (away) explore();
      away = false;
      return;
    }
    away = true;
    try {
      const response = await gateway.ask(path, "text/html");
      const type = response.headers.get("Content-Type") ?? "";
      if (type.startsWith("text/html")) {
        const other = new DOMParser().parseFromString(await response.text(), "text/html");
        page.replaceChildren(...[...(other.querySelector("main") ?? other.body).childNodes].map((n) => document.importNode(n, true)));
        document.title = other.title || title;
      } else if (type.includes("json") && !response.headers.has("Content-Disposition")) {
        page.replaceChildren(make("pre", {}, (await response.text()).slice(0, MOST)));
      } else {
        const name = fileName(response.headers.get("Content-Disposition"), path.replace(/\?.*/, "").split("/").pop() ?? "report");
        save(await response.blob(), name);
        page.replaceChildren(make("p", {}, `${name} is saved.`));
      }
      page.focus();
    } catch (e) {
      if (e instanceof Failure && e.wantsKey) {
        const wrong = gateway.keyed;
        gateway.setKey("");
        only(false);
        askKey(wrong, (key) => {
          gateway.setKey(key);
          turn();
        });
      } else page.textContent = e instanceof Failure ? e.problem.detail : String(e);
    }
  }
  addEventListener("hashchange", turn);
  if (location.hash !== "") turn();
  return { turn };
}
