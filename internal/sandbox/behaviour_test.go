package sandbox

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

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

func TestEndInclusive(t *testing.T) {
	r := newRig(t)
	const path = "/tenant/year/month/day?start=2026-05-04&end=2026-05-06"
	exclusive := r.report(path).Rows
	r.set(func(b *Behaviour) { b.EndInclusive = "whole" })
	whole := r.report(path).Rows
	r.set(func(b *Behaviour) { b.EndInclusive = "partial" })
	partial := r.report(path).Rows
	alone := r.report("/tenant/year/month/day?start=2026-05-06&end=2026-05-06T00:01").Rows
	if diff := cmp.Diff(exclusive, whole[:2]); diff != "" || len(whole) != 3 || len(partial) != 3 {
		t.Errorf("%d rows exclusive, %d whole, %d partial:\n%s", len(exclusive), len(whole), len(partial), diff)
	}
	if diff := cmp.Diff(alone[0], partial[2]); diff != "" || partial[2]["active-sessions"] == whole[2]["active-sessions"] {
		t.Errorf("the partial row is not the first minute:\n%s", diff)
	}
	r.set(func(b *Behaviour) { b.EndInclusive = "whole" })
	if rows := r.report("/tenant/year/month/day?start=2026-05-04&end=2026-05-05T12").Rows; len(rows) != 2 {
		t.Errorf("an end inside a period: %d rows", len(rows))
	}
}

func TestWindowShift(t *testing.T) {
	r := newRig(t)
	r.set(func(b *Behaviour) { b.WindowShiftHours = 7 })
	got := labels(r.report("/tenant/year/month/day/hour?start=2026-05-04&end=2026-05-05").Rows, "day", "hour")
	if len(got) != 24 || got[0] != "4 7" || got[23] != "5 6" {
		t.Errorf("hours %v", got)
	}
	r.set(func(b *Behaviour) { b.WindowShiftHours = 0 })
	plain := r.report("/tenant/year/month/day/hour?start=2026-05-04T07&end=2026-05-04T08")
	r.set(func(b *Behaviour) { b.WindowShiftHours = -5.5 })
	shifted := r.report("/tenant/year/month/day/hour?start=2026-05-04T12:30&end=2026-05-04T13:30")
	self := shifted.Links.Self.Href
	if diff := cmp.Diff(plain.Rows, shifted.Rows); diff != "" || !strings.Contains(self, "start=2026-05-04T12:30&end=2026-05-04T13:30&") {
		t.Errorf("%s\n%s", self, diff)
	}
}

func TestCountingFromZero(t *testing.T) {
	r := newRig(t)
	const path = "/tenant/year/month/day?start=2025-12-31&end=2026-01-02"
	r.set(func(b *Behaviour) { b.MonthsFromZero = true })
	if got := labels(r.report(path).Rows, "year", "month", "day"); !slices.Equal(got, []string{"2025 11 31", "2026 0 1"}) {
		t.Errorf("months from zero: %q", got)
	}
	r.set(func(b *Behaviour) { b.MonthsFromZero, b.DaysFromZero = false, true })
	if got := labels(r.report(path).Rows, "year", "month", "day"); !slices.Equal(got, []string{"2025 12 30", "2026 1 0"}) {
		t.Errorf("days from zero: %q", got)
	}
}

func TestZoneOfRows(t *testing.T) {
	r := newRig(t)
	const hourly = "/tenant/year/month/day/hour?metrics=active-sessions&start="
	utc := r.report(hourly + "2026-05-04T07&end=2026-05-04T08").Rows[0]
	r.set(func(b *Behaviour) { b.Zone = "America/Los_Angeles" })
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
	r.set(func(b *Behaviour) { b.Shuffle = true })
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
	r.set(func(b *Behaviour) { b.JSONNumbers = true })
	rows := r.object(r.get("/tenant/year/month/day?start=2026-05-04&end=2026-05-05"), 200)["report"].([]any)
	row := rows[0].(map[string]any)
	if row["day"] != float64(4) || row["tenant"] != "ACME" || row["active-sessions"].(float64) < 1000 {
		t.Errorf("row: %v", row)
	}
}

