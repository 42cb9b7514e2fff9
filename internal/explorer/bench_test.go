package explorer_test

import (
	"testing"

	"cmu-gateway/internal/explorer"

	"github.com/chromedp/cdproto/cdp"
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

// A preset that was shown before is shown again: how long scripts and the whole page work, layout and painting included.
func benchmarkSwitch(b *testing.B, query, from, to string) {
	page := serve(b).tab()
	if _, err := chromedp.Call(page.ctx, performance.Enable, performance.EnableParams{}); err != nil {
		b.Fatal(err)
	}
	page.open("/" + query)
	press := func(window string) {
		page.click(`[data-window="` + window + `"]`)
		page.until(`document.querySelector('[data-window="` + window + `"]').getAttribute("aria-pressed") === "true" && document.querySelector("#numbers").dataset.rows`)
	}
	press(to)
	script, task, n := 0.0, 0.0, 0
	for b.Loop() {
		press(from)
		s, t := page.metric("ScriptDuration"), page.metric("TaskDuration")
		press(to)
		script, task, n = script+page.metric("ScriptDuration")-s, task+page.metric("TaskDuration")-t, n+1
	}
	b.ReportMetric(script/float64(n)*1e3, "script-ms")
	b.ReportMetric(task/float64(n)*1e3, "task-ms")
}

// BenchmarkPreset is 30 days by hour and 10 series.
func BenchmarkPreset(b *testing.B) { benchmarkSwitch(b, "?split=mvpd&top=10", "7d", "30d") }

// BenchmarkWide is 12 months by day and 10 series.
func BenchmarkWide(b *testing.B) { benchmarkSwitch(b, "?split=mvpd&top=10&by=day", "90d", "12m") }

// BenchmarkHash is what the first page or asset costs once; no start of a process does.
func BenchmarkHash(b *testing.B) {
	for b.Loop() {
		explorer.Page("/live", false)
	}
}
