// Rows: CSV as the gateway writes it, into columns.

/** @typedef {import("./types").Table} Table */

/**
 * Reads CSV with a header row. Quoted fields may hold commas, line ends and doubled quotes.
 * @param {string} text @returns {Table}
 */
export function readCSV(text) {
  /** @type {string[]} */
  const names = [];
  /** @type {string[][]} */
  const columns = [];
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  let column = 0;
  let header = true;
  const n = text.length;
  while (at < n) {
    let value;
    if (text.charCodeAt(at) === 34) {
      let end = at + 1;
      for (;;) {
        end = text.indexOf('"', end);
        if (end < 0) end = n;
        if (text.charCodeAt(end + 1) !== 34) break;
        end += 2;
      }
      value = text.slice(at + 1, end).replaceAll('""', '"');
      at = end + 1;
    } else {
      let end = at;
      for (let c; end < n && (c = text.charCodeAt(end)) !== 44 && c !== 10 && c !== 13; ) end++;
      value = text.slice(at, end);
      at = end;
    }
    if (header) {
      names.push(value);
      columns.push([]);
    } else {
      columns[column]?.push(value);
    }
    column++;
    if (text.charCodeAt(at) === 44) {
      at++;
      if (at === n && !header) columns[column]?.push("");
      continue;
    }
    if (text.charCodeAt(at) === 13) at++;
    at++;
    header = false;
    column = 0;
  }
  return { names, columns, rows: columns[0]?.length ?? 0 };
}

/** A number that a cell holds, or null. @param {string | undefined} cell */
export function number(cell) {
  if (cell === undefined || cell === "") return null;
  const n = Number(cell);
  return Number.isFinite(n) ? n : null;
}
