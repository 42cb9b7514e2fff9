package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// Made-up rows are never taken for real: every answer says that they are, and no answer of another gateway does.
func TestMadeUpRowsSaySo(t *testing.T) {
	const report = "/cmu/v2/tenant/year/month?start=2026-01&end=2026-03"
	r := newRig(t, func(g *Gateway) {
		g.Simulated, g.Purge = true, true
		g.BodyLimit = func(context.Context) (int, bool) { return 50_000, true }
	})
	tag := r.ok(report).Header.Get("Etag")
	for _, test := range []struct {
		method, target string
		want           int
		header         []string
	}{
		{"GET", report, 200, nil},
		{"HEAD", report, 200, nil},
		{"GET", report, 304, []string{"If-None-Match", tag}},
		{"GET", report + "&format=csv", 200, []string{"Accept-Encoding", "gzip"}},
		{"GET", report + "&start=nonsense", 400, nil},
		{"GET", "/cmu/v2/no-such-dimension", 404, nil},
		{"GET", report, 406, []string{"Accept", "image/png"}},
		{"GET", "/cmu/v2/tenant/year/month/day/hour/mvpd?start=2026-01-01&end=2026-01-29", 413, nil},
		{"GET", "/cmu/v2/tenant/year/month?start=2020-05", 504, []string{"Cache-Control", "only-if-cached"}},
		{"DELETE", "/cmu/v2/tenant", 200, nil},
		{"POST", report, 405, nil},
		{"GET", "/", 200, nil},
		{"GET", "/", 200, []string{"Accept", "text/html"}},
		{"GET", "/status", 200, nil},
		{"POST", "/status", 405, nil},
		{"GET", "/openapi.json", 200, nil},
		{"GET", "/favicon.ico", 404, nil},
		{"GET", "/nowhere", 404, nil},
	} {
		got := r.do(test.method, test.target, test.header...)
		if got.StatusCode != test.want || got.Header.Get("Cmu-Simulated") != "?1" {
			t.Errorf("%s %s %v: status %d, Cmu-Simulated %q", test.method, test.target, test.header, got.StatusCode, got.Header.Get("Cmu-Simulated"))
		}
	}
	for _, page := range []string{report + "&format=html", "/"} {
		if got := r.ok(page, "Accept", "text/html"); !strings.Contains(got.body, "These numbers are made up") {
			t.Errorf("%s has no banner", page)
		}
	}
	for _, target := range []string{"/status", "/"} {
		var doc struct{ Simulated bool }
		if err := json.Unmarshal([]byte(r.ok(target).body), &doc); err != nil || !doc.Simulated {
			t.Errorf("%s does not tell: %v", target, err)
		}
	}
	if got := r.ok(report + "&format=csv&mvpd=%C3%84").Header.Get("Content-Disposition"); !strings.HasPrefix(got, `attachment; filename="simulated_report_`) ||
		!strings.Contains(got, `filename*=UTF-8''simulated_report_`) {
		t.Error(got)
	}

	r = newRig(t)
	for _, target := range []string{report, report + "&format=csv", "/", "/status", "/nowhere"} {
		got := r.do(http.MethodGet, target, "Accept", "text/html, */*")
		if _, ok := got.Header["Cmu-Simulated"]; ok || strings.Contains(got.body, "made up") || strings.Contains(got.Header.Get("Content-Disposition"), "simulated") {
			t.Errorf("%s: %v", target, got.Header)
		}
	}
	if !strings.Contains(r.ok("/status").body, `"simulated": false`) {
		t.Error("the status does not say that Adobe is not simulated")
	}
}
