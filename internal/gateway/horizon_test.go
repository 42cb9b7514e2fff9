package gateway

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/reports"
	"cmu-gateway/pkg/cmu"
)

const (
	beforeAll   = "/cmu/v2/tenant/year/month/day?start=2024-01-01&end=2024-08-01"
	beforeField = `?1; from="2024-01-01"; until="2024-06-23"`
)

// What Adobe no longer has is told in a header, with every status that has headers of the answer, and in each format's own way.
func TestBeforeHorizonIsToldInEachFormat(t *testing.T) {
	r := newRig(t)
	r.prove()
	for _, format := range []string{"json", "csv", "xml", "ndjson", "html"} {
		got := r.ok(beforeAll + "&format=" + format)
		if h := got.Header.Get(headerBeforeHorizon); h != beforeField {
			t.Errorf("%s: %q", format, h)
		}
		head := r.do(http.MethodHead, beforeAll+"&format="+format)
		if head.Header.Get(headerBeforeHorizon) != beforeField || head.Header.Get("Etag") != got.Header.Get("Etag") {
			t.Errorf("%s: HEAD tells %v", format, head.Header)
		}
		unchanged := r.get(beforeAll+"&format="+format, "If-None-Match", got.Header.Get("Etag"))
		if unchanged.StatusCode != http.StatusNotModified || unchanged.Header.Get(headerBeforeHorizon) != beforeField {
			t.Errorf("%s: %d, %v", format, unchanged.StatusCode, unchanged.Header)
		}
		told := map[string]bool{
			"json":   strings.Contains(got.body, `,"before_horizon":[{"from":"2024-01-01","until":"2024-06-23"}],"report":[`),
			"csv":    strings.Contains(got.Header.Get("Content-Disposition"), `_before-horizon.csv"`),
			"xml":    strings.Contains(got.body, `</links><before-horizon from="2024-01-01" until="2024-06-23"/><report>`),
			"ndjson": got.Header.Get(headerBeforeHorizon) != "",
			"html":   strings.Contains(got.body, "Adobe no longer has all of what was from 2024-01-01 to 2024-06-23"),
		}[format]
		if !told {
			t.Errorf("%s does not tell: %v\n%.600s", format, got.Header, got.body)
		}
		switch format {
		case "json":
			if err := json.Unmarshal([]byte(got.body), new(any)); err != nil {
				t.Error(err)
			}
		case "xml":
			if err := xml.Unmarshal([]byte(got.body), new(struct{})); err != nil {
				t.Error(err)
			}
		}
	}
	if size := r.do(http.MethodHead, beforeAll+"&format=json").Header.Get("Content-Length"); size == "" {
		t.Error("the size of JSON is not known")
	}
	for _, whole := range []string{"/cmu/v2/tenant/year/month/day?start=2024-07-01&end=2024-08-01", "/cmu/v2/mvpd"} {
		for _, format := range []string{"json", "xml", "html"} {
			got := r.ok(whole + sep(whole) + "format=" + format)
			if got.Header[headerBeforeHorizon] != nil || strings.Contains(got.body, "orizon") || strings.Contains(got.body, "no longer has") {
				t.Errorf("%s: %v", whole, got.Header)
			}
		}
	}
	// A problem has none.
	if got := r.get(beforeAll+"&format=json", "If-Match", `"x"`); got.StatusCode != http.StatusPreconditionFailed || got.Header[headerBeforeHorizon] != nil {
		t.Errorf("%d, %v", got.StatusCode, got.Header)
	}
}

func sep(url string) string {
	if strings.Contains(url, "?") {
		return "&"
	}
	return "?"
}

func TestManyGapsAreToldInOne(t *testing.T) {
	a := &reports.Answer{}
	for i := range cmu.Civil(40) {
		a.BeforeHorizon = append(a.BeforeHorizon, plan.Span{From: 2 * i * 86_400_000, To: (2*i + 1) * 86_400_000})
	}
	told := beforeHorizon(a)
	if n := strings.Count(told, "?1"); n != maxGaps || !strings.HasSuffix(told, `until="`+a.BeforeHorizon[39].To.String()+`"`) {
		t.Errorf("%d parts: %s", n, told)
	}
}

// DELETE leaves what Adobe no longer has, and says how much that is; the header has it deleted.
func TestPurgeOfHistory(t *testing.T) {
	r := newRig(t, func(g *Gateway) { g.Purge = true })
	r.policy.Keep = true
	r.service = r.newService()
	r.gateway.Reports = r.service
	r.handler = r.gateway.Handler()
	r.prove()
	const kept = "/cmu/v2/tenant/year/month/day?start=2025-01-01&end=2025-03-01"
	first := r.ok(kept)
	r.after.Run()
	r.clock.Add(27 * 30 * 24 * time.Hour)
	path, _, _ := strings.Cut(kept, "?")
	if got := r.do(http.MethodDelete, path); strings.Join(strings.Fields(got.body), "") != `{"deleted":0,"kept":2}` {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if again := r.ok(kept); again.body != first.body || again.Header.Get("Etag") != first.Header.Get("Etag") {
		t.Errorf("what was kept is another answer now: %v", again.Header)
	}
	if got := r.do(http.MethodDelete, path, headerBeforeHorizon, "?1"); strings.Join(strings.Fields(got.body), "") != `{"deleted":2}` {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if again := r.ok(kept); again.Header.Get(headerBeforeHorizon) != `?1; from="2025-01-01"; until="2025-03-01"` {
		t.Errorf("%v", again.Header)
	}
}
