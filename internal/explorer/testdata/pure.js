async (assets) => {
  const [civil, windows, state, tree, rows, series, ticks, takeaway] = await Promise.all(
    ["civil", "windows", "state", "tree", "rows", "series", "ticks", "takeaway"].map((m) => import(`${assets}/${m}.js`)),
  );
  const failed = [];
  let checked = 0;
  const same = (what, got, want) => {
    checked++;
    const [g, w] = [JSON.stringify(got), JSON.stringify(want)];
    if (g !== w) failed.push(`${what}: ${g}, want ${w}`);
  };
  const at = (text) => civil.parse(text);
  const spanOf = (span) => span && [civil.write(span.start), civil.write(span.end), span.months];

  // Civil times.
  for (const text of ["2026-11-25", "2026-11-25T05:00", "2024-02-29"]) same("round trip", civil.write(at(text)), text);
  for (const text of ["2026-02-30", "2026-13", "x", "2026-01-01T24:00", "2026-1"]) same(`no time: ${text}`, at(text), null);
  same("cut off", civil.write(at("2026")), "2026-01-01");
  same("seconds", civil.write(at("2026-11-25T18:37:01")), "2026-11-25T18:37");
  same("month end", civil.write(civil.addMonths(at("2026-03-31"), -1)), "2026-02-28");
  same("leap", civil.write(civil.addMonths(at("2024-02-29"), 12)), "2025-02-28");
  same("over the year", civil.write(civil.addMonths(at("2026-01-15T07:00"), -2)), "2025-11-15T07:00");
  same("Monday", civil.weekday(at("2026-11-23")), 0);
  same("Sunday", civil.weekday(at("1969-12-28")), 6);

  // Windows.
  const now = at("2026-11-25T18:40");
  const windowsAre = { "24h": ["2026-11-24T18:00", "2026-11-25T18:00", 0], "7d": ["2026-11-18", "2026-11-25", 0], "30d": ["2026-10-26", "2026-11-25", 0],
    "this-month": ["2026-11-01", "2026-11-26", 1], "last-month": ["2026-10-01", "2026-11-01", 1], "12m": ["2025-11-01", "2026-11-01", 12],
    "2026-01..2026-03": ["2026-01-01", "2026-03-01", 2], "2026-01-05..2026-01-06": ["2026-01-05", "2026-01-06", 0], "x": null, "2026-02..2026-01": null, "0d": null };
  for (const [name, want] of Object.entries(windowsAre)) same(name, spanOf(windows.resolve(name, now)), want);
  const of = (name) => windows.resolve(name, now);
  same("before 30 days", spanOf(windows.compared(of("30d"), "before", false, "day")), ["2026-09-26", "2026-10-26", 0]);
  same("before, weekdays", spanOf(windows.compared(of("30d"), "before", true, "day")), ["2026-09-21", "2026-10-21", 0]);
  same("year before", spanOf(windows.compared(of("30d"), "year", false, "day")), ["2025-10-26", "2025-11-25", 0]);
  same("year before, weekdays", spanOf(windows.compared(of("30d"), "year", true, "day")), ["2025-10-27", "2025-11-26", 0]);
  same("before this month", spanOf(windows.compared(of("this-month"), "before", false, "day")), ["2026-10-01", "2026-10-26", 1]);
  for (const [window, kind, grain, want] of [
    ["2026-05-01..2026-07-31", "before", "month", ["2026-02-01", "2026-05-01", 0]], ["2026-05-01..2026-07-31", "before", "day", ["2026-01-30", "2026-05-01", 0]],
    ["2026-02..2026-03", "before", "day", ["2026-01-01", "2026-02-01", 1]], ["2026-02..2026-03", "before", "month", ["2026-01-01", "2026-02-01", 1]],
    ["this-month", "before", "month", ["2026-10-01", "2026-10-26", 1]], ["2026-03-31..2026-05-31", "before", "month", ["2025-12-31", "2026-03-01", 0]],
    ["2026-02-01..2026-03-31", "year", "month", ["2025-02-01", "2025-03-31", 0]], ["2026..2027", "before", "year", ["2025-01-01", "2026-01-01", 12]],
  ]) {
    const span = windows.resolve(window, now);
    for (const weekday of grain === "day" ? [false] : [false, true]) same(`${kind} ${window} by ${grain}`, spanOf(windows.compared(span, kind, weekday, grain)), want);
    if (grain === "month") same(`months beside months: ${window}`, windows.count(windows.compared(span, kind, false, grain), grain), windows.count(span, grain));
  }
  for (const month of ["2026-09..2026-10", "2026-10..2026-11", "2026-02..2026-03", "2024-02..2024-03"]) same(`${month} by month`, windows.grains(windows.resolve(month, now)).includes("month"), true);
  same("years of two digits", civil.parse("0002-10-05"), null);
  same("before March", spanOf(windows.compared(windows.resolve("2026-03..2026-04", now), "before", false, "day")), ["2026-02-01", "2026-03-01", 1]);
  same("next of a month that is not over", spanOf(windows.shifted(of("this-month"), -1)), ["2026-10-01", "2026-11-01", 1]);
  same("previous", spanOf(windows.shifted(of("7d"), -1)), ["2026-11-11", "2026-11-18", 0]);
  const grains = { "24h": "hour", "30d": "hour", "last-month": "hour", "90d": "day", "12m": "day", "2024-11-01..2026-11-01": "day", "2024-10-01..2026-11-01": "month" };
  for (const [name, want] of Object.entries(grains)) same(`grain of ${name}`, windows.bestGrain(of(name)), want);
  for (const name of ["24h", "7d", "30d", "90d", "12m", "2024-10-01..2026-11-01", "2026-11-25..2026-11-26"]) {
    for (const g of windows.grains(of(name))) {
      const n = civil.periods(of(name).start, of(name).end, g, 1e5).length;
      same(`count of ${name} by ${g}`, windows.count(of(name), g), n);
      same(`${name} by ${g} is drawn`, n <= windows.MAX_POINTS, true);
    }
  }
  same("not by hour over 84 days", windows.grains(of("90d")).includes("hour"), false);
  same("one month", windows.asOne(of("last-month"), "hour"), "month");
  same("no whole period", windows.asOne(of("30d"), "day"), null);
  same("relative", windows.relative("30d", "day"), { start: "-30d", end: "today" });
  same("not relative by hour", windows.relative("30d", "hour"), null);

  // State and URL.
  const states = ["", "metric=users&split=concurrency-level", "split=mvpd&is=mvpd=T%C3%A9l%C3%A9+Qu%C3%A9bec&not=channel=a%26b&window=12m&by=month&compare=year&weekday=match&chart=area&top=10",
    "window=2026-01-01..2026-02-01&report=tenant/year/month/day"];
  for (const query of states) same("state", state.write(state.read(query)), query.replaceAll("%C3%A9", "%C3%A9"));
  same("nonsense is as at first", state.write(state.read("metric=%20&window=9z&by=week&compare=x&chart=pie&top=7&report=a/../b&is==x&is=a=&is=month=11&split=..")), "");
  same("value with an equals sign", state.read("is=mvpd=a=b").filters, [{ dimension: "mvpd", not: false, value: "a=b" }]);
  same("once", state.withFilter(state.read("is=a=b"), { dimension: "a", not: false, value: "b" }).filters.length, 1);

  // The tree.
  const t = new tree.Tree();
  const base = ["active-users", "started-sessions"];
  t.learn([], [], ["tenant", "year"]);
  t.learn(["tenant", "year", "month", "day"], base, ["mvpd", "hour", "channel"]);
  t.learn(["tenant", "year", "month", "day", "mvpd"], base, ["platform"]);
  t.learn(["tenant", "year", "month", "day", "mvpd", "platform"], base, []);
  t.learn(["year", "month", "day", "concurrency-level"], ["users"], []);
  const pick = (o) => {
    const q = tree.choose(t, { grain: "day", split: "", filters: [], metric: "active-users", report: "", ...o });
    return q && [q.path.join("/"), q.project.join()];
  };
  same("coarsest", pick({}), ["tenant/year/month/day", ""]);
  same("by MVPD", pick({ split: "mvpd" }), ["tenant/year/month/day/mvpd", ""]);
  same("by platform, beside the path", pick({ split: "platform" }), ["tenant/year/month/day", "platform"]);
  same("filter below the path", pick({ filters: [{ dimension: "mvpd", not: false, value: "x" }] }), ["tenant/year/month/day/mvpd", ""]);
  same("users", pick({ metric: "users", split: "concurrency-level" }), ["year/month/day/concurrency-level", ""]);
  same("none", pick({ metric: "users", split: "mvpd" }), null);
  same("no such grain", pick({ grain: "month" }), null);
  same("by hand", pick({ report: "tenant/year/month/day/mvpd" }), ["tenant/year/month/day/mvpd", ""]);
  same("explores along time", t.unexplored(tree.onTheWay), ["tenant"]);
  same("a gap in time", tree.grainOf(["year", "day"]), null);
  same("nothing of a shell's", tree.href({ path: ["year"], grain: "year", project: [], filters: [{ dimension: "m", not: false, value: "(it's) *!" }] }, "2026", "2027", ".csv"),
    "/cmu/v2/year.csv?start=2026&end=2027&m=%28it%27s%29%20%2A%21");
  same("href", tree.href({ path: ["a b", "year"], grain: "year", project: ["x"], filters: [{ dimension: "m", not: true, value: "é&" }] }, "2026", "2027", ".csv"),
    "/cmu/v2/a%20b/year.csv?start=2026&end=2027&x&m!=%C3%A9%26");

  // Rows.
  same("CSV", rows.readCSV('\ufeffa,b\r\n1,"x, ""y""\nz"\r\n,2\n3,\n'), { names: ["a", "b"], columns: [["1", "", "3"], ['x, "y"\nz', "2", ""]], rows: 3 });
  same("CSV without an end", rows.readCSV("a\n1"), { names: ["a"], columns: [["1"]], rows: 1 });
  same("no rows", rows.readCSV("a,b\n").rows, 0);

  // Series.
  const csv = rows.readCSV("year,month,day,mvpd,m\n2026,11,1,A,1\n2026,11,1,B,10\n2026,11,2,A,2\n2026,11,2,B,20\n2026,11,2,C,5\n2026,11,4,A,4\n2026,12,1,A,999\n");
  const of11 = { table: csv, span: windows.resolve("2026-11-01..2026-11-06", now), grain: "day", metric: "m", top: 6, now: at("2026-11-04T12:00"), gone: [], incomplete: false };
  const adding = series.build({ ...of11, distinct: false, adds: true, split: "mvpd" });
  same("ranked", adding.series.map((s) => [s.label, s.values, s.sum, s.max]), [["B", [10, 20, 0, 0, null], 30, 20], ["A", [1, 2, 0, 4, null], 7, 4], ["C", [0, 5, 0, 0, null], 5, 5]]);
  const topped = series.build({ ...of11, distinct: false, adds: true, split: "mvpd", top: 1 });
  same("others", topped.series.map((s) => [s.label, s.values, s.others]), [["B", [10, 20, 0, 0, null], false], ["2 others", [1, 7, 0, 4, null], true]]);
  const distinct = series.build({ ...of11, distinct: true, adds: false, split: "mvpd", top: 1 });
  same("no others and no sum of distinct counts", distinct.series.map((s) => [s.label, s.sum, s.mean]), [["B", null, 7.5]]);
  const all = series.build({ ...of11, distinct: true, adds: false, split: "" });
  same("distinct counts are not added up", [all.refused, all.series[0].values], [true, [null, null, 0, 4, null]]);
  same("summed", series.build({ ...of11, distinct: false, adds: true, split: "" }).series[0].values, [11, 27, 0, 4, null]);
  series.addBefore(adding, { ...of11, distinct: false, adds: true, split: "mvpd", span: windows.resolve("2026-10-31..2026-11-05", now) });
  same("before", [adding.series[0].before, adding.series[0].beforeSum], [[0, 10, 20, 0, 0], 30]);
  same("change of what has begun", adding.series[0].change, 0);
  const before = (o, was) => {
    const built = series.build({ ...of11, distinct: false, adds: true, split: "", now: at("2026-12-02"), ...o });
    series.addBefore(built, { ...of11, distinct: false, adds: true, split: "", now: at("2026-12-02"), ...was });
    return built.series[0];
  };
  const months = { table: rows.readCSV("year,month,m\n2026,4,1\n2026,5,2\n2026,6,3\n2026,7,6\n2026,8,7\n"), grain: "month" };
  const longer = before({ ...months, span: windows.resolve("2026-06..2026-08", now) }, { ...months, span: windows.resolve("2026-03-31..2026-06", now) });
  same("nothing of what was is dropped", [longer.before, longer.beforeSum, longer.change], [[0, 1], 3, 2]);
  const unknown = before({ ...months, span: windows.resolve("2026-06..2026-08", now) }, { ...months, span: windows.resolve("2026-04..2026-06", now), gone: [{ start: at("2026-04-01"), end: at("2026-05-01") }], table: rows.readCSV("year,month,m\n2026,5,2\n") });
  const gone = series.build({ ...of11, distinct: false, adds: true, split: "mvpd", top: 1 });
  series.addBefore(gone, { ...of11, distinct: false, adds: true, split: "mvpd", top: 1, table: rows.readCSV("year,month,day,mvpd,m\n2026,10,27,Z,9\n2026,10,27,B,4\n"), span: windows.resolve("2026-10-27..2026-11-01", now) });
  same("what is gone now has a row", gone.series.map((s) => [s.label, s.sum, s.beforeSum]), [["B", 30, 4], ["Z", 0, 9], ["2 others", 12, 0]]);
  const young = { ...of11, distinct: false, adds: true, split: "", now: at("2026-11-05T12:00") };
  same("what is not computed yet is not zero", [at("2026-11-03"), at("2026-11-06"), null].map((settled) => series.build({ ...young, settled }).series[0].values),
    [[11, 27, 0, 4, null], [11, 27, 0, 4, 0], [11, 27, 0, 4, 0]]);
  same("like is compared with like alone", [unknown.before, unknown.beforeSum, unknown.change], [[null, 2], 2, null]);
  same("incomplete is not zero", series.build({ ...of11, distinct: false, adds: true, split: "", incomplete: true }).series[0].values, [11, 27, null, 4, null]);
  same("gone is not zero", series.build({ ...of11, distinct: false, adds: true, split: "mvpd", top: 1, gone: [{ start: at("2026-10-01"), end: at("2026-11-03") }] }).series[1].values, [1, 7, 0, 4, null]);
  const night = (date, missing) => [0, 1, 2, 3, 4].filter((h) => !missing.includes(h)).map((h) => `${date.replaceAll("-", ",")},${h},${h + 1}\n`).join("");
  const nightOf = (date, missing) => ({ ...of11, grain: "hour", distinct: true, adds: false, split: "", settled: null, span: windows.between(at(date), at(date) + 5 * civil.HOUR), table: rows.readCSV("year,month,day,hour,m\n" + night(date, missing)) });
  for (const [date, missing, want] of [["2026-03-08", [2], [1, 2, null, 4, 5]], ["2026-03-29", [1], [1, null, 3, 4, 5]], ["2026-03-08", [2, 3], [1, 2, 0, 0, 5]],
    ["2026-03-09", [2], [1, 2, 0, 4, 5]], ["2026-07-05", [2], [1, 2, 0, 4, 5]], ["2026-03-08", [4], [1, 2, 3, 4, 0]]]) {
    const built = series.build(nightOf(date, missing));
    same(`the night of ${date} without ${missing}`, [built.series[0].values, built.skipped.length], [want, want.includes(null) ? 1 : 0]);
  }
  const spring = series.build(nightOf("2026-03-15", []));
  series.addBefore(spring, nightOf("2026-03-08", [2]));
  same("an hour that perhaps was none is compared with nothing", [spring.series[0].before, spring.series[0].beforeMean, spring.series[0].change], [[1, 2, null, 4, 5], 3, 0]);
  same("gone", series.build({ ...of11, distinct: false, adds: true, split: "", gone: [{ start: at("2026-10-01"), end: at("2026-11-04") }] }).series[0].values, [11, 27, null, 4, null]);
  same("open", series.openFrom(all.periods, at("2026-11-03")), 2);
  same("all settled", series.openFrom(all.periods, at("2026-11-06")), 5);
  const hours = civil.periods(at("2026-11-23"), at("2026-12-07"), "hour", 2000);
  const week = series.heat(hours, hours.map((_, i) => (i < 168 ? 1 : 3)));
  same("hours of the week", [week.mean.length, week.mean[6][23], week.max], [7, 2, 2]);
  same("months", series.build({ ...of11, table: rows.readCSV("year,month,m\n2025,12,7\n2026,2,9\n"), span: windows.resolve("2025-12..2026-03", now), grain: "month", distinct: false, adds: true, split: "", now }).series[0].values, [7, 0, 9]);

  // Ticks.
  for (const [start, end, grain, room] of [["2026-11-01", "2026-11-02", "hour", 8], ["2026-11-01", "2026-12-01", "hour", 12], ["2024-10-01", "2026-11-01", "day", 10], ["2024-10-01", "2026-11-01", "month", 5]]) {
    const list = civil.periods(at(start), at(end), grain, 2000);
    const got = ticks.ticks(list, room);
    same(`ticks of ${start} by ${grain}`, got.length >= 2 && got.length <= room, true);
  }
  const gaps = (list) => new Set(list.slice(1).map((v, i) => v - list[i])).size;
  same("months are named evenly", gaps(ticks.ticks(civil.periods(at("2024-08-01"), at("2026-01-01"), "month", 99), 9)), 1);
  same("one period", ticks.ticks([at("2026-11-01")], 10), [0]);

  // Code of other tools: the key is a variable there.
  const url = "https://h.example/live/cmu/v2/tenant/year.csv?start=2026&end=2027&mvpd=O'Neil%22";
  for (const kind of takeaway.KINDS) {
    const [open, keyed] = [kind.write({ url, keyed: false }), kind.write({ url, keyed: true })];
    same(`${kind.name} without a key`, open.includes("CMU_KEY"), false);
    same(`${kind.name} with one`, keyed.includes("CMU_KEY") || kind.name === "link", true);
  }
  same("quotes of a shell", takeaway.KINDS[1].write({ url, keyed: false }).includes("O'\\''Neil"), true);
  same("repeated names go into the path", takeaway.KINDS[4].write({ url: url + "&mvpd=b", keyed: false }).includes("Query="), false);
  same("quotes of SQL", takeaway.KINDS[3].write({ url, keyed: true }).match(/O''Neil|'https:\/\/h\.example\/live\/cmu\/v2\/'/g).length, 2);
  const odd = "https://h.example/cmu/v2/tenant/year.csv?start=2026&mvpd=" + encodeURIComponent('"#(lf)\n\u202e');
  same("escapes of M", /#"mvpd"="([^ ]+)"\]/.exec(takeaway.KINDS[4].write({ url: odd, keyed: false }))[1], '""#(#)(lf)#(000a)#(202e)');
  same("file name", takeaway.fileName("attachment; filename=\"a.csv\"; filename*=UTF-8''%C3%A9.csv", ""), "é.csv");
  return { Checked: checked, Failed: failed };
}
