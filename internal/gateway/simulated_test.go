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

// Nobody need say that Adobe is a simulated one: its answers do. What is kept of them says so too, and so does every process from its
// first look at the store.
func TestMadeUpRowsAreLearntOfAdobe(t *testing.T) {
	const report = "/cmu/v2/tenant/year/month?start=2026-01&end=2026-03"
	r := newRig(t)
	r.adobe.Tells.Store(true)
	says := func(what string, got reply) {
		t.Helper()
		if got.Header.Get("Cmu-Simulated") != "?1" {
			t.Errorf("%s does not say that rows are made up: %d %v", what, got.StatusCode, got.Header)
		}
	}
	says("a miss", r.ok(report))
	says("a hit", r.ok(report))
	says("an error", r.do("GET", "/nowhere"))
	says("a part of what is known", r.ok("/cmu/v2/tenant/year/month?start=2026-02&end=2026-03"))
	if got := r.ok(report+"&format=html", "Accept", "text/html"); !strings.Contains(got.body, "These numbers are made up") {
		t.Error("the page has no banner")
	}
	if got := r.ok(report + "&format=csv").Header.Get("Content-Disposition"); !strings.Contains(got, `filename="simulated_report_`) {
		t.Error(got)
	}
	tag := r.ok(report).Header.Get("Etag")
	r.after.Run()
	another := func() {
		r.service = r.newService()
		r.gateway.Reports = r.service
		r.handler = r.gateway.Handler()
	}
	another()
	calls := r.adobe.Calls()
	says("another process", r.ok(report))
	says("a remembered tag", r.do("GET", report, "If-None-Match", tag))
	another()
	if got := r.ok("/status"); !strings.Contains(got.body, `"simulated": true`) {
		t.Error("the status of another process does not tell")
	}
	if n := r.adobe.Calls(); n != calls {
		t.Errorf("%d calls", n-calls)
	}
}
