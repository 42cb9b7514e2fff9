package explorer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// instead puts a function of JavaScript in the place of window.fetch, for reports alone: of (real, url, o, n), n counting from 1.
func (b *tab) instead(function string) {
	b.t.Helper()
	ask[bool](b, `(() => { let n = 0; window.real ??= window.fetch; const f = `+function+`; window.fetch = (url, o) => String(url).includes(".csv") ? f(real, url, o, ++n) : real(url, o); return true; })()`)
}

// While Adobe takes its time the seconds are counted, and the numbers of the view that was left do not stay for long.
func TestSlowAdobe(t *testing.T) {
	b := serve(t).tab()
	b.open("/?metric=active-sessions&window=7d&by=day")
	b.instead(`(real, url, o) => new Promise((_, no) => o.signal.addEventListener("abort", () => no(o.signal.reason)))`)
	ask[bool](b, `(document.querySelector('[data-window="90d"]').click(), true)`)
	b.until(`document.querySelector("#view").hidden && /\d+ s so far/.test(document.querySelector("#state").textContent)`)
	seconds := b.text(`#state [role="timer"]`)
	b.until(fmt.Sprintf(`document.querySelector('#state [role="timer"]').textContent !== %q`, seconds))
	b.accessible("slow")
	b.shoot("state-slow")
	b.instead(`(real, url, o) => real(url, o)`)
	b.click(`[data-window="7d"]`)
	b.until(`!document.querySelector("#view").hidden && document.querySelector("#state").hidden`)
}

// Where Adobe asks for a pause its end is counted down, and nobody has to wait for it.
func TestCountdown(t *testing.T) {
	b := serve(t).tab()
	b.open("/?metric=active-sessions&window=7d&by=day")
	b.instead(`(real, url, o, n) => n > 1 ? real(url, o) : Promise.resolve(new Response(JSON.stringify({code: "adobe_unavailable", detail: "Adobe asked for a pause.", retry_after: 60}), {status: 503}))`)
	ask[bool](b, `(document.querySelector('[data-window="90d"]').click(), true)`)
	b.until(`/Asking again in [1-5]?\d s/.test(document.querySelector("#state").textContent) && !document.querySelector("#state").textContent.includes("60 s")`)
	b.accessible("countdown")
	b.shoot("state-countdown")
	b.click("#state button")
	if ask[bool](b, `document.querySelector("#view").hidden`) || !strings.Contains(b.text("#about"), "by day") {
		t.Errorf("it shows %s", b.seen())
	}
}

// Numbers that were stale are renewed under the eyes of who looks at them: nothing that they do is lost, be it that Adobe fails meanwhile.
func TestRenewedInPlace(t *testing.T) {
	b := serve(t).tab()
	b.open("/?metric=active-sessions&split=mvpd&window=30d&by=day&top=3")
	b.instead(`async (real, url, o, n) => { window.renewals = n;
		if (n === 2) return new Response(JSON.stringify({code: "adobe_unavailable", detail: "no", retry_after: 1}), {status: 503});
		const r = await real(url, o); const headers = new Headers(r.headers); const text = await r.text();
		if (n === 1) { headers.set("Cache-Status", "cmu; hit; detail=stale"); headers.set("Age", "9000"); return new Response(text, {headers}); }
		window.changed = true; return new Response(text.replace(/(\d)\n/, "$17\n"), {headers}); }`)
	b.choose("top", "6")
	b.notes("stale", "Newer ones are being fetched")
	b.until(`document.querySelector("#numbers").dataset.rows === "30"`)
	ask[bool](b, `(document.querySelector('#numbers button[data-column="1"]').click(), document.querySelector("#numbers").scrollTop = 200, document.querySelector('#summary button[data-value="Cox"]').focus({preventScroll: true}), true)`)
	top := ask[float64](b, `document.querySelector("#numbers").scrollTop`)
	b.until(`window.renewals === 2`)
	if ask[bool](b, `document.querySelector("#view").hidden`) {
		t.Errorf("what fails meanwhile shows %s", b.seen())
	}
	b.until(`window.changed && !document.querySelector("[data-note~=stale]")`)
	if got := ask[string](b, `document.querySelector('#numbers th:nth-child(2)').getAttribute("aria-sort")`); got != "descending" {
		t.Errorf("the numbers are sorted %s", got)
	}
	if got := ask[float64](b, `document.querySelector("#numbers").scrollTop`); got != top || top == 0 {
		t.Errorf("they were scrolled to %g, and are at %g", top, got)
	}
	if got := ask[string](b, `document.activeElement.dataset.value ?? document.activeElement.id`); got != "Cox" {
		t.Errorf("the focus is at %s", got)
	}
}

