package gateway

import (
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
