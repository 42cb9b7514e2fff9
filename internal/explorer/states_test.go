package explorer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// shows waits for a state, and looks at it in both schemes and two widths.
func (b *tab) shows(kind string, words ...string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`!document.querySelector("#state").hidden && document.querySelector("#state").dataset.kind === %q`, kind))
	text := b.text("#state")
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.t.Errorf("%s lacks %q: %s", kind, w, text)
		}
	}
	for _, width := range []int64{1280, 360} {
		for _, scheme := range []string{"light", "dark"} {
			b.size(width, scheme)
			name := fmt.Sprintf("state-%s-%d-%s", kind, width, scheme)
			b.narrow(name)
			b.accessible(name)
			ask[bool](b, `(document.querySelector("#state").scrollIntoView({block: "center"}), true)`)
			b.shoot(name)
		}
	}
	b.size(1280, "light")
}

// notes waits for a note beside the chart.
func (b *tab) notes(kind string, words ...string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`!document.querySelector("#view").hidden && document.querySelector('[data-note~=%q]')`, kind))
	text := b.text(fmt.Sprintf(`[data-note~=%q]`, kind))
	for _, w := range words {
		if !strings.Contains(text, w) {
			b.t.Errorf("%s lacks %q: %s", kind, w, text)
		}
	}
	b.accessible("note-" + kind)
	b.shoot("note-" + kind)
}

func TestNoRows(t *testing.T) {
	s := serve(t)
	b := s.tab()
	b.open("/?window=7d&is=mvpd=Nobody")
	b.shows("empty", "No rows in this window", "Remove one")
	b.open("/?window=2020-01-01..2020-02-01")
	b.shows("gone", "Adobe no longer has it", "25 months", "not “no usage”")
	b.open("/?window=2099-01-01..2099-02-01")
	if !strings.Contains(b.text("#state"), "has not begun") {
		t.Errorf("it shows %s", b.text("#state"))
	}
	// A part that Adobe no longer has is not "no usage" either.
	start := time.Now().UTC().AddDate(-2, -3, 0).Format("2006-01") + "-01"
	b.open("/?by=month&window=" + start + "..2026-01-01")
	b.notes("gone", "it keeps 25 months")
}

func TestRowsThatMayStillChange(t *testing.T) {
	b := serve(t).tab()
	b.open("/?window=24h&split=mvpd")
	b.notes("open", "numbers may still change")
	if n := ask[int](b, `document.querySelectorAll("#numbers tr.open").length`); n < 10 {
		t.Errorf("%d rows of the table are marked", n)
	}
}

// A period that Adobe truncates and that cannot be divided is marked.
func TestIncomplete(t *testing.T) {
	s := serve(t)
	s.behave(`{"max_limit": 5, "limit_mode": "clamp"}`)
	b := s.tab()
	b.open("/?window=24h&split=mvpd&metric=started-sessions")
	b.notes("incomplete", "Incomplete", "too low")
}

// What is compared with is told of like what is shown: nothing that is too low passes as whole, and a failure of it costs the view nothing.
func TestIncompleteComparison(t *testing.T) {
	s := serve(t)
	b := s.tab()
	const view = "/?window=2025-10-01..2025-11-01&by=day&split=mvpd&top=3&metric=active-sessions"
	b.open(view)
	s.behave(`{"max_limit": 5, "limit_mode": "clamp"}`)
	b.open(view + "&compare=before")
	b.notes("incomplete", "What is compared with is incomplete", "no change to tell")
	s.behave(`{"faults": [{"on": "report", "kind": "status", "status": 500}]}`)
	b.open(view + "&compare=year")
	b.notes("past", "cannot be had for now")
}

// Filters of any length, and windows too wide for their points, leave a way on.
func TestLongAndWide(t *testing.T) {
	b := serve(t).tab()
	for _, width := range []int64{1280, 320} {
		b.size(width, "light")
		b.open("/?window=7d&by=day&not=mvpd=" + strings.Repeat("x", 300) + "&not=mvpd=" + strings.Repeat("word%20", 60))
		b.narrow("long filters")
	}
	b.open("/?chart=heat&window=12m&metric=active-sessions")
	b.until(`document.querySelector("#state").dataset.kind === "large"`)
	b.click("#state button")
	b.until(`!document.querySelector("#week").hidden && document.querySelector("#week").checkVisibility()`)
}

