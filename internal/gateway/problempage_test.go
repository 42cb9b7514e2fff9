package gateway

import (
	"bytes"
	"context"
	"html"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
)

var anchor = regexp.MustCompile(`<a href="([^"]*)">([^<]*)</a>`)

// anchors returns where a page leads, by the text of the link.
func anchors(t *testing.T, body string) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, m := range anchor.FindAllStringSubmatch(body, -1) {
		if strings.TrimSpace(m[2]) == "" {
			t.Errorf("a link to %s has no text", m[1])
		}
		found[html.UnescapeString(m[2])] = html.UnescapeString(m[1])
	}
	return found
}

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// People get the sentence that tools get, on a page with ways on, and each of them leads somewhere.
func TestProblemsForPeople(t *testing.T) {
	r := newRig(t, func(g *Gateway) { g.BasePath = func(context.Context) string { return "/live" } })
	for name, test := range map[string]struct {
		target string
		before func(*sandbox.Behaviour)
		status int
		way    string // the text of one
	}{
		"no such route":  {target: "/nowhere", status: 404, way: "Front page"},
		"no such format": {target: "/cmu/v2/year/month.pdf?start=2026", status: 406, way: "This report without parameters"},
		"a bad bound":    {target: "/cmu/v2/year/month?start=<script>&access_token=hush", status: 400, way: "This report without parameters"},
		"no such metric": {target: "/cmu/v2/year/month?start=2026&metrics=nonsense", status: 400, way: "This report without parameters"},
		"a filter from above": {target: "/cmu/v2/year/month/day/mvpd?start=2026-06-01&end=2026-06-02&channel=x", status: 400,
			way: "The same window without filters and metrics"},
		"no such dimension": {target: "/cmu/v2/year/nonsense", status: 404, way: "One up: year"},
		"Adobe failed": {target: "/cmu/v2/year/month?start=2025&access_token=hush", status: 502, way: "Try again",
			before: func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: 500}} }},
		"method": {target: "/status", status: 405, way: "Front page"},
	} {
		method := http.MethodGet
		if name == "method" {
			method = http.MethodPost
		}
		if test.before != nil {
			r.adobe.Behave(test.before)
		}
		got := r.do(method, test.target, "Accept", browser)
		h := got.Header
		if got.StatusCode != test.status || h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("Content-Security-Policy") != pagePolicy ||
			!strings.Contains(h.Get("Vary"), "Accept") || strings.Contains(got.body, "<script") || strings.Contains(got.body, "hush") {
			t.Errorf("%s: %d %v %s", name, got.StatusCode, h, got.body)
		}
		ways := anchors(t, got.body)
		if ways[test.way] == "" || ways["Front page"] == "" {
			t.Errorf("%s leads to %v", name, ways)
		}
		r.adobe.Behave(func(b *sandbox.Behaviour) { b.Faults = nil })
		r.clock.Add(time.Minute) // a failure is remembered for a moment
		for text, href := range ways {
			if to, ok := strings.CutPrefix(href, "/live"); !ok || r.get(to, "Accept", browser).StatusCode != 200 {
				t.Errorf("%s: %s leads to %s", name, text, href)
			}
		}
	}
	for _, accept := range []string{"", "*/*", "application/json", "text/csv", "image/png", "application/problem+json, text/html;q=0.5", "nonsense", "text/html;q=0"} {
		if got := r.get("/nowhere", "Accept", accept); got.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("Accept %q: %s", accept, got.Header.Get("Content-Type"))
		}
	}
}