func TestLinkPrefix(t *testing.T) {
	r := newRig(t)
	r.set(func(b *Behaviour) { b.LinkPrefix = "https://reports.example/v2" })
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
		r.set(func(b *Behaviour) { b.Restatements = []Restatement{{Day: "2026-05-04", Version: v}} })
		rows := r.report(path).Rows
		if diff := cmp.Diff([]map[string]string{first[0], first[2]}, []map[string]string{rows[0], rows[2]}); diff != "" {
			t.Errorf("other days changed:\n%s", diff)
		}
		versions[rows[1]["active-sessions"]] = true
		for _, child := range []string{"/tenant/year/month/day/hour", "/year/month/day/mvpd/tenant/application-id"} {
			parts := r.report(child + "?limit=10000&start=2026-05-04&end=2026-05-05").Rows
			for i := range parts {
				for _, m := range durationMetrics {
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
	r.set(func(b *Behaviour) { b.Restatements[0].Version = 0 })
	if diff := cmp.Diff(first, r.report(path).Rows); diff != "" {
		t.Errorf("version 0:\n%s", diff)
	}
}

func TestTooWide(t *testing.T) {
	r := newRig(t)
	r.set(func(b *Behaviour) { b.MaxCells = 100 })
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
	r.set(func(b *Behaviour) { b.ReportsPerMinute = 2 })
	for range 2 {
		r.report("/year")
		r.clock.add(10*time.Second + time.Millisecond)
	}
	w := r.get("/year")
	next, err := http.ParseTime(w.Header().Get("Expires"))
	if w.Code != 429 || w.Body.Len() != 0 || w.Header().Get("Retry-After") != "" || err != nil {
		t.Fatalf("over the limit: %d %v %q", w.Code, w.Header(), w.Body)
	}
	if wait := next.Sub(r.clock.now()); wait < 30*time.Second || wait > time.Minute {
		t.Errorf("welcome again in %s", wait)
	}
	r.clock.add(next.Sub(r.clock.now()))
	r.report("/year")
}

func TestLatency(t *testing.T) {
	var slept []time.Duration
	s := New(Options{Latency: 860 * time.Millisecond, Sleep: func(_ context.Context, d time.Duration) error {
		slept = append(slept, d)
		return nil
	}})
	for _, path := range []string{"/o/client/register", "/o/client/token", "/cmu/v2/year", "/_sandbox/stats"} {
		s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, path, nil))
	}
	if want := []time.Duration{860e6, 860e6, 860e6}; !slices.Equal(slept, want) {
		t.Errorf("slept %v, want %v", slept, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("a wait whose caller left: %v", err)
	}
}

// Faults over a real connection, as clients meet them.
func TestFaults(t *testing.T) {
	r := newRig(t)
	arrived := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		arrived <- struct{}{}
		r.ServeHTTP(w, q)
	}))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(ctx context.Context) (status int, body []byte, err error) {
		q, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+ReportsPath+"/tenant/year/month/day?start=2026-05", nil)
		q.Header.Set("Authorization", "Bearer "+r.token)
		w, err := client.Do(q)
		if err != nil {
			return 0, nil, err
		}
		defer func() { _ = w.Body.Close() }()
		body, err = io.ReadAll(w.Body)
		return w.StatusCode, body, err
	}
	for _, f := range []Fault{
		{Kind: "cut"}, {Kind: "cut", After: 9}, {Kind: "broken_gzip"}, {Kind: "lost"},
	} {
		f.Count = 1
		r.set(func(b *Behaviour) { b.Faults = []Fault{f} })
		if _, body, err := ask(t.Context()); err == nil {
			t.Errorf("%s: no error, body %.100s", f.Kind, body)
		}
		if status, body, err := ask(t.Context()); status != 200 || err != nil || !json.Valid(body) {
			t.Errorf("after %s: %d %v", f.Kind, status, err)
		}
	}
	r.set(func(b *Behaviour) { b.Faults = []Fault{{Kind: "truncated", On: "report", After: 700}} })
	if status, body, err := ask(t.Context()); status != 200 || err != nil || len(body) != 700 || json.Valid(body) {
		t.Errorf("truncated: %d %v %d bytes", status, err, len(body))
	}
	r.set(func(b *Behaviour) { b.Faults = []Fault{{Kind: "hang"}} })
	ctx, cancel := context.WithCancel(t.Context())
	for len(arrived) > 0 {
		<-arrived
	}
	go func() {
		<-arrived
		cancel()
	}()
	if _, _, err := ask(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("hang: %v", err)
	}
}

