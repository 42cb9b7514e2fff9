package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"cmu-gateway/internal/reports"
	"cmu-gateway/pkg/cmu"

	"pgregory.net/rapid"
)

func TestTooLarge(t *testing.T) {
	limit := 20_000
	r := newRig(t, func(g *Gateway) { g.BodyLimit = func(context.Context) (int, bool) { return limit, true } })
	seen := map[string]bool{}
	var walk func(target, format string, depth int) int
	walk = func(target, format string, depth int) int {
		got := r.get(target)
		if got.StatusCode == http.StatusOK {
			if len(got.body) > limit {
				t.Errorf("%s: %d bytes", target, len(got.body))
			}
			for _, row := range table(t, format, got.body) {
				key := format + row["year"] + "-" + row["month"] + "-" + row["day"] + row["mvpd"]
				if seen[key] {
					t.Errorf("%s: row %s came twice", target, key)
				}
				seen[key] = true
			}
			return len(table(t, format, got.body))
		}
		var p problem
		if err := json.Unmarshal([]byte(got.body), &p); err != nil || got.StatusCode != 413 || p.Code != "too_large" ||
			len(p.Narrower) < 2 || depth > 4 {
			t.Fatalf("%s: %d %s", target, got.StatusCode, got.body)
		}
		if got.Header.Get("Etag") != "" || got.Header.Get("Content-Encoding") != "" || got.Header.Get("Content-Disposition") != "" {
			t.Errorf("%s: %v", target, got.Header)
		}
		n := 0
		for _, part := range p.Narrower {
			n += walk(part.Href, format, depth+1)
		}
		return n
	}
	for _, format := range []string{"json", "csv", "xml", "ndjson", "html"} {
		n := walk("/cmu/v2/year/month/day/mvpd?start=2026-05-03&end=2026-06-20&format="+format, format, 0)
		if n < 400 {
			t.Errorf("%s: %d rows", format, n)
		}
	}
	got := r.get("/cmu/v2/mvpd/platform?start=2026-06-01&end=2026-07-01&format=xml")
	if got.StatusCode == 413 && !strings.Contains(got.body, "Ask for less") {
		t.Error(got.body)
	}
	limit = 500
	got = r.get(days, "Accept-Encoding", "gzip")
	if got.StatusCode != 413 || strings.Contains(got.body, "Accept-Encoding") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

// The narrower windows cover the window, one after the other, and break it at periods of the report.
func TestNarrowerWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.SampledFrom([]string{"year", "year/month", "year/month/day", "mvpd/year/month/day/hour"}).Draw(t, "path")
		from := cmu.CivilDate(2024, 1, 1, 0, 0) + cmu.Civil(rapid.IntRange(0, 900*24*60).Draw(t, "from"))*60_000
		to := from + cmu.Civil(rapid.IntRange(1, 900*24*60).Draw(t, "length"))*60_000
		asked, err := cmu.Parse(path, "start="+from.String()+"&end="+to.String()+"&mvpd=x")
		if err != nil {
			t.Fatal(err)
		}
		d := &document{Answer: &reports.Answer{Request: asked}, asked: asked, base: "/cmu/v2"}
		parts := d.narrower(rapid.IntRange(0, 100).Draw(t, "n"))
		grain, _ := asked.Grain()
		if len(parts) == 0 {
			if grain.Step(from, 2) < to {
				t.Fatal("there are periods to split at")
			}
			return
		}
		at := asked.Start.String()
		for i, p := range parts {
			edge, err := cmu.ParseBound(p.Start)
			c, ok := edge.Civil()
			if err != nil || !ok || p.Start != at || i > 0 && grain.Floor(c) != c {
				t.Fatalf("%v after %s", p, at)
			}
			at = p.End
		}
		if at != asked.End.String() || len(parts) > maxNarrower || len(parts) < 2 {
			t.Fatalf("%d parts, to %s", len(parts), at)
		}
	})
}
