// Runs what the explorer's "Copy as" gives, in the tools that it is for, against the gateway at GATEWAY: with filters on values that try to
// be more than values. Each tool must get the report's own rows, and leave nothing behind. ENGINES is a folder with Python, pandas and DuckDB.
import * as PQP from "@microsoft/powerquery-parser";
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import vm from "node:vm";

import { number, readCSV } from "./page/rows.js";
import { KINDS } from "./page/takeaway.js";
import { href } from "./page/tree.js";

const { GATEWAY, CMU_KEY, ENGINES } = process.env;
const METRIC = "started-sessions";

const values = [
  `O'Neil "and" sons \\`, "'; touch owned; '", '"; touch owned; "', "$(touch owned)", "`touch owned`", "$CMU_KEY ${HOME} %PATH% !!",
  "'); COPY (SELECT 1) TO 'owned'; --", '"); open("owned", "w"); ("', '"); require("fs").writeFileSync("owned", ""); ("', '" & File.Contents("owned") & "',
  "#(lf) #(#)( #(", "Télé Québec", "קשת בידור", "\u202eevil\u202c \u2028\u2029", "*?[a-z]{b,c}", "(x) ~ . ..", "a&b=c#d;e+f%27 %", "</script><!--", "東京 🎬",
  "=1+1", "x".repeat(300),
];
// The gateway takes no control characters: then there are no rows, and nothing else happens either.
const refused = ["a\nb\r\nc\td", "\u0000\u001b[2J", "'\ntouch owned\n'", '"\nopen("owned", "w")\n"'];
const [grain, path] = ["day", ["tenant", "year", "month", "day", "mvpd"]];
const not = (value) => ({ dimension: "mvpd", not: true, value });
const asks = [...[...values, ...refused].map((v) => [not(v)]), [not(values[0]), not(values[3])], [{ dimension: "mvpd", not: false, value: "Comcast_SSO" }, { dimension: "platform", not: true, value: values[1] }]];

/** Rows and the sum of the metric. */
function told({ names, columns, rows }) {
  assert.ok(rows > 0 && names.includes(METRIC), `no rows: ${names}`);
  return `${rows} rows, ${columns[names.indexOf(METRIC)].reduce((a, c) => a + number(c), 0)}`;
}

const place = fs.mkdtempSync(`${os.tmpdir()}/taken-`);
const run = (file, args, input) => execFileSync(file, args, { cwd: place, input, encoding: "utf8", stdio: ["pipe", "pipe", "pipe"], timeout: 120_000 });
const files = () => fs.readdirSync(place);

async function parsed(code) {
  const { TaskUtils, DefaultSettings } = PQP.default ?? PQP;
  const task = await TaskUtils.tryLexParse(DefaultSettings, code);
  if (TaskUtils.isError(task)) throw task.error;
  return task.ast;
}

/** Every node of a tree. */
function* nodes(node) {
  if (node === null || typeof node !== "object") return;
  yield node;
  for (const child of Object.values(node)) for (const one of Array.isArray(child) ? child : [child]) yield* nodes(one);
}

/** What a text of M is. */
const plain = (literal) =>
  literal.replace(/^#?"|"$/g, "").replaceAll('""', '"').replace(/#\(([^)]*)\)/g, (_, names) => names.split(",").map((n) =>
    n === "#" ? "#" : String.fromCodePoint({ cr: 13, lf: 10, tab: 9 }[n] ?? parseInt(n, 16))).join(""));