// moreDimensions has each place lead to a dimension that none has.
const moreDimensions = `(() => { const real = window.fetch; window.fetch = async (url, o) => { const r = await real(url, o); if (!String(url).includes("?limit=1")) return r;
		const doc = await r.json(); const down = doc._links?.["drill-down"] ?? []; const list = Array.isArray(down) ? down : [down];
		return Response.json({...doc, _links: {"drill-down": [...list, {href: String(url).replace(/\?.*/, "") + "/made-up"}]}}); }; return true; })()`

// What is learnt while people choose changes nothing under their hands: not an open list, not a date that is half typed, not a first
// day that waits for its last.
func TestNothingMovesUnderTheHand(t *testing.T) {
	b := serve(t).tab()
	b.open("/?metric=active-sessions&window=7d&by=day")
	b.do(chromedp.Click(chromedp.CSS("#split")))
	b.until(`document.querySelector("#split").matches(":open")`)
	count := `document.querySelector("#split").options.length`
	before := ask[int](b, count)
	ask[bool](b, moreDimensions)
	ask[bool](b, `(document.querySelector("#explore").click(), true)`)
	b.until(`/places asked|were followed/.test(document.querySelector("#explored").textContent)`)
	if after := ask[int](b, count); after != before || !ask[bool](b, `document.querySelector("#split").matches(":open")`) {
		t.Errorf("the list had %d values when it was opened, and has %d", before, after)
	}
	b.do(chromedp.KeyEvent("\x1b"))
	ask[bool](b, `(document.querySelector("#split").blur(), true)`)
	b.until(count + fmt.Sprintf(" > %d", before))

	learn := `(document.querySelector("#explored").textContent = "", document.querySelector("#explore").click(), true)`
	learnt := `/places asked|were followed/.test(document.querySelector("#explored").textContent)`
	ask[bool](b, `(document.querySelector("#from").focus(), document.querySelector("#from").value = "", true)`) // as where the year is deleted
	ask[bool](b, learn)
	b.until(learnt)
	if got := ask[string](b, `document.querySelector("#from").value`); got != "" {
		t.Errorf("what is half typed became %s", got)
	}
	ask[bool](b, `(document.querySelector("#from").blur(), true)`)
	if got := ask[string](b, `document.querySelector("#from").value`); got == "" {
		t.Error("a date that was left half typed stays empty")
	}
	day := time.Now().UTC().AddDate(0, 0, 3).Format(time.DateOnly)
	ask[bool](b, fmt.Sprintf(`(document.querySelector("#from").focus(), document.querySelector("#from").value = %q, document.querySelector("#to").focus(), true)`, day))
	ask[bool](b, learn)
	b.until(learnt)
	if got := ask[string](b, `document.querySelector("#from").value`); got != day {
		t.Errorf("the first day became %s", got)
	}
	ask[bool](b, fmt.Sprintf(`(document.querySelector("#to").value = %q, document.querySelector("#to").blur(), true)`, day))
	b.until(fmt.Sprintf(`location.search.includes("window=%s..")`, day))
}

// A filter that has the focus keeps it whatever is learnt, and where links cannot be followed what is shown stays.
func TestFollowingDisturbsNothing(t *testing.T) {
	b := serve(t).tab()
	b.open("/?metric=active-sessions&window=7d&by=day&is=mvpd=Cox")
	ask[bool](b, moreDimensions)
	ask[bool](b, `(document.querySelector(".chip button").focus(), document.querySelector("#explore").click(), true)`)
	b.until(`/places asked/.test(document.querySelector("#explored").textContent) && document.querySelector('#split option[value="made-up"]')`)
	if got := ask[string](b, `document.activeElement.getAttribute("aria-label") ?? document.activeElement.tagName`); got != "Remove the filter mvpd = Cox" {
		t.Errorf("the focus is at %s", got)
	}
	b.click("#filters > button")
	if !ask[bool](b, `[...document.querySelector("#filters select").options].some((o) => o.value === "made-up")`) {
		t.Error("a filter by what was learnt cannot be added")
	}
	ask[bool](b, `(() => { const real = window.fetch; window.fetch = (url, o) => String(url).includes("?limit=1")
		? Promise.resolve(new Response(JSON.stringify({code: "adobe_unavailable", detail: "Adobe asked for a pause.", retry_after: 60}), {status: 503})) : real(url, o);
		document.querySelector("#explored").textContent = ""; document.querySelector("#explore").click(); return true; })()`)
	b.until(`document.querySelector("#explored").textContent === "Adobe asked for a pause."`)
	if ask[bool](b, `document.querySelector("#view").hidden`) {
		t.Errorf("it shows %s", b.seen())
	}
}