// Copies past their age are shown with it while Adobe cannot be had.
func TestStale(t *testing.T) {
	s := serve(t, "CMU_FRESH_HOUR=1s", "CMU_FRESH_DAY=1s")
	b := s.tab()
	today := time.Now().UTC()
	view := "/?by=day&window=" + today.AddDate(0, 0, -7).Format(time.DateOnly) + ".." + today.Format(time.DateOnly)
	b.open(view)
	s.proven() // what was fetched before is kept in another form
	b.open(view)
	s.behave(`{"faults": [{"on": "report", "kind": "status", "status": 500}]}`)
	time.Sleep(2 * time.Second) // the copies grow older than their freshness
	b.open(view)
	b.notes("stale", "old, older than they should be")
}

// While Adobe cannot be had, the page says so, and mends itself once it can.
func TestAdobeDown(t *testing.T) {
	s := serve(t)
	s.behave(`{"faults": [{"on": "report", "kind": "status", "status": 500}]}`)
	b := s.tab()
	b.open("/")
	b.shows("down", "Adobe cannot be had for now", "Try again")
	s.behave(`{}`)
	b.until(`(document.querySelector("#state button")?.click(), !document.querySelector("#view").hidden)`)
}

// Adobe asks for a pause in the middle of a wide report: the page shows how far it is, and asks again by itself.
func TestProgress(t *testing.T) {
	s := serve(t)
	b := s.tab()
	b.open("/?window=24h&split=mvpd")
	s.proven() // wide reports come in blocks from then on
	s.behave(`{"default_limit": 1000, "max_limit": 1000, "limit_mode": "clamp", "reports_per_minute": 4}`)
	b.do(chromedp.Navigate(s.url + "/?window=2026-01-01..2026-02-01&by=hour&split=mvpd&metric=started-sessions"))
	b.shows("progress", "blocks are there.", "Asking again in", "Ask now")
	if got := ask[float64](b, `document.querySelector("#state progress").value / document.querySelector("#state progress").max`); got <= 0 || got >= 1 {
		t.Errorf("the bar stands at %g", got)
	}
}

// What is larger than can be sent is offered in parts. Only Lambda has such a limit: here the answer is put into the page's way.
func TestTooLarge(t *testing.T) {
	s := serve(t)
	b := s.tab()
	b.open("/")
	ask[bool](b, `(() => { const real = window.fetch; window.fetch = (url, o) => String(url).includes("2026-01-01") && String(url).includes("2026-03-01")
		? Promise.resolve(new Response(JSON.stringify({status: 413, code: "too_large", detail: "The report has 99999 rows and is larger than the 4700000 bytes that can be sent here. Ask for it in parts.",
			narrower: [{href: "/x", start: "2026-01-01", end: "2026-02-01"}, {href: "/x", start: "2026-02-01", end: "2026-03-01"}]}), {status: 413, headers: {"Content-Type": "application/problem+json"}}))
		: real(url, o); return true; })()`)
	ask[bool](b, `(() => { for (const [id, v] of [["from", "2026-01-01"], ["to", "2026-02-28"]]) document.getElementById(id).value = v;
		document.getElementById("to").dispatchEvent(new Event("change")); return true; })()`)
	b.shows("large", "Too much for one answer", "Narrower windows")
	b.click("#state li button")
	if got := ask[string](b, "location.search"); !strings.Contains(got, "2026-01-01..2026-02-01") {
		t.Errorf("the part leads to %s", got)
	}
	if ask[bool](b, `document.querySelector("#view").hidden`) {
		t.Errorf("it shows %s", b.seen())
	}
}

// A report that is not there names those that are near.
func TestNoSuchReport(t *testing.T) {
	s := serve(t)
	b := s.tab()
	b.open("/?split=mvpd&window=7d&by=day")
	b.open("/?report=tenant/year/month/dya&window=7d")
	b.shows("missing", "Adobe has no such report", "tenant/year/month/day")
	b.click("#state li button")
	if ask[bool](b, `document.querySelector("#view").hidden`) {
		t.Errorf("it shows %s", b.seen())
	}
	b.open("/?metric=users&split=mvpd")
	b.shows("none", "No report has this")
}

