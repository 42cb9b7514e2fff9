package explorer_test

import (
	"testing"
	"time"

	"cmu-gateway/internal/explorer"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/heapprofiler"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"
)

// metric is one of the browser's counts of a page, in seconds or bytes.
func (b *tab) metric(name string) float64 {
	b.t.Helper()
	result, err := chromedp.Call(b.ctx, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, m := range result.Metrics {
		if m.Name == name {
			return m.Value
		}
	}
	b.t.Fatalf("there is no metric %s", name)
	return 0
}

// measured is a page whose counts are kept, in processor time: what else the machine does is no part of it.
func measured(b *testing.B) *tab {
	page := serve(b).tab()
	if _, err := chromedp.Call(page.ctx, performance.Enable, performance.EnableParams{TimeDomain: "threadTicks"}); err != nil {
		b.Fatal(err)
	}
	return page
}

// drawn waits until the last row of the table is there.
func (b *tab) drawn() {
	b.settled()
	b.until(`!document.querySelector("#view").hidden && document.querySelector("#numbers").dataset.rows`)
}

// switches goes there and back, and reports how long scripts and the whole page work on the way there, layout and painting included.
func (b *tab) switches(bench *testing.B, back, there func()) {
	there()
	back()
	parts := map[string]string{"ScriptDuration": "script-ms", "LayoutDuration": "layout-ms", "TaskDuration": "task-ms"}
	sums, n := map[string]float64{}, 0
	for bench.Loop() {
		for name := range parts {
			sums[name] -= b.metric(name)
		}
		there()
		for name := range parts {
			sums[name] += b.metric(name)
		}
		n++
		back()
	}
	for name, unit := range parts {
		bench.ReportMetric(sums[name]/float64(n)*1e3, unit)
	}
}

// BenchmarkPreset is 30 days by hour and 10 series, shown again.
func BenchmarkPreset(b *testing.B) {
	page := measured(b)
	page.open("/?split=mvpd&top=10")
	press := func(window string) func() {
		return func() {
			page.do(chromedp.Click(chromedp.CSS(`[data-window="` + window + `"]`)))
			page.until(`document.querySelector('[data-window="` + window + `"]').getAttribute("aria-pressed") === "true"`)
			page.drawn()
		}
	}
	page.switches(b, press("7d"), press("30d"))
}

// widest is the query of 25 months by day and 10 series.
func widest() string {
	month := time.Now().UTC().AddDate(0, 0, 1-time.Now().UTC().Day())
	return "?metric=started-sessions&split=mvpd&top=10&by=day&window=" + month.AddDate(0, -25, 0).Format(time.DateOnly) + ".." + month.Format(time.DateOnly)
}

// BenchmarkWidest is 25 months by day and 10 series, shown again after months.
func BenchmarkWidest(b *testing.B) {
	page := measured(b)
	page.open("/" + widest())
	by := func(grain string) func() {
		return func() {
			page.choose("grain", grain)
			page.drawn()
		}
	}
	page.switches(b, by("month"), by("day"))
	by("day")()
	if _, err := chromedp.Call(page.ctx, heapprofiler.CollectGarbage, cdp.Empty{}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(page.metric("JSHeapUsedSize")/1e6, "heap-MB")
	b.ReportMetric(page.metric("Nodes"), "nodes")
}

// BenchmarkPointer moves the pointer over 25 months by day and 10 series: how long the page works for each place, the tooltip included.
func BenchmarkPointer(b *testing.B) {
	page := measured(b)
	page.open("/" + widest())
	page.drawn()
	box := ask[struct{ X, Y, Width float64 }](page, `(() => { const c = document.getElementById("canvas"); c.scrollIntoView(); const r = c.getBoundingClientRect(); return {X: r.x, Y: r.y + r.height / 2, Width: r.width}; })()`)
	ask[bool](page, `(() => { window.frames = []; let last = 0; const tick = (t) => { if (last) frames.push(t - last); last = t; requestAnimationFrame(tick); }; requestAnimationFrame(tick); return true; })()`)
	script, task, n := page.metric("ScriptDuration"), page.metric("TaskDuration"), 0
	for b.Loop() {
		n++
		x := box.X + 80 + float64(n*37%int(box.Width-100))
		if _, err := chromedp.Call(page.ctx, input.DispatchMouseEvent, input.DispatchMouseEventParams{Type: "mouseMoved", X: x, Y: box.Y}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((page.metric("ScriptDuration")-script)/float64(n)*1e3, "script-ms")
	b.ReportMetric((page.metric("TaskDuration")-task)/float64(n)*1e3, "task-ms")
	b.ReportMetric(ask[float64](page, `frames.sort((a, b) => a - b)[Math.floor(frames.length * 0.95)]`), "frame-p95-ms")
}

// BenchmarkHash is what the first page or asset costs once; no start of a process does.
func BenchmarkHash(b *testing.B) {
	for b.Loop() {
		explorer.Page("/live", false)
	}
}
