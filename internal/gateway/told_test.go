package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"cmu-gateway/internal/sandbox"
)

func TestIncompleteIsTold(t *testing.T) {
	r := newRig(t)
	for _, format := range []string{"json", "csv", "xml", "ndjson", "html"} {
		target := "/cmu/v2/year/month/day/mvpd?start=2026-06-01&end=2026-07-01&limit=20&format=" + format
		got := r.ok(target)
		if !strings.HasPrefix(got.Header.Get("Cmu-Incomplete"), "?1;") {
			t.Errorf("%s: Cmu-Incomplete %q", target, got.Header.Get("Cmu-Incomplete"))
		}
		if n := len(table(t, format, got.body)); n != 20 {
			t.Errorf("%s: %d rows", target, n)
		}
		if format == "html" && !strings.Contains(got.body, "This report is incomplete") {
			t.Error("the page does not say that rows are missing")
		}
		if r.ok(days+"&format="+format).Header.Get("Cmu-Incomplete") != "" {
			t.Errorf("%s: a complete report is called incomplete", format)
		}
	}
}

// What is missing is told as it is: past the limit of the caller, or past the one that Adobe put in its place.
func TestMissingRowsAreExplained(t *testing.T) {
	r := newRig(t)
	target := "/cmu/v2/year/month/day/mvpd?start=2026-06-01&end=2026-07-01&limit="
	if got := r.ok(target + "1").Header.Get("Cmu-Incomplete"); got != `?1; detail="rows past the limit of 1 are missing"` {
		t.Error(got)
	}
	r.adobe.Behave(func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = 2, "clamp" })
	if got := r.ok(target + "20").Header.Get("Cmu-Incomplete"); got != `?1; detail="rows past the limit of 2 are missing"` {
		t.Error(got)
	}
}

func TestNotUnderstood(t *testing.T) {
	r := newRig(t)
	r.adobe.Behave(func(b *sandbox.Behaviour) {
		b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: 200, Body: "<html><script>alert(1)</script><h1>Maintenance</h1></html>",
			Headers: map[string]string{"Content-Type": "text/html"}}}
	})
	for _, format := range []string{"json", "csv", "html"} {
		got := r.get("/cmu/v2/tenant/year/month?start=2026&format=" + format)
		if got.StatusCode != http.StatusBadGateway || !strings.Contains(got.body, "not_understood") || !strings.Contains(got.body, "Maintenance") ||
			strings.Contains(got.body, "script") {
			t.Errorf("%s: %d %s", format, got.StatusCode, got.body)
		}
	}
}

func TestAnswersAreLogged(t *testing.T) {
	r := newRig(t)
	r.ok("/cmu/v2/year/month?start=2026-01&mvpd=A%22%20event=forged%E2%80%A8&access_token=sesame")
	log := r.log.String()
	if strings.Count(log, "report answered") != 1 || !strings.Contains(log, ` rows=0 report="/year/month?mvpd=A%22%20event%3Dforged`) {
		t.Error(log)
	}
	if strings.Contains(log, "sesame") || strings.Contains(log, "event=forged") {
		t.Error(log)
	}
}

// Whatever is answered leaves a line that says who asked, how long it took and how much was sent; so does what is not.
func TestLines(t *testing.T) {
	r := newRig(t, func(g *Gateway) { g.Caller = func(context.Context) string { return "key-7" } })
	ok := r.ok("/cmu/v2/year/month?start=2026-01")
	etag := ok.Header.Get("Etag")
	for _, test := range []struct {
		name, path string
		header     []string
		want       string
	}{
		{"answered", "/cmu/v2/year/month?start=2026-01", nil, fmt.Sprintf("event=answered status=200 bytes=%d milliseconds=0 api_key_id=key-7 source=memory", len(ok.body))},
		{"not modified", "/cmu/v2/year/month?start=2026-01", []string{"If-None-Match", etag}, "event=answered status=304 bytes=0 "},
		{"no such page", "/secret?access_token=sesame", nil, "event=refused status=404"},
		{"not valid", "/cmu/v2/year?start=x", nil, "api_key_id=key-7 code=bad_request method=GET path=/cmu/v2/year"},
		{"not cached", "/cmu/v2/year/month/day?start=2026-01", []string{"Cache-Control", "only-if-cached"}, "event=failed status=504"},
		{"precondition", "/cmu/v2/year/month?start=2026-01", []string{"If-Match", `"x"`}, "event=refused status=412"},
		{"long", "/" + strings.Repeat("x", 5000), nil, "xxx..."},
		{"a page", "/", nil, ""},
	} {
		before := len(r.log.String())
		r.get(test.path, test.header...)
		log := r.log.String()[before:]
		if got := strings.Count(log, "api_key_id="); got > 1 || got == 0 != (test.want == "") || !strings.Contains(log, test.want) {
			t.Errorf("%s: logged %q, want one line with %q", test.name, log, test.want)
		}
		if strings.Contains(log, "sesame") {
			t.Errorf("%s: %s", test.name, log)
		}
	}
}