func TestFaultQueue(t *testing.T) {
	r := newRig(t)
	r.set(func(b *Behaviour) {
		b.Faults = []Fault{
			{On: "token", Kind: "status", Status: 500},
			{On: "report", Kind: "status", Status: 503, Count: 2, Headers: map[string]string{"Retry-After": "7"}, Body: "busy"},
			{On: "report", Kind: "status", Status: 401, Count: 1},
		}
	})
	var got []int
	for range 5 {
		w := r.get("/year")
		got = append(got, w.Code)
		if w.Code == 503 && (w.Header().Get("Retry-After") != "7" || w.Body.String() != "busy") {
			t.Errorf("503 with %v %s", w.Header(), w.Body)
		}
	}
	if want := []int{503, 503, 401, 200, 200}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if w := r.post("/o/client/token", form, ""); w.Code != 500 {
		t.Errorf("token: %d", w.Code)
	}
	r.set(func(b *Behaviour) { b.Faults = []Fault{{Kind: "status", Status: 500, Probability: .3}} })
	failed := 0
	for range 400 {
		if r.get("/year?limit=1").Code == 500 {
			failed++
		}
	}
	if failed < 80 || failed > 160 {
		t.Errorf("%d of 400 failed, want about 120", failed)
	}
}

// A lost registration happened: it counts, and its client is good, though nobody knows it.
func TestLostRegistration(t *testing.T) {
	r := newRig(t)
	server := httptest.NewServer(r)
	defer server.Close()
	r.set(func(b *Behaviour) { b.Faults = []Fault{{On: "register", Kind: "lost", Count: 1}} })
	if w, err := http.Post(server.URL+"/o/client/register", "application/json", strings.NewReader(r.statementBody())); err == nil {
		_ = w.Body.Close()
		t.Errorf("an answer: %s", w.Status)
	}
	if c := r.Counts(); c.Register != 2 || c.Registered != 2 {
		t.Errorf("counts: %+v", c)
	}
}

// The body of a broken gzip answer is claimed to be gzip and is none.
func TestBrokenGzip(t *testing.T) {
	r := newRig(t)
	r.set(func(b *Behaviour) { b.Faults = []Fault{{Kind: "broken_gzip"}} })
	q := httptest.NewRequest(http.MethodGet, ReportsPath+"/year", nil)
	q.Header.Set("Authorization", "Bearer "+r.token)
	q.Header.Set("Accept-Encoding", "gzip")
	w := r.do(q)
	z, err := gzip.NewReader(w.Body)
	if err != nil || w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("the gzip header should be whole: %v %v", err, w.Header())
	}
	if _, err := io.ReadAll(z); err == nil {
		t.Error("the gzip body is whole")
	}
}

func TestSetRefuses(t *testing.T) {
	r := newRig(t)
	for want, b := range map[string]Behaviour{
		"zone":               {Zone: "Mars/Olympus"},
		"refuse_statements":  {RefuseStatements: "no"},
		"window_shift_hours": {WindowShiftHours: 1e300},
		"limit_mode":         {LimitMode: "maybe"},
		"end_inclusive":      {EndInclusive: "yes"},
		"link_prefix":        {LinkPrefix: "v2"},
		"register_status":    {RegisterStatus: 404},
		"token_error_status": {TokenErrorStatus: 403},
		"not negative":       {LatencyMS: -1},
		"restatements":       {Restatements: []Restatement{{Day: "yesterday"}}},
		"faults: kind":       {Faults: []Fault{{Kind: "odd"}}},
		"faults: on":         {Faults: []Fault{{Kind: "cut", On: "x"}}},
		"faults: status":     {Faults: []Fault{{Kind: "status"}}},
		"faults: prob":       {Faults: []Fault{{Kind: "cut", Probability: 2}}},
		"faults: count":      {Faults: []Fault{{Kind: "cut", Count: -1}}},
	} {
		if err := r.Set(b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q in it", b, err, want)
		}
	}
	if w := r.get("/year"); w.Code != 200 {
		t.Errorf("a refused behaviour had an effect: %d", w.Code)
	}
}

