package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/catalog"
)

// The catalogue holds what answers told, and asks nobody.
func TestCatalog(t *testing.T) {
	r := newRig(t, func(g *Gateway) { g.BasePath = func(context.Context) string { return "/live" } })
	read := func() (doc catalogDocument) {
		t.Helper()
		if err := json.Unmarshal([]byte(r.ok("/catalog").body), &doc); err != nil {
			t.Fatal(err)
		}
		return doc
	}
	if doc := read(); len(doc.Reports) != 0 || !slices.Equal(doc.Metrics, catalog.Metrics) || len(doc.Freshness) != 6 || doc.Now == "" {
		t.Errorf("%+v", doc)
	}
	r.ok("/cmu/v2/tenant/year/month?limit=1")
	calls := r.adobe.Calls()
	found := map[string]catalogReport{}
	for _, report := range read().Reports {
		found[report.Href] = report
	}
	month, day, up := found["/live/cmu/v2/tenant/year/month"], found["/live/cmu/v2/tenant/year/month/day"], found["/live/cmu/v2/tenant/year"]
	if !month.Asked || month.Grain != "month" || !slices.Contains(month.Metrics, "active-users") || slices.Contains(month.Metrics, "tenant") ||
		!slices.Contains(month.LeadsTo, "day") || day.Asked || day.Grain != "day" || up.Href == "" {
		t.Errorf("%+v", found)
	}
	page := r.ok("/catalog", "Accept", browser)
	for _, want := range []string{`href="/live/cmu/v2/tenant/year/month/day"`, "not asked yet", "Distinct user accounts", "never: distinct users", "3 h"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if r.adobe.Calls() != calls {
		t.Error("Adobe was asked")
	}
	// A 404 names what was meant.
	got := r.get("/cmu/v2/tenant/year/month/dya")
	if got.StatusCode != http.StatusNotFound || !strings.Contains(got.body, `"nearest":["/live/cmu/v2/tenant/year/month/day"]`) {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := r.get("/cmu/v2/tenant/year/month/dya", "Accept", browser); !strings.Contains(got.body, "Did you mean") {
		t.Error(got.body)
	}
	// The description of the API has what metrics mean from the same place.
	description := r.ok("/openapi.json").body
	for _, m := range catalog.Metrics {
		if !strings.Contains(description, m.Meaning) {
			t.Errorf("/openapi.json does not tell of %s", m.Name)
		}
	}
}

func TestStatusPage(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.ok(days)
	page := r.ok("/status", "Accept", browser)
	for _, want := range []string{"Status</h1>", "Proven", "From Adobe", "1 (100 %)", "Nothing needs a look", "Final by hour"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(page.body, "style=") || strings.Contains(page.body, "<style") || page.Header.Get("Content-Security-Policy") != pagePolicy {
		t.Error("it has a style of its own")
	}
	if got := r.ok("/status", "Accept", "*/*").Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("programs get %s", got)
	}
}

// The catalogue is that of the licence in use: what was learnt of another is not told, and is there again after it.
func TestCatalogFollowsTheLicence(t *testing.T) {
	r := newRig(t)
	known := func() (paths []string) {
		t.Helper()
		var doc catalogDocument
		if err := json.Unmarshal([]byte(r.ok("/catalog").body), &doc); err != nil {
			t.Fatal(err)
		}
		for _, report := range doc.Reports {
			paths = append(paths, strings.Join(report.Dimensions, "/"))
		}
		return paths
	}
	const month = "tenant/year/month"
	first := r.adobe.Token
	r.licence = "ACME"
	r.ok("/cmu/v2/" + month)
	if got := known(); !slices.Contains(got, month) {
		t.Fatalf("known: %q", got)
	}
	r.licence, r.adobe.Token = "GLOBEX", r.adobe.TokenOf("GLOBEX")
	if got := known(); len(got) != 0 {
		t.Errorf("another licence is told of %q", got)
	}
	if got := r.get("/cmu/v2/tenant/year/mnth"); strings.Contains(got.body, "/cmu/v2/"+month) {
		t.Errorf("another licence is pointed to what was learnt before: %s", got.body)
	}
	r.ok("/cmu/v2/tenant/year")
	if got := known(); !slices.Contains(got, "tenant/year") {
		t.Errorf("known: %q", got)
	}
	r.licence, r.adobe.Token = "ACME", first
	r.ok("/cmu/v2/" + month) // from memory, which teaches nothing
	if got := known(); !slices.Contains(got, month) {
		t.Errorf("known after a change back: %q", got)
	}
}

func TestRoughly(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 s", 59 * time.Second: "59 s", time.Minute: "1 min", 61 * time.Second: "1 min 1 s", 3 * time.Hour: "3 h", 3*time.Hour + 5*time.Second: "3 h",
		5*time.Hour + 59*time.Minute + 59*time.Second: "5 h 59 min", 49 * time.Hour: "2 d 1 h",
	} {
		if got := roughly(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