// The key is asked for, kept for the tab, sent as a header, and is in no address; what is wrong is asked for again.
func TestKey(t *testing.T) {
	const key = "correct-horse-battery"
	s := serve(t, "--key="+key)
	b := s.tab()
	b.open("/?window=7d")
	b.shows("key", "This gateway asks for a key", "kept in this tab alone")
	b.do(chromedp.SendKeys(chromedp.CSS("#state input"), "wrong\r"))
	b.until(`document.querySelector("#state h2").textContent === "That key is not taken"`)
	b.do(chromedp.SendKeys(chromedp.CSS("#state input"), key+"\r"))
	b.until(`!document.querySelector("#view").hidden`)
	b.settled()
	if got := ask[string](b, `location.href + document.cookie + JSON.stringify(localStorage) + document.documentElement.outerHTML`); strings.Contains(got, key) {
		t.Error("the key is where it can be seen")
	}
	b.click("#copy")
	for _, kind := range []string{"curl", "pandas", "duckdb", "power-query", "apps-script"} {
		ask[bool](b, fmt.Sprintf(`(() => { const k = document.getElementById("kind"); k.value = %q; k.dispatchEvent(new Event("change")); return true; })()`, kind))
		if code := b.text("#text"); !strings.Contains(code, "CMU_KEY") || strings.Contains(code, key) || !strings.Contains(code, s.url) {
			t.Errorf("%s: %s", kind, code)
		}
	}
	b.accessible("code")
	b.shoot("code")
	// Pages that no link can open are shown in this one.
	b.click(`nav a[href="/status"]`)
	b.until(`!document.querySelector("#page").hidden && document.querySelector("#page h1")?.textContent === "Status"`)
	b.accessible("status with a key")
	ask[bool](b, `(history.back(), true)`)
	b.until(`document.querySelector("#page").hidden && !document.querySelector("#result").hidden`)
	b.click("#forget")
	b.shows("key", "This gateway asks for a key")
}

// The pages of the gateway's own, and the tables, break no policy either.
func TestPlainPages(t *testing.T) {
	s := serve(t)
	b := s.tab()
	b.open("/?split=mvpd&window=7d&by=day")
	for _, target := range []string{"/status", "/catalog", "/cmu/v2/tenant/year/month/day/mvpd?start=-7d&end=today", "/cmu/v2/tenant/year/month/dya", "/nowhere"} {
		for _, width := range []int64{1280, 360} {
			for _, scheme := range []string{"light", "dark"} {
				b.size(width, scheme)
				b.do(chromedp.Navigate(s.url + target))
				name := fmt.Sprintf("page-%s-%d-%s", strings.NewReplacer("/", "", "?", "").Replace(target)[:6], width, scheme)
				b.narrow(name)
				b.accessible(name)
				b.shoot(name)
				if ask[string](b, `getComputedStyle(document.body).maxWidth`) == "none" {
					t.Errorf("%s has no style", target)
				}
			}
		}
		b.clean()
	}
}

// A view that was left costs nothing more: its requests are aborted.
func TestLeftViewsAreAborted(t *testing.T) {
	s := serve(t)
	b := s.tab()
	b.open("/?split=mvpd&window=7d&by=day")
	s.behave(`{"latency_ms": 1500}`)
	ask[bool](b, `(() => { window.aborted = 0; const real = window.fetch; window.fetch = (url, o) => { o.signal?.addEventListener("abort", () => { aborted++; }); return real(url, o); };
		document.querySelector('[data-window="90d"]').click(); setTimeout(() => document.querySelector('[data-window="7d"]').click(), 200); return true; })()`)
	b.until(`window.aborted > 0`)
	b.until(`document.querySelector("#result").getAttribute("aria-busy") === "false" && document.querySelector("#about").textContent.includes("by day")`)
	if got := b.text(`#presets [aria-pressed="true"]`); got != "7 days" {
		t.Errorf("it shows %s", got)
	}
}

