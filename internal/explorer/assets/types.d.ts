// The shapes that the modules share. They are for the check alone: no browser reads this.

/** A civil time as milliseconds, read as if it were UTC. It is Adobe's, and is never converted. */
export type Civil = number;
export type Grain = "year" | "month" | "day" | "hour" | "minute";
export type ChartKind = "line" | "area" | "bars" | "heat";
export type Compare = "" | "before" | "year";

export interface Filter {
  dimension: string;
  not: boolean;
  value: string;
}

/** All that a view is made of. It is the URL's query, and nothing else is. */
export interface State {
  metric: string;
  split: string;
  filters: Filter[];
  /** A preset such as 30d or last-month, or START..END in civil times. */
  window: string;
  /** Empty: chosen by the window. */
  grain: Grain | "";
  compare: Compare;
  weekday: boolean;
  chart: ChartKind;
  top: number;
  /** The path that is asked. Empty: the coarsest that has what is wanted. */
  report: string;
}

/** A span of civil time. Whole months shift by months, all else by its length. */
export interface Span {
  start: Civil;
  end: Civil;
  months: number;
}

/** A part of a window. */
export interface Part {
  start: Civil;
  end: Civil;
}

export interface Metric {
  name: string;
  title: string;
  meaning: string;
  distinct: boolean;
}

export interface Report {
  dimensions: string[];
  asked: boolean;
  metrics: string[];
  leads_to: string[];
}

export interface Catalog {
  now: string;
  simulated: boolean;
  reports: (Report & { href: string; grain?: Grain })[];
  metrics: Metric[];
  freshness: { grain: Grain; level: boolean; recompute_seconds: number; open_seconds: number; settled_until: string }[];
}

/** A report as it is asked for. */
export interface Query {
  path: string[];
  grain: Grain;
  /** Dimensions that are asked for beside the path. */
  project: string[];
  filters: Filter[];
}

export interface Table {
  names: string[];
  /** By column, then row. */
  columns: string[][];
  rows: number;
}

export interface Answer {
  table: Table;
  settled: Civil | null;
  stale: boolean;
  /** Seconds since the rows that may change were asked of Adobe. */
  age: number;
  incomplete: string;
  /** What Adobe no longer had in whole, and was not kept. */
  gone: Part[];
  simulated: boolean;
  href: string;
}

export interface Series {
  /** The value of the split dimension; empty for all or the others. */
  value: string;
  label: string;
  others: boolean;
  /** By period; null: not known, or not to be had. */
  values: (number | null)[];
  sum: number | null;
  mean: number | null;
  max: number | null;
  before?: (number | null)[];
  beforeSum?: number | null;
  beforeMean?: number | null;
  /** As a part of what was; null: like cannot be compared with like. */
  change?: number | null;
}

export interface Built {
  periods: Civil[];
  series: Series[];
  /** How many values of the split are not drawn on their own. */
  rest: number;
  /** All values of the split, the largest first. */
  all: string[];
  distinct: boolean;
  /** A distinct count would have to be added up. */
  refused: boolean;
  /** Rows in the window. */
  rows: number;
  /** Up to here numbers are known: what began since may have no row yet. */
  begun: number;
  /** By period: whether something of it is gone at Adobe, and was not kept. */
  gone: boolean[];
  /** Hours that perhaps were none, as a clock may have gone forward. */
  skipped: Civil[];
}

export interface Problem {
  status: number;
  code: string;
  title?: string;
  detail: string;
  retry_after?: number;
  blocks_done?: number;
  blocks_total?: number;
  narrower?: { href: string; start: string; end: string }[];
  nearest?: string[];
}
