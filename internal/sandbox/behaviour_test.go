package sandbox_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/sandbox"

	"github.com/google/go-cmp/cmp"
)

func TestEndInclusive(t *testing.T) {
	r := newRig(t)
	const path = "/tenant/year/month/day?start=2026-05-04&end=2026-05-06"
	exclusive := r.report(path).Rows
	r.Behave(func(b *sandbox.Behaviour) { b.EndInclusive = "whole" })
	whole := r.report(path).Rows
	r.Behave(func(b *sandbox.Behaviour) { b.EndInclusive = "partial" })
	partial := r.report(path).Rows
	alone := r.report("/tenant/year/month/day?start=2026-05-06&end=2026-05-06T00:01").Rows
	if diff := cmp.Diff(exclusive, whole[:2]); diff != "" || len(whole) != 3 || len(partial) != 3 {
		t.Errorf("%d rows exclusive, %d whole, %d partial:\n%s", len(exclusive), len(whole), len(partial), diff)
	}
	if diff := cmp.Diff(alone[0], partial[2]); diff != "" || partial[2]["active-sessions"] == whole[2]["active-sessions"] {
		t.Errorf("the partial row is not the first minute:\n%s", diff)
	}
	r.Behave(func(b *sandbox.Behaviour) { b.EndInclusive = "whole" })
	if rows := r.report("/tenant/year/month/day?start=2026-05-04&end=2026-05-05T12").Rows; len(rows) != 2 {
		t.Errorf("an end inside a period: %d rows", len(rows))
	}
}

func TestWindowShift(t *testing.T) {
	r := newRig(t)
	r.Behave(func(b *sandbox.Behaviour) { b.WindowShiftHours = 7 })
	got := labels(r.report("/tenant/year/month/day/hour?start=2026-05-04&end=2026-05-05").Rows, "day", "hour")
	if len(got) != 24 || got[0] != "4 7" || got[23] != "5 6" {
		t.Errorf("hours %v", got)
	}
	r.Behave(func(b *sandbox.Behaviour) { b.WindowShiftHours = 0 })
	plain := r.report("/tenant/year/month/day/hour?start=2026-05-04T07&end=2026-05-04T08")
	r.Behave(func(b *sandbox.Behaviour) { b.WindowShiftHours = -5.5 })
	shifted := r.report("/tenant/year/month/day/hour?start=2026-05-04T12:30&end=2026-05-04T13:30")
	self := shifted.Links.Self.Href
	if diff := cmp.Diff(plain.Rows, shifted.Rows); diff != "" || !strings.Contains(self, "start=2026-05-04T12:30&end=2026-05-04T13:30&") {
		t.Errorf("%s\n%s", self, diff)
	}
}

func TestCountingFromZero(t *testing.T) {
	r := newRig(t)
	const path = "/tenant/year/month/day?start=2025-12-31&end=2026-01-02"
	r.Behave(func(b *sandbox.Behaviour) { b.MonthsFromZero = true })
	if got := labels(r.report(path).Rows, "year", "month", "day"); !slices.Equal(got, []string{"2025 11 31", "2026 0 1"}) {
		t.Errorf("months from zero: %q", got)
	}
	r.Behave(func(b *sandbox.Behaviour) { b.MonthsFromZero, b.DaysFromZero = false, true })
	if got := labels(r.report(path).Rows, "year", "month", "day"); !slices.Equal(got, []string{"2025 12 30", "2026 1 0"}) {
		t.Errorf("days from zero: %q", got)
	}
}

func TestZoneOfRows(t *testing.T) {
	r := newRig(t)
	const hourly = "/tenant/year/month/day/hour?metrics=active-sessions&start="
	utc := r.report(hourly + "2026-05-04T07&end=2026-05-04T08").Rows[0]
	r.Behave(func(b *sandbox.Behaviour) { b.Zone = "America/Los_Angeles" })
	pacific := r.report(hourly + "2026-05-04&end=2026-05-04T01").Rows[0]
	if pacific["hour"] != "0" || pacific["active-sessions"] != utc["active-sessions"] {
		t.Errorf("midnight Pacific is %v, 07:00 UTC is %v", pacific, utc)
	}
	absolute := r.report(hourly + "2026-05-04T07:00Z&end=2026-05-04T08:00Z").Rows
	if diff := cmp.Diff([]map[string]string{pacific}, absolute); diff != "" {
		t.Errorf("an absolute window:\n%s", diff)
	}
}