// API Gateway answers 403 without a code of ours where the key is missing.
func TestForbiddenByWhatStandsInFront(t *testing.T) {
	s := serve(t)
	b := s.tab()
	b.open("/")
	ask[bool](b, `(() => { const real = window.fetch; window.fetch = (url, o) => o.headers["x-api-key"] === "right" ? real(url, o)
		: Promise.resolve(new Response('{"message":"Forbidden"}', {status: 403, headers: {"Content-Type": "application/json"}}));
		document.querySelector('[data-window="7d"]').click(); return true; })()`)
	b.until(`document.querySelector("#state").dataset.kind === "key"`)
	b.do(chromedp.SendKeys(chromedp.CSS("#state input"), "right\r"))
	b.until(`!document.querySelector("#view").hidden`)
	b.settled()
	if !strings.Contains(b.text("#about"), "by hour") {
		t.Errorf("it shows %s", b.seen())
	}
}

// Below a path of a proxy's all links, files and requests carry it, with and without a slash at its end.
func TestBelowAPath(t *testing.T) {
	s := serve(t, "--base-path=/usage")
	b := s.tab()
	for _, path := range []string{"/usage/?window=7d", "/usage?window=7d"} {
		b.open(path)
		if ask[bool](b, `document.querySelector("#view").hidden`) {
			t.Errorf("%s shows: %s", path, b.seen())
		}
		b.click(`[data-window="24h"]`)
		if got := ask[string](b, `location.pathname`); got != strings.SplitN(path, "?", 2)[0] {
			t.Errorf("a choice leads to %s", got)
		}
		if got := ask[string](b, `document.querySelector("nav a").pathname`); got != "/usage/catalog" {
			t.Errorf("the catalogue is at %s", got)
		}
	}
}

// Values of any script, direction and length are shown as they are, and break nothing.
func TestForeignValues(t *testing.T) {
	s := serve(t)
	b := s.tab()
	b.open("/")
	ask[bool](b, `(() => { const names = ["קשת בידור", "\u202eevil", "<img src=x onerror=breaches.push(1)>", "A very long name of a channel that nobody would choose, but which somebody did choose after all 0123456789", "東京チャンネル", ""];
		const real = window.fetch; window.fetch = async (url, o) => { const r = await real(url, o); if (!String(url).includes(".csv")) return r;
		const lines = (await r.text()).trim().split("\n"); const at = lines[0].split(",").indexOf("mvpd");
		const text = lines.map((l, i) => { if (i === 0 || at < 0) return l; const c = l.split(","); c[at] = '"' + names[(i - 1) % 6] + '"'; return c.join(","); }).join("\n");
		return new Response(text, {headers: r.headers}); }; return true; })()`)
	b.choose("metric", "started-sessions")
	b.choose("grain", "day")
	b.choose("split", "mvpd")
	for _, width := range []int64{1280, 320} {
		b.size(width, "light")
		b.narrow("foreign values")
		b.accessible("foreign values")
		b.shoot(fmt.Sprintf("foreign-%d", width))
	}
	text := b.text("#summary") + b.text("#numbers")
	for _, want := range []string{"קשת בידור", "<img src=x", "東京チャンネル", "(empty)", "A very long name"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not shown: %s", want, text)
		}
	}
	if n := ask[int](b, `document.querySelectorAll('#summary button[data-value=""]').length`); n != 0 {
		t.Error("no value can be filtered by, which Adobe does not do")
	}
	if n := ask[int](b, `document.querySelectorAll("main img").length`); n != 0 {
		t.Error("a value became markup")
	}
}

// On paper there is the result alone, in light colours.
func TestPaper(t *testing.T) {
	s := serve(t)
	b := s.tab()
	b.open("/?metric=started-sessions&split=mvpd&window=7d&by=day")
	b.print()
	for _, selector := range []string{"#choose", ".take", "#more", "header nav"} {
		if ask[bool](b, fmt.Sprintf(`document.querySelector(%q).checkVisibility()`, selector)) {
			t.Errorf("%s is printed", selector)
		}
	}
	if ask[string](b, `getComputedStyle(document.querySelector("#numbers")).maxHeight`) != "none" {
		t.Error("the numbers are cut off")
	}
	b.shoot("paper")
}