func TestTooLargeForPeople(t *testing.T) {
	r := newRig(t, func(g *Gateway) { g.BodyLimit = func(context.Context) (int, bool) { return 1 << 10, true } })
	got := r.get(days, "Accept", "text/html")
	if got.StatusCode != 413 || len(anchors(t, got.body)) < 4 || !strings.Contains(got.body, "2026-06-01 to ") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

// What a page links to is there: metrics belong to one place in the tree, and no link carries them to another.
func TestLinksOfPagesLeadToReports(t *testing.T) {
	r := newRig(t)
	r.ok("/cmu/v2/year/month/day?start=2026-06-01&end=2026-06-02&metrics=active-users&format=html")
	queue, seen := []string{
		"/cmu/v2/year/month/day?start=2026-06-01&end=2026-06-02&metrics=active-users",
		"/cmu/v2/year?start=2026-06-01&end=2026-06-02&metrics=started-sessions",
		"/cmu/v2/tenant/year/month/day?start=2026-06-01&end=2026-06-02&metrics=active-users,total-duration&limit=5",
	}, map[string]bool{}
	for i := 0; i < len(queue) && i < 60; i++ {
		target := queue[i]
		got := r.get(target, "Accept", browser)
		if got.StatusCode != 200 {
			if i < 3 {
				continue // a start of the walk that this Adobe does not have
			}
			t.Errorf("%s: %d", target, got.StatusCode)
		}
		for text, href := range anchors(t, got.body) {
			if text == "JSON" || text == "CSV" || text == "XML" || text == "NDJSON" || seen[href] {
				continue
			}
			seen[href] = true
			queue = append(queue, href)
		}
	}
	if len(queue) < 20 {
		t.Errorf("only %d places", len(queue))
	}
}

func TestLinksHaveNames(t *testing.T) {
	r := newRig(t)
	transport := r.adobe.Client.Transport
	r.adobe.Client.Transport = nameless{transport}
	h := decodeHAL(t, r.ok(days).body)
	for _, l := range append(links(t, h.Links.RollUp), links(t, h.Links.DrillDown)...) {
		if l.Name == "" || !strings.HasSuffix(l.Href, "/"+l.Name) {
			t.Errorf("%+v", l)
		}
	}
	anchors(t, r.ok(days, "Accept", browser).body)
	if l := links(t, decodeHAL(t, r.ok("/cmu/v2/year?start=2026").body).Links.RollUp); len(l) != 1 || l[0] != (halLink{"/cmu/v2", "root"}) {
		t.Errorf("%+v", l)
	}
}

func TestTooLong(t *testing.T) {
	r := newRig(t)
	for _, target := range []string{"/cmu/v2/" + strings.Repeat("x", 9000), "/cmu/v2/" + strings.Repeat("x/", 1500), "/cmu/v2/year?mvpd=" + strings.Repeat("x", 9000)} {
		for _, accept := range []string{"", browser} {
			if got := r.get(target, "Accept", accept); got.StatusCode != http.StatusRequestURITooLong || !strings.Contains(got.body, "too_long") ||
				!strings.Contains(got.body, "longer than ") || len(got.body) > 4000 {
				t.Errorf("%.30s: %d %.200s", target, got.StatusCode, got.body)
			}
		}
	}
	for _, target := range []string{"/cmu/v2/" + strings.Repeat("x", 200), "/cmu/v2" + strings.Repeat("/x", 40)} {
		if got := r.get(target); got.StatusCode != http.StatusBadRequest {
			t.Errorf("%.30s: %d", target, got.StatusCode)
		}
	}
}

// A refusal that is remembered says that Adobe was not asked.
func TestRememberedRefusalIsAHit(t *testing.T) {
	r := newRig(t)
	for target, status := range map[string]string{"/cmu/v2/nonsense": "404", "/cmu/v2/year?start=2026&metrics=nonsense": "400"} {
		for i, want := range []string{"cmu-gateway; fwd=miss; fwd-status=" + status, "cmu-gateway; hit; detail=memory", "cmu-gateway; hit; detail=memory"} {
			calls := r.adobe.Calls()
			got := r.get(target)
			if got.Header.Get("Cache-Status") != want || (r.adobe.Calls() > calls) != (i == 0) {
				t.Errorf("%s: %s after %d calls, want %s", target, got.Header.Get("Cache-Status"), r.adobe.Calls()-calls, want)
			}
		}
	}
}

// nameless is an Adobe whose links have no names.
type nameless struct{ http.RoundTripper }

func (n nameless) RoundTrip(q *http.Request) (*http.Response, error) {
	q.Header.Set("Accept-Encoding", "identity")
	resp, err := n.RoundTripper.RoundTrip(q)
	if err != nil || !strings.Contains(resp.Header.Get("Content-Type"), "json") {
		return resp, err
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	body = linkName.ReplaceAll(body, []byte(`"name":""`))
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), -1
	resp.Header.Del("Content-Length")
	return resp, err
}

var linkName = regexp.MustCompile(`"name":\s*"[^"]*"`)