func TestControl(t *testing.T) {
	r := newRig(t)
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		return r.do(httptest.NewRequest(method, "/_sandbox"+path, strings.NewReader(body)))
	}
	help := ask("GET", "/", "").Body.String()
	for f := range reflect.TypeFor[Behaviour]().Fields() {
		if f.IsExported() && (f.Tag.Get("doc") == "" || !strings.Contains(help, f.Tag.Get("json")+" ")) {
			t.Errorf("%s is not documented", f.Name)
		}
	}
	if ask("GET", "/statement", "").Body.String() != r.Statement() {
		t.Error("another statement")
	}
	var counts Counts
	if err := json.Unmarshal(ask("GET", "/stats", "").Body.Bytes(), &counts); err != nil || counts != r.Counts() || counts.Register != 1 {
		t.Errorf("stats: %v %+v", err, counts)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		in                 string
	}{
		{"PUT", "/behaviour", `{"default_limit": 5, "faults": [{"kind": "cut", "on": "token", "count": 3}]}`, 200, `"default_limit": 5`},
		{"PATCH", "/behaviour", `{"json_numbers": true, "faults": [{"kind": "hang", "on": "token"}]}`, 200, `"json_numbers": true`},
		{"GET", "/behaviour", "", 200, `"default_limit": 5`},
		{"PATCH", "/behaviour", `{"defualt_limit": 5}`, 400, `unknown field "defualt_limit"; the fields are: latency_ms, `},
		{"PATCH", "/behaviour", `{"faults": [{"kind": "cut", "colour": "red"}]}`, 400, `unknown field "colour"`},
		{"PATCH", "/behaviour", `{"zone": "Mars"}`, 400, "zone"},
		{"PATCH", "/behaviour", `[]`, 400, "want a JSON object"},
		{"PUT", "/behaviour", `{"default_limit": "5"}`, 400, "default_limit"},
		{"DELETE", "/behaviour", ``, 405, ""},
		{"GET", "/revoke-tokens", "", 405, ""},
		{"POST", "/stats", "", 405, ""},
		{"GET", "/nowhere", "", 404, "/_sandbox/"},
		{"POST", "/reset-stats", "", 204, ""},
		{"POST", "/refuse-statements", "", 204, ""},
	} {
		if w := ask(c.method, c.path, c.body); w.Code != c.status || !strings.Contains(w.Body.String(), c.in) {
			t.Errorf("%s %s %s: %d %s, want %d with %q", c.method, c.path, c.body, w.Code, w.Body, c.status, c.in)
		}
	}
	if diff := cmp.Diff([]Fault{{On: "token", Kind: "hang", After: 100}}, r.Behaviour().Faults); diff != "" {
		t.Errorf("faults after a patch:\n%s", diff)
	}
	if r.Counts() != (Counts{}) {
		t.Errorf("after reset: %+v", r.Counts())
	}
	o := r.object(r.post("/o/client/register", "application/json", r.statementBody()), http.StatusBadRequest)
	if o["error"] != "unapproved_software_statement" {
		t.Errorf("refused statement: %v", o)
	}
	ask("POST", "/accept-statements", "")
	ask("PUT", "/behaviour", "{}")
	r.login()
	ask("POST", "/revoke-tokens", "")
	if w := r.get("/year"); w.Code != 401 {
		t.Errorf("after revoke-tokens: %d", w.Code)
	}
	id, secret := r.register()
	ask("POST", "/revoke-clients", "")
	if w := r.post("/o/client/token", form, tokenQuery(id, secret)); w.Code != 400 {
		t.Errorf("after revoke-clients: %d", w.Code)
	}
}

// A caller that leaves in the middle of a big report stops its making.
func TestCallerLeaves(t *testing.T) {
	r := newRig(t)
	const path = "/tenant/year/month/day/hour/mvpd/platform/application-id?start=2024-07&limit=1000000"
	q := httptest.NewRequest(http.MethodGet, ReportsPath+path, nil)
	q.Header.Set("Authorization", "Bearer "+r.token)
	r.ServeHTTP(&leaving{discarded{header: http.Header{}}}, q)
	if n := r.Counts().Rows; n > 1000 {
		t.Errorf("%d rows made for nobody", n)
	}
}

type leaving struct{ discarded }

func (w *leaving) Write([]byte) (int, error) { return 0, fmt.Errorf("gone") }
