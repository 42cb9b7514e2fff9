// Taking a view away: as a link or as code of other tools. A key is a variable there, never its value.

/** @typedef {{url: string, keyed: boolean}} Source a whole URL of CSV, and whether a key is needed */

/** @param {string} text */
const shell = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
/** @param {string} text */
const quoted = (text) => JSON.stringify(text);
/** @param {string} text */
const sql = (text) => `'${text.replaceAll("'", "''")}'`;
/** Text of M: what begins an escape, what ends a line, and what turns the direction of writing are escaped. @param {string} text */
const power = (text) => {
  const plain = text.replaceAll('"', '""').replaceAll("#(", "#(#)(");
  return `"${plain.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (c) => `#(${c.charCodeAt(0).toString(16).padStart(4, "0")})`)}"`;
};

/** The kinds of code, by name. @type {{name: string, title: string, write: (s: Source) => string}[]} */
export const KINDS = [
  { name: "link", title: "Link to the CSV", write: ({ url }) => url },
  {
    name: "curl",
    title: "curl",
    write: ({ url, keyed }) => `curl -fsS --compressed -OJ ${keyed ? '-H "x-api-key: $CMU_KEY" ' : ""}${shell(url)}`,
  },
  {
    name: "pandas",
    title: "Python, pandas",
    write: ({ url, keyed }) =>
      keyed
        ? `import os\nimport pandas as pd\n\ndf = pd.read_csv(${quoted(url)},\n                 storage_options={"x-api-key": os.environ["CMU_KEY"]})`
        : `import pandas as pd\n\ndf = pd.read_csv(${quoted(url)})`,
  },
  {
    name: "duckdb",
    title: "DuckDB",
    write: ({ url, keyed }) => {
      // The command line reads the environment; other clients have no getenv. The key goes to this gateway alone.
      const secret = `CREATE OR REPLACE SECRET cmu (TYPE http, SCOPE ${sql(url.slice(0, url.indexOf("/cmu/v2/") + 8))},\n  EXTRA_HTTP_HEADERS MAP {'x-api-key': getvariable('CMU_KEY')});\n`;
      return (keyed ? `SET VARIABLE CMU_KEY = getenv('CMU_KEY'); -- or the key, where there is no getenv\n${secret}` : "") + `SELECT * FROM read_csv(${sql(url)});`;
    },
  },
  {
    name: "power-query",
    title: "Power Query",
    write: ({ url, keyed }) => {
      const [address, query] = url.split("?");
      const at = address.indexOf("/cmu/v2/");
      const fields = query.split("&").map((pair) => {
        const [k, v] = [pair, ""].map((p, i) => decodeURIComponent(i === 0 ? p.split("=")[0] : pair.includes("=") ? pair.slice(pair.indexOf("=") + 1) : p));
        return `#${power(k)}=${power(v)}`;
      });
      const repeated = new Set(query.split("&").map((p) => p.split("=")[0])).size < fields.length;
      const headers = keyed ? ', Headers=[#"x-api-key"=CMU_KEY]' : "";
      // A record cannot hold a name twice: then all goes into the path.
      const source = repeated
        ? `Web.Contents(${power(address.slice(0, at))}, [RelativePath=${power(url.slice(at + 1))}${headers}])`
        : `Web.Contents(${power(address.slice(0, at))}, [RelativePath=${power(address.slice(at + 1))},\n    Query=[${fields.join(", ")}]${headers}])`;
      return `${keyed ? "// CMU_KEY is a parameter of the workbook, a text.\n" : ""}let\n  Source = ${source},\n  Rows = Table.PromoteHeaders(Csv.Document(Source, [Delimiter=",", Encoding=65001]))\nin\n  Rows`;
    },
  },
  {
    name: "apps-script",
    title: "Google Apps Script",
    write: ({ url, keyed }) => {
      const options = keyed ? ',\n    {headers: {"x-api-key": PropertiesService.getScriptProperties().getProperty("CMU_KEY")}}' : "";
      return `function usage() {\n  const answer = UrlFetchApp.fetch(${quoted(url)}${options});\n  // A sheet takes what begins so for a formula; the apostrophe is not shown.\n  const rows = Utilities.parseCsv(answer.getContentText())\n    .map((row) => row.map((cell) => (/^[=+@-]/.test(cell) ? "'" + cell : cell)));\n  SpreadsheetApp.getActiveSheet().getRange(1, 1, rows.length, rows[0].length).setValues(rows);\n}`;
    },
  },
];

/** Saves bytes as a file. @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const a = document.createElement("a");
  a.href = URL.createObjectURL(blob);
  a.download = name;
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 10_000);
}

/** The file name that an answer has. @param {string | null} disposition @param {string} otherwise */
export function fileName(disposition, otherwise) {
  const utf8 = /filename\*=UTF-8''([^;]+)/.exec(disposition ?? "");
  if (utf8) return decodeURIComponent(utf8[1]);
  return /filename="([^"]+)"/.exec(disposition ?? "")?.[1] ?? otherwise;
}
