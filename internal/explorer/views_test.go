package explorer_test

import (
	"encoding/csv"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Where screenshots go, and where axe-core lies; unset: none are taken, and pages are not checked by it.
var (
	shots = os.Getenv("EXPLORER_SHOTS")
	axe   = os.Getenv("EXPLORER_AXE")
)

// accessible fails the test for what axe-core finds on a page.
func (b *tab) accessible(name string) {
	b.t.Helper()
	if axe == "" {
		if os.Getenv(needBrowser) != "" {
			b.t.Fatal("EXPLORER_AXE names no axe.min.js: make explorer fetches one")
		}
		return
	}
	script, err := os.ReadFile(axe)
	if err != nil {
		b.t.Fatal(err)
	}
	b.do(chromedp.Evaluate[chromedp.Void](string(script) + ";0"))
	type finding struct {
		ID, Help string
		Nodes    []struct{ HTML string }
	}
	for _, f := range ask[[]finding](b, `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((r) =>
		r.violations.map((v) => ({ID: v.id, Help: v.help, Nodes: v.nodes.slice(0, 3).map((n) => ({HTML: n.html.slice(0, 200) + " " + n.failureSummary}))})))`) {
		b.t.Errorf("%s: axe-core: %s: %s: %v", name, f.ID, f.Help, f.Nodes)
	}
}

// shoot takes a picture of the page, if any are wanted.
func (b *tab) shoot(name string) {
	b.t.Helper()
	if shots == "" {
		return
	}
	ctx := b.ctx
	image, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(shots, name+".png"), image, 0o644)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// narrow fails the test if a page is wider than the window.
func (b *tab) narrow(name string) {
	b.t.Helper()
	if over := ask[int](b, `document.documentElement.scrollWidth - document.documentElement.clientWidth`); over > 0 {
		b.t.Errorf("%s: the page is %d px too wide", name, over)
	}
}

var views = []struct{ name, query string }{
	{"lines", "?split=mvpd&compare=before&window=7d"},
	{"one", ""},
	{"areas", "?metric=started-sessions&split=mvpd&window=90d&chart=area"},
	{"bars", "?metric=started-sessions&split=platform&window=last-month&by=day&chart=bars&compare=year&weekday=match"},
	{"week", "?metric=active-sessions&chart=heat"},
	{"months", "?metric=active-users&split=tenant&window=12m&by=month"},
	{"channels", "?metric=started-sessions&split=channel&window=24h&top=3"},
	{"names", "?metric=started-sessions&split=application&window=30d&by=day&top=10&not=mvpd=Cox"},
}

// Every view, in every width and both schemes, breaks no policy, logs nothing, is no wider than the window, and axe-core finds nothing.
func TestViews(t *testing.T) {
	s := serve(t)
	b := s.tab()
	for _, v := range views {
		for _, width := range []int64{1280, 768, 360, 320} {
			for _, scheme := range []string{"light", "dark"} {
				// All of them are the business of make explorer; they take a minute.
				if os.Getenv(needBrowser) == "" && shots == "" && (width == 768 || width == 360 || (width == 1280) == (scheme == "dark")) {
					continue
				}
				name := fmt.Sprintf("%s-%d-%s", v.name, width, scheme)
				b.size(width, scheme)
				b.open("/" + v.query)
				if ask[bool](b, `document.querySelector("#view").hidden`) {
					t.Fatalf("%s shows: %s", name, b.seen())
				}
				b.narrow(name)
				if width == 1280 || width == 360 {
					b.accessible(name)
				}
				b.shoot(name)
			}
		}
	}
}

// The numbers of the table are those of cmu report, and the CSV that people save has the report's very bytes.
func TestNumbersAreTheReports(t *testing.T) {
	s := serve(t)
	b := s.tab()
	b.open("/?metric=started-sessions&split=mvpd&window=2026-01-01..2026-02-01&by=day&top=10")
	b.until(`document.querySelector("#numbers").dataset.rows === "31"`)
	cells := ask[[][]string](b, `[...document.querySelectorAll("#numbers tr")].map((r) => [...r.children].map((c) => c.innerText.replace(/[↑↓\s]+$/, "")))`)
	out, err := exec.Command(binary(t), "report", "tenant/year/month/day/mvpd", "--start", "2026-01-01", "--end", "2026-02-01", "--format", "csv", "--data", s.data, "--sandbox").Output()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(string(out))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	day, mvpd, metric := slices.Index(rows[0], "day"), slices.Index(rows[0], "mvpd"), slices.Index(rows[0], "started-sessions")
	compared := 0
	for _, row := range rows[1:] {
		n, err := strconv.Atoi(row[day])
		if err != nil {
			t.Fatal(err)
		}
		at := slices.Index(cells[0], row[mvpd])
		if at < 0 {
			t.Fatalf("%s is not among %q", row[mvpd], cells[0])
		}
		if got := strings.ReplaceAll(cells[n][at], ",", ""); got != row[metric] {
			t.Errorf("%s on day %d: the table has %s, the report %s", row[mvpd], n, got, row[metric])
		}
		compared++
	}
	if compared < 250 {
		t.Errorf("only %d numbers were compared", compared)
	}

	want, header := s.get("/cmu/v2/tenant/year/month/day/mvpd.csv?start=2026-01-01&end=2026-02-01")
	got := ask[[]string](b, `new Promise((resolve) => {
		const make = URL.createObjectURL;
		URL.createObjectURL = (blob) => { const url = make(blob); blob.text().then((text) => { window.saved = text; }); return url; };
		HTMLAnchorElement.prototype.click = function () { const name = this.download; const wait = () => window.saved ? resolve([name, window.saved]) : setTimeout(wait, 10); wait(); };
		document.querySelector("#csv").click();
	})`)
	if got[1] != want || !strings.Contains(header.Get("Content-Disposition"), `"`+got[0]+`"`) || !strings.HasPrefix(got[0], "simulated_report_") {
		t.Errorf("saved %d bytes as %s, the report has %d as %s", len(got[1]), got[0], len(want), header.Get("Content-Disposition"))
	}
}

// The table can be saved as it is shown: with what is compared with, in its order, and what is not known empty.
func TestTableIsSavedAsShown(t *testing.T) {
	b := serve(t).tab()
	b.open("/?metric=started-sessions&split=mvpd&window=2026-01-01..2026-02-01&by=day&top=3&compare=before")
	b.until(`document.querySelector("#numbers").dataset.rows === "31"`)
	ask[bool](b, `(document.querySelector('#numbers button[data-column="2"]').click(), true)`)
	b.until(`document.querySelector("#numbers").dataset.rows === "31"`)
	cells := ask[[][]string](b, `[...document.querySelectorAll("#numbers tr")].map((r) => [...r.children].map((c) => c.innerText.replace(/[↑↓\s]+$/, "")))`)
	got := ask[[]string](b, `new Promise((resolve) => { let blob; URL.createObjectURL = (b) => { blob = b; return "about:blank"; };
		HTMLAnchorElement.prototype.click = function () { blob.text().then((text) => resolve([this.download, text])); }; document.querySelector("#table").click(); })`)
	rows, err := csv.NewReader(strings.NewReader(got[1])).ReadAll()
	if err != nil || got[0] != "simulated_started-sessions-by-mvpd-by-day.csv" || len(rows) != len(cells) {
		t.Fatalf("%s has %d rows, the table %d: %v", got[0], len(rows), len(cells), err)
	}
	for i, row := range rows {
		for j, cell := range row {
			want := cells[i][j]
			switch {
			case i > 0 && j == 0:
				day, err := time.Parse(time.DateOnly, cell)
				if err != nil {
					t.Fatal(err)
				}
				cell = day.Format("Mon, Jan 2, 2006")
			case i > 0:
				want = strings.ReplaceAll(strings.TrimSuffix(want, "–"), ",", "")
			case j == 0:
				cell = "Day"
			}
			if cell != want {
				t.Errorf("row %d, column %d: saved %q, shown %q", i, j, cell, want)
			}
		}
	}
	if len(rows[0]) != 9 || rows[0][2] != rows[0][1]+", period before" {
		t.Errorf("the columns are %q", rows[0])
	}
}

// Distinct counts are drawn as lines, without others and a sum; what they are in a whole month is asked of the report by month.
func TestDistinctCountsAreNeverAddedUp(t *testing.T) {
	s := serve(t)
	b := s.tab()
	b.open("/?split=mvpd&window=2026-01-01..2026-02-01&top=3&chart=bars")
	summary := b.text("#summary")
	if strings.Contains(summary, "Sum") || strings.Contains(summary, "others") || !strings.Contains(summary, "Mean per hour") {
		t.Errorf("the figures: %s", summary)
	}
	if !ask[bool](b, `document.querySelector('[data-chart="bars"]').disabled && document.querySelector('[data-chart="line"]').getAttribute("aria-pressed") === "true"`) {
		t.Error("bars can be chosen")
	}
	if notes := b.text("#notes"); !strings.Contains(notes, "never add up") || !strings.Contains(notes, "7 more values are not shown") {
		t.Errorf("the notes: %s", notes)
	}
	body, _ := s.get("/cmu/v2/tenant/year/month/mvpd.csv?start=2026-01-01&end=2026-02-01&metrics=active-users&mvpd=Comcast_SSO")
	row := strings.Split(strings.Split(strings.TrimSpace(body), "\n")[1], ",")
	if got := ask[string](b, `document.querySelector("#summary tbody tr td:nth-of-type(3)").innerText.replaceAll(",", "")`); got != row[len(row)-1] {
		t.Errorf("in the whole month %s, the report by month has %s", got, row[len(row)-1])
	}
	b.open("/?split=mvpd&window=30d")
	if !strings.Contains(b.text("#summary"), "not available") {
		t.Errorf("the figures: %s", b.text("#summary"))
	}
	// Rows by MVPD that are not split by it would have to be added up.
	b.open("/?report=tenant/year/month/day/mvpd&window=7d")
	if got := b.text("#state"); !strings.Contains(got, "Not available") || !strings.Contains(got, "Split by mvpd") {
		t.Errorf("it shows %s", got)
	}
}

// All of a view is in its address, relative windows stay relative, and back goes back.
func TestStateIsInTheAddress(t *testing.T) {
	b := serve(t).tab()
	b.open("/")
	at := func() string { return ask[string](b, "location.search") }
	b.choose("metric", "started-sessions")
	b.choose("split", "mvpd")
	b.click(`[data-window="7d"]`)
	b.click(`[data-chart="area"]`)
	b.choose("compare", "before")
	const want = "?metric=started-sessions&split=mvpd&window=7d&compare=before&chart=area"
	if at() != want {
		t.Errorf("the address is %s", at())
	}
	title, figures := b.text("#title"), b.text("#summary")
	b.open("/" + want)
	if b.text("#title") != title || b.text("#summary") != figures {
		t.Errorf("the same address shows %s: %s", b.text("#title"), b.text("#summary"))
	}
	b.choose("compare", "")
	ask[bool](b, `(history.back(), true)`)
	b.until(`location.search.includes("compare=before")`)
	b.settled()
	if !strings.Contains(b.text("#summary"), "Period before") {
		t.Errorf("back shows %s", b.text("#summary"))
	}
	// A click on a series filters by it; the chip takes it away again.
	b.click(`#summary button[data-value="Télé Québec"], #summary button[data-value="Comcast_SSO"]`)
	if !strings.Contains(at(), "is=mvpd=Comcast_SSO") || !strings.Contains(b.text("#filters"), "Comcast_SSO") {
		t.Errorf("the address is %s, the filters %s", at(), b.text("#filters"))
	}
	if rows := ask[int](b, `document.querySelectorAll("#summary tbody tr").length`); rows != 1 {
		t.Errorf("%d series are left", rows)
	}
	b.click(".chip button")
	if strings.Contains(at(), "is=") {
		t.Errorf("the address is %s", at())
	}
	// Windows before and after.
	b.click("#previous")
	b.click("#previous")
	b.click("#next")
	day := time.Now().UTC().Truncate(24 * time.Hour)
	window := day.AddDate(0, 0, -14).Format(time.DateOnly) + ".." + day.AddDate(0, 0, -7).Format(time.DateOnly)
	if got, _ := url.ParseQuery(strings.TrimPrefix(at(), "?")); got.Get("window") != window {
		t.Errorf("the window is %s, want %s", got.Get("window"), window)
	}
	// Filters by hand, with values that were seen.
	b.click("#filters > button")
	b.do(chromedp.SendKeys(chromedp.CSS(`#filters input`), "Cox\r"))
	b.until(`location.search.includes("is=mvpd=Cox")`)
	b.settled()
	if b.text("#summary tbody tr") == "" || !strings.Contains(b.text("#about"), "mvpd = \u2068Cox\u2069") {
		t.Errorf("filtered: %s, %s", b.text("#about"), b.text("#summary"))
	}
}

// The numbers can be sorted by any column, by the keyboard too.
func TestSorting(t *testing.T) {
	b := serve(t).tab()
	b.open("/?metric=started-sessions&window=2026-01-01..2026-02-01&by=day")
	column := func() []int {
		return ask[[]int](b, `[...document.querySelectorAll("#numbers tbody td:last-child")].map((c) => Number(c.innerText.replaceAll(",", "")))`)
	}
	b.do(chromedp.SendKeys(chromedp.CSS(`#numbers button[data-column="1"]`), "\r"))
	b.until(`document.querySelector("#numbers th:last-child").getAttribute("aria-sort") === "descending"`)
	got := column()
	if !slices.IsSortedFunc(got, func(a, b int) int { return b - a }) || len(got) != 31 {
		t.Errorf("descending: %v", got)
	}
	if !ask[bool](b, `document.activeElement.dataset.column === "1"`) {
		t.Error("the focus is lost")
	}
	b.do(chromedp.KeyEvent("\r"))
	b.until(`document.querySelector("#numbers th:last-child").getAttribute("aria-sort") === "ascending"`)
	if got := column(); !slices.IsSorted(got) {
		t.Errorf("ascending: %v", got)
	}
}