func TestShuffle(t *testing.T) {
	r := newRig(t)
	const path, query = "/tenant/year/month/day", "?start=2026-05&end=2026-06"
	sorted, sortedCSV := r.report(path+query), r.get(path+".csv"+query).Body.String()
	r.Behave(func(b *sandbox.Behaviour) { b.Shuffle = true })
	mixed := r.report(path + query)
	if cmp.Equal(sorted.Rows, mixed.Rows) || !cmp.Equal(mixed.Rows, r.report(path+query).Rows) {
		t.Error("not shuffled, or each time anew")
	}
	byDay := func(a, b map[string]string) int { return strings.Compare(a["active-sessions"], b["active-sessions"]) }
	slices.SortFunc(sorted.Rows, byDay)
	slices.SortFunc(mixed.Rows, byDay)
	if diff := cmp.Diff(sorted.Rows, mixed.Rows); diff != "" {
		t.Errorf("other rows:\n%s", diff)
	}
	if r.get(path+".csv"+query).Body.String() != sortedCSV {
		t.Error("CSV is shuffled")
	}
	if w := r.get(path + ".xml" + query); strings.Count(w.Body.String(), "<record ") != 31 {
		t.Errorf("XML: %s", w.Body)
	}
}

func TestJSONNumbers(t *testing.T) {
	r := newRig(t)
	r.Behave(func(b *sandbox.Behaviour) { b.JSONNumbers = true })
	rows := r.object(r.get("/tenant/year/month/day?start=2026-05-04&end=2026-05-05"), 200)["report"].([]any)
	row := rows[0].(map[string]any)
	if row["day"] != float64(4) || row["tenant"] != "ACME" || row["active-sessions"].(float64) < 1000 {
		t.Errorf("row: %v", row)
	}
}

func TestLinkPrefix(t *testing.T) {
	r := newRig(t)
	r.Behave(func(b *sandbox.Behaviour) { b.LinkPrefix = "https://reports.example/v2" })
	p := r.report("/year/month")
	if !strings.HasPrefix(p.Links.Self.Href, "https://reports.example/v2/year/month?") ||
		p.Links.RollUp.Href != "https://reports.example/v2/year" {
		t.Errorf("links: %+v", p.Links)
	}
}

// A restated day has other values, its neighbours and other months do not; sums still hold.
func TestRestatement(t *testing.T) {
	r := newRig(t)
	const path = "/tenant/year/month/day?start=2026-05-03&end=2026-05-06"
	first := r.report(path).Rows
	versions := map[string]bool{first[1]["active-sessions"]: true}
	for v := 1; v <= 3; v++ {
		r.Behave(func(b *sandbox.Behaviour) { b.Restatements = []sandbox.Restatement{{Day: "2026-05-04", Version: v}} })
		rows := r.report(path).Rows
		if diff := cmp.Diff([]map[string]string{first[0], first[2]}, []map[string]string{rows[0], rows[2]}); diff != "" {
			t.Errorf("other days changed:\n%s", diff)
		}
		versions[rows[1]["active-sessions"]] = true
		for _, child := range []string{"/tenant/year/month/day/hour", "/year/month/day/mvpd/tenant/application-id"} {
			parts := r.report(child + "?limit=10000&start=2026-05-04&end=2026-05-05").Rows
			for i := range parts {
				for _, m := range sandbox.DurationMetrics {
					delete(parts[i], m)
				}
			}
			whole := r.report("/year/month/day?start=2026-05-04&end=2026-05-05").Rows
			if diff := cmp.Diff(total(t, whole), total(t, parts)); diff != "" {
				t.Errorf("the restated day is not the sum of %s:\n%s", child, diff)
			}
		}
	}
	if len(versions) != 4 {
		t.Errorf("versions: %v", versions)
	}
	r.Behave(func(b *sandbox.Behaviour) { b.Restatements[0].Version = 0 })
	if diff := cmp.Diff(first, r.report(path).Rows); diff != "" {
		t.Errorf("version 0:\n%s", diff)
	}
}

