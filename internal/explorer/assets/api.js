// The gateway as the page asks it: reports, links and the catalogue, with the key as a header where one is needed.

import { parse } from "./civil.js";
import { readHorizon } from "./horizon.js";
import { readCSV } from "./rows.js";

/** @typedef {import("./types").Answer} Answer */
/** @typedef {import("./types").Catalog} Catalog */
/** @typedef {import("./types").Problem} Problem */

const KEY = "cmu-key";

/** An answer that is none. */
export class Failure extends Error {
  /** @param {Problem} problem */
  constructor(problem) {
    super(problem.detail);
    this.problem = problem;
  }

  /** The gateway, or what stands in front of it, wants a key, or another one. */
  get wantsKey() {
    const { status, code } = this.problem;
    return code === "no_key" || ((status === 401 || status === 403) && code === "");
  }

  /** It may pass by itself. */
  get passes() {
    return this.problem.status === 503 || this.problem.status === 429 || this.problem.code === "timeout";
  }
}

export class Gateway {
  /** @param {string} base under which the gateway is seen */
  constructor(base) {
    this.base = base;
  }

  /** Whether a key is sent. It is kept for this tab alone. */
  get keyed() {
    return sessionStorage.getItem(KEY) !== null;
  }

  /** @param {string} key empty: none */
  setKey(key) {
    if (key) sessionStorage.setItem(KEY, key);
    else sessionStorage.removeItem(KEY);
  }

  /**
   * Asks for a path below the base.
   * @param {string} path @param {string} accept @param {AbortSignal} [signal] @returns {Promise<Response>}
   */
  async ask(path, accept, signal) {
    /** @type {Record<string, string>} */
    const headers = { Accept: accept };
    const key = sessionStorage.getItem(KEY);
    if (key) headers["x-api-key"] = key;
    // The key goes to the gateway alone, whatever a path says.
    const url = new URL(this.base + path, location.origin);
    if (url.origin !== location.origin || !url.pathname.startsWith(this.base + "/")) throw new Failure({ status: 400, code: "elsewhere", detail: "That is no place of this gateway." });
    let response;
    try {
      response = await fetch(url.href, { headers, signal, credentials: "omit", referrerPolicy: "no-referrer" });
    } catch (e) {
      if (signal?.aborted) throw e;
      throw new Failure({ status: 0, code: "unreachable", detail: "The gateway cannot be reached from this browser." });
    }
    if (response.ok) return response;
    throw new Failure(await problemOf(response));
  }

  /** @param {AbortSignal} [signal] @returns {Promise<Catalog>} */
  async catalog(signal) {
    return (await this.ask("/catalog", "application/json", signal)).json();
  }

  /**
   * Asks a place in the tree for its links and the metrics of its first row.
   * @param {string[]} path @param {AbortSignal} [signal]
   */
  async links(path, signal) {
    const below = path.map((d) => "/" + encodeURIComponent(d)).join("");
    const doc = await (await this.ask(`/cmu/v2${below}?limit=1`, "application/json", signal)).json();
    const down = doc._links?.["drill-down"] ?? [];
    /** @type {{href: string, name?: string}[]} */
    const list = Array.isArray(down) ? down : [down];
    const leadsTo = list.map((l) => decodeURIComponent(new URL(l.href, location.href).pathname.split("/").pop() ?? "")).filter((d) => d !== "");
    const row = doc.report?.[0] ?? {};
    return { leadsTo, metrics: Object.keys(row).filter((name) => !path.includes(name) && name !== "tenant") };
  }

  /**
   * Asks for a report as CSV.
   * @param {string} href below the base @param {AbortSignal} [signal] @returns {Promise<Answer>}
   */
  async report(href, signal) {
    const response = await this.ask(href, "text/csv", signal);
    const text = await response.text();
    const header = response.headers;
    return {
      table: readCSV(text),
      settled: parse(header.get("Cmu-Settled-Until") ?? ""),
      stale: /detail=stale/.test(header.get("Cache-Status") ?? ""),
      age: Number(header.get("Age") ?? 0),
      incomplete: /detail="([^"]*)"/.exec(header.get("Cmu-Incomplete") ?? "")?.[1] ?? (header.get("Cmu-Incomplete") ? "rows are missing" : ""),
      gone: readHorizon(header.get("Cmu-Before-Horizon")),
      simulated: header.get("Cmu-Simulated") === "?1",
      href,
    };
  }
}

/** @param {Response} response @returns {Promise<Problem>} */
async function problemOf(response) {
  const plain = { status: response.status, code: "", detail: `The answer has the status ${response.status}.` };
  try {
    const doc = await response.json();
    return { ...plain, ...doc, code: doc.code ?? "", detail: doc.detail ?? doc.message ?? plain.detail, status: response.status };
  } catch {
    return plain;
  }
}

/** The most tries, so that nobody asks for ever, and the bounds of a wait between them, in seconds. */
const TRIES = 40;
const WAITS = { least: 1, most: 60 };

/** Ends the waits that are under way. @type {Set<() => void>} */
const waits = new Set();

/** Asks again now whatever waits. */
export const hurry = () => waits.forEach((end) => end());

/**
 * Does what may fail for a while until it succeeds.
 * @template T
 * @param {() => Promise<T>} work @param {AbortSignal} signal
 * @param {(p: Problem, seconds: number) => void} told is called before each wait
 * @returns {Promise<T>}
 */
export async function patiently(work, signal, told) {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (e) {
      if (!(e instanceof Failure) || !e.passes || tries === TRIES) throw e;
      const seconds = Math.min(Math.max(e.problem.retry_after ?? 5, WAITS.least), WAITS.most);
      told(e.problem, seconds);
      /** @type {() => void} */
      let end = () => {};
      const early = new Promise((resolve) => waits.add((end = () => resolve(null))));
      await Promise.race([pause(seconds * 1000, signal), early]).finally(() => waits.delete(end));
    }
  }
}

/** @param {number} ms @param {AbortSignal} signal @returns {Promise<void>} */
export function pause(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