const tools = {
  link: async (code) => told(readCSV(await (await fetch(code, { headers: { "x-api-key": CMU_KEY } })).text())),

  curl(code) {
    run("bash", ["-c", code]);
    const [name, ...more] = files();
    assert.match(name, /^simulated_report_.*\.csv$/);
    assert.deepEqual(more, []);
    const text = fs.readFileSync(`${place}/${name}`, "utf8");
    fs.rmSync(`${place}/${name}`);
    return told(readCSV(text));
  },

  pandas(code) {
    return run(`${ENGINES}/bin/python`, ["-c", `${code}\nprint(f"{len(df)} rows, {df['${METRIC}'].sum()}")`]).trim();
  },

  duckdb(code) {
    // The extension is that of PyPI: its own server is not reached from everywhere.
    const extension = run("find", [ENGINES, "-name", "httpfs.duckdb_extension"]).trim().split("\n")[0];
    const out = run(`${ENGINES}/bin/duckdb`, ["-csv", "-bail"], `LOAD '${extension}';\n${code}`);
    return told(readCSV(out.slice(out.indexOf("tenant,"))));
  },

  // No tool here runs it: it is parsed, and what it would ask for is put together.
  async "power-query"(code, asked) {
    assert.doesNotMatch(code, /[\u0000-\u0009\u000b-\u001f\u2028-\u202e\u2066-\u2069]/);
    const texts = [], query = [];
    const tree = await parsed(code);
    for (const node of nodes(tree)) {
      if (node.literalKind === "Text") texts.push(plain(node.literal));
      if (node.kind === "GeneralizedIdentifierPairedExpression" && node.value.literalKind === "Text") query.push([plain(node.key.literal), plain(node.value.literal)]);
    }
    const calls = [...nodes(tree)].filter((n) => n.kind === "Identifier").map((n) => n.literal).filter((n) => n.includes("."));
    assert.deepEqual(calls.sort(), ["Csv.Document", "Table.PromoteHeaders", "Web.Contents"]);
    const url = new URL(`${texts[0]}/${texts[1]}`);
    for (const [name, value] of query.filter(([name]) => !["RelativePath", "Delimiter"].includes(name))) url.searchParams.append(name, value);
    assert.deepEqual([...url.searchParams], [...new URL(asked).searchParams]);
    return tools.link(url.href);
  },

  "apps-script"(code) {
    let written;
    const context = {
      PropertiesService: { getScriptProperties: () => ({ getProperty: (name) => process.env[name] }) },
      UrlFetchApp: { fetch: (url, { headers }) => ({ getContentText: () => run("curl", ["-fsSg", ...Object.entries(headers).flatMap(([k, v]) => ["-H", `${k}: ${v}`]), url]) }) },
      Utilities: { parseCsv: (text) => ((t) => [t.names, ...t.columns[0].map((_, i) => t.columns.map((c) => c[i]))])(readCSV(text)) },
      SpreadsheetApp: { getActiveSheet: () => ({ getRange: (...at) => ({ setValues: (rows) => { written = { at, rows }; } }) }) },
    };
    vm.runInNewContext(`${code}\nusage();`, context);
    const { at, rows } = written;
    assert.deepEqual(at, [1, 1, rows.length, rows[0].length]);
    // A value that a sheet would take for a formula is none.
    context.UrlFetchApp.fetch = () => ({ getContentText: () => 'mvpd,n\n"=IMPORTXML(""x"")",5\n@x,-1\nplain,7\n' });
    vm.runInNewContext(`${code}\nusage();`, context);
    assert.deepEqual(JSON.parse(JSON.stringify(written.rows.slice(1).map((r) => r[0]))), [`'=IMPORTXML("x")`, "'@x", "plain"]);
    return told({ names: [...rows[0]], columns: rows[0].map((_, c) => rows.slice(1).map((r) => r[c])), rows: rows.length - 1 });
  },
};

for (const filters of asks) {
  const url = GATEWAY + href({ path, grain, project: [], filters }, "2026-10", "2026-11", ".csv");
  // What is asked is what was meant.
  assert.deepEqual([...new URL(url).searchParams].slice(2), filters.map((f) => [f.dimension + (f.not ? "!" : ""), f.value]));
  assert.match(url.slice(GATEWAY.length), /^[\w./?&=%~!-]+$/);
  const takes = filters.every((f) => !refused.includes(f.value));
  const want = takes && (await tools.link(url));
  for (const kind of KINDS) {
    const code = kind.write({ url, keyed: true });
    assert.ok(!code.includes(CMU_KEY), `${kind.name} holds the key`);
    let got, failure;
    try {
      got = await tools[kind.name](code, url);
    } catch (e) {
      failure = e;
    }
    if (takes) assert.equal(got, want, new Error(`${kind.name}: ${code}`, { cause: failure }));
    else assert.match(`${failure?.message}${failure?.stderr}`, /no rows|400|Bad Request|HTTP Error/, `${kind.name}: ${code}`);
    assert.deepEqual(files(), [], `${kind.name} leaves something behind: ${code}`);
  }
}
fs.rmdirSync(place);
console.log(`${asks.length} questions in ${KINDS.length} kinds`);