func TestTooWide(t *testing.T) {
	r := newRig(t)
	r.Behave(func(b *sandbox.Behaviour) { b.MaxCells = 100 })
	if w := r.get("/tenant/year/month/day?start=2026-05&end=2026-07"); w.Code != 200 {
		t.Errorf("61 days: %d", w.Code)
	}
	w := r.get("/tenant/year/month/day?start=2026-01&end=2026-07")
	if w.Code != 400 || w.Body.String() != "The requested selection is too wide to be processed" {
		t.Errorf("half a year: %d %s", w.Code, w.Body)
	}
	if w := r.get("/tenant/year/month/day?mvpd&start=2026-05&end=2026-06"); w.Code != 400 {
		t.Errorf("a month by MVPD: %d", w.Code)
	}
}

func TestReportsPerMinute(t *testing.T) {
	r := newRig(t)
	r.Behave(func(b *sandbox.Behaviour) { b.ReportsPerMinute = 2 })
	for range 2 {
		r.report("/year")
		r.clock.Add(10*time.Second + time.Millisecond)
	}
	w := r.get("/year")
	next, err := http.ParseTime(w.Header().Get("Expires"))
	if w.Code != 429 || w.Body.Len() != 0 || w.Header().Get("Retry-After") != "" || err != nil {
		t.Fatalf("over the limit: %d %v %q", w.Code, w.Header(), w.Body)
	}
	if wait := next.Sub(r.clock.Now()); wait < 30*time.Second || wait > time.Minute {
		t.Errorf("welcome again in %s", wait)
	}
	r.clock.Add(next.Sub(r.clock.Now()))
	r.report("/year")
}

// Every call of the three endpoints takes its latency, and ends early when its caller leaves.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sandbox.New(sandbox.Options{Latency: 860 * time.Millisecond})
		call := func(ctx context.Context, path string) (took time.Duration, aborted any) {
			began := time.Now()
			defer func() { took, aborted = time.Since(began), recover() }()
			s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodPost, path, nil))
			return
		}
		for path, want := range map[string]time.Duration{"/o/client/register": 860e6, "/o/client/token": 860e6, "/cmu/v2/year": 860e6, "/_sandbox/stats": 0} {
			if took, aborted := call(t.Context(), path); took != want || aborted != nil {
				t.Errorf("%s took %v, want %v; %v", path, took, want, aborted)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if took, aborted := call(ctx, "/cmu/v2/year"); took != 100*time.Millisecond || aborted != http.ErrAbortHandler {
			t.Errorf("a wait whose caller left took %v and ended with %v", took, aborted)
		}
	})
}

func TestSetRefuses(t *testing.T) {
	r := newRig(t)
	for want, b := range map[string]sandbox.Behaviour{
		"zone":               {Zone: "Mars/Olympus"},
		"refuse_statements":  {RefuseStatements: "no"},
		"window_shift_hours": {WindowShiftHours: 1e300},
		"limit_mode":         {LimitMode: "maybe"},
		"end_inclusive":      {EndInclusive: "yes"},
		"link_prefix":        {LinkPrefix: "v2"},
		"register_status":    {RegisterStatus: 404},
		"token_error_status": {TokenErrorStatus: 403},
		"not negative":       {LatencyMS: -1},
		"restatements":       {Restatements: []sandbox.Restatement{{Day: "yesterday"}}},
		"faults: kind":       {Faults: []sandbox.Fault{{Kind: "odd"}}},
		"faults: on":         {Faults: []sandbox.Fault{{Kind: "cut", On: "x"}}},
		"faults: status":     {Faults: []sandbox.Fault{{Kind: "status"}}},
		"faults: prob":       {Faults: []sandbox.Fault{{Kind: "cut", Probability: 2}}},
		"faults: count":      {Faults: []sandbox.Fault{{Kind: "cut", Count: -1}}},
	} {
		if err := r.Set(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q in it", b, err, want)
		}
	}
	if w := r.get("/year"); w.Code != 200 {
		t.Errorf("a refused behaviour had an effect: %d", w.Code)
	}
}

func labels(rows []map[string]string, dimensions ...string) []string {
	var all []string
	for _, row := range rows {
		var v []string
		for _, d := range dimensions {
			v = append(v, row[d])
		}
		all = append(all, strings.Join(v, " "))
	}
	return all
}
