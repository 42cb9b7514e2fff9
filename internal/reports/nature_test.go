package reports

import (
	"slices"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"
)

// An alias is the report that Adobe's self link names: its grain, freshness, order and columns, sliced as that.
func TestAnAliasIsTheReportThatItStandsFor(t *testing.T) {
	r := newRig(t)
	r.prove()
	const ask = "billing/daily?start=2026-05-10&end=2026-07-01"
	for range 2 {
		a, source, err := r.Get(t.Context(), request(t, ask), Directives{})
		if err != nil || !slices.Equal(a.Request.Path, []string{"year", "month", "day", "tenant"}) {
			t.Fatalf("%+v from %v, %v", a, source, err)
		}
		r.inOrder("year/month/day/tenant", a)
		if got, want := rowsOf(t, a), r.direct(ask); !sameRows(got, want) {
			t.Errorf("%d rows, Adobe has %d", len(got), len(want))
		}
		r.after()
	}
	before := r.calls()
	for _, s := range []*Service{r.Service, r.process()} {
		for _, window := range []string{"start=2026-05-11&end=2026-06-20", "start=2026-06-01&end=2026-06-02"} {
			if _, source, err := s.Get(t.Context(), request(t, "billing/daily?"+window), Directives{}); err != nil || source == FromAdobe {
				t.Errorf("%s: from %v, %v", window, source, err)
			}
		}
	}
	if n := r.calls() - before; n != 0 {
		t.Errorf("%d calls for what was known", n)
	}
	open, _, err := r.Get(t.Context(), request(t, "billing/daily?start=2026-07-01"), Directives{})
	if err != nil || open.Fresh.Sub(r.clock.Now()) != policy.Day {
		t.Errorf("fresh for %v, %v", open.Fresh.Sub(r.clock.Now()), err)
	}
}

// What is relative to now begins with a whole row, of an alias too: before and after it is known what it stands for.
func TestARelativeWindowOfAnAliasBeginsWithAWholeRow(t *testing.T) {
	r := newRig(t)
	for range 2 {
		asked, err := r.Parse("billing/daily", "start=-3d&end=today")
		if err != nil {
			t.Fatal(err)
		}
		a, _, err := r.Get(t.Context(), asked, Directives{})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := rowsOf(t, a), r.direct("billing/daily?start=2026-07-18&end=2026-07-21"); !sameRows(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		r.after()
		r.clock.Add(time.Minute)
	}
	hours, err := r.Parse("billing/daily", "start=-5h")
	if day, civil := hours.Start.Civil(); err != nil || !civil || day != cmu.Day.Floor(day) {
		t.Errorf("%s, %v: want the beginning of a day", hours.Canonical(), err)
	}
}

// A report that does not heed its window is one, labelled by the window that Adobe says, and kept once.
func TestAWindowThatIsNotHeededIsNoWindow(t *testing.T) {
	r := newRig(t)
	plain, _, err := r.Get(t.Context(), request(t, "mvpd"), Directives{})
	if err != nil {
		t.Fatal(err)
	}
	var calls int64
	for i, window := range []string{"start=2026-01-01&end=2026-02-01", "start=2026-03-01&end=2026-04-01", "end=2026-03-01", "start=2026-05-01"} {
		a, _, err := r.Get(t.Context(), request(t, "mvpd?"+window), Directives{})
		if err != nil || a.Request.Start != plain.Request.Start || a.Request.End != plain.Request.End || a.Tag != plain.Tag {
			t.Errorf("%s: %s, %v, want %s", window, a.Request.Canonical(), err, plain.Request.Canonical())
		}
		if i == 0 {
			calls = r.calls()
		}
	}
	other := r.process()
	if _, _, err := other.Get(t.Context(), request(t, "mvpd?start=2025-12-01&end=2026-01-01"), Directives{}); err != nil || r.calls() != calls {
		t.Errorf("%d calls for windows that are not heeded, %v", r.calls()-calls, err)
	}
}

// What Adobe made of a whole request is its label: a window that it moved, a limit that it lowered.
func TestTheSelfLinkIsTheLabel(t *testing.T) {
	r := newRig(t)
	r.behave(func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = 7, "clamp" })
	a, _, err := r.Get(t.Context(), request(t, "tenant/year/month/day?start=2026-06-01&end=2026-07-01&limit=50"), Directives{})
	if err != nil || a.Request.Limit != 7 || a.Rows != 7 || !a.Incomplete {
		t.Errorf("%s, %d rows, %v", a.Request.Canonical(), a.Rows, err)
	}
	r.behave(func(b *sandbox.Behaviour) {
		b.MaxLimit = 0
		b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: 200, Count: 1, Body: `{"_links":{"self":{"href":"/cmu/v2/year/month?start=2024-07&end=2026-01"}},` +
			`"report":[{"year":"2024","month":"7","active-users":"1"}]}`}}
	})
	a, _, err = r.Get(t.Context(), request(t, "year/month?start=2020&end=2026-01"), Directives{})
	if err != nil || a.Request.Start.String() != "2024-07-01" || a.Request.End.String() != "2026-01-01" {
		t.Errorf("%s, %v", a.Request.Canonical(), err)
	}
}

func TestNatureOf(t *testing.T) {
	fields := []string{"year", "month", "day", "tenant", "mvpd", "active-users"}
	for name, c := range map[string]struct {
		ask, self string
		fields    []string
		path      string // of the rows; empty: the path asked for
		noWindow  bool
	}{
		"itself":                    {"/year/month?start=2026", "/cmu/v2/year/month?start=2026", fields, "", false},
		"another prefix":            {"/year/month?start=2026", "https://host.example/v2/year/month?start=2026-01-01T00:00", fields, "", false},
		"an alias":                  {"/billing/daily?start=2026", "/cmu/v2/year/month/day/tenant?start=2026", fields, "/year/month/day/tenant", false},
		"an alias, escaped":         {"/billing/daily", "/cmu/v2/year%2Fmonth/day", fields, "/year/month/day", false},
		"fields that are not there": {"/billing/daily", "/cmu/v2/year/month/day/hour", fields, "", false},
		"no rows":                   {"/billing/daily", "/cmu/v2/year/month/day", nil, "", false},
		"no prefix":                 {"/billing/daily", "/year/month/day", fields, "", false},
		"the root":                  {"/mvpd", "/cmu/v2", fields, "", false},
		"no link":                   {"/mvpd?start=2026", "", fields, "", false},
		"window not heeded":         {"/mvpd?start=2026", "/cmu/v2/mvpd?start=2026-07-01&end=2026-07-21", fields, "", true},
		"window left out":           {"/mvpd?start=2026", "/cmu/v2/mvpd?limit=1000", fields, "", true},
		"window heeded":             {"/mvpd?start=2026&end=2026-02", "/cmu/v2/mvpd?start=2026-01-01&end=2026-02-01T00:00", fields, "", false},
		"window of time dimensions": {"/year?start=2026", "/cmu/v2/year?start=2025", fields, "", false},
		"absolute bounds":           {"/mvpd?start=1767225600000", "/cmu/v2/mvpd?start=2026-07-01", fields, "", false},
	} {
		n := natureOf(request(t, c.ask), nature{}, cmu.Links{Self: c.self}, c.fields)
		if path := (cmu.Request{Path: n.Path}).Report(); path != c.path || n.NoWindow != c.noWindow {
			t.Errorf("%s: path %q, no window %v", name, path, n.NoWindow)
		}
	}
}

// A self link that says something else each time ends the asking.
func TestASelfLinkThatChangesEachTime(t *testing.T) {
	r := newRig(t)
	r.behave(func(b *sandbox.Behaviour) {
		b.Faults = nil
		for _, path := range []string{"year/month", "year", "year/month", "year", "year/month", "year"} {
			b.Faults = append(b.Faults, sandbox.Fault{On: "report", Kind: "status", Status: 200, Count: 1,
				Body: `{"_links":{"self":{"href":"/cmu/v2/` + path + `"}},"report":[{"year":"2026","month":"7"}]}`})
		}
	})
	if a, _, err := r.Get(t.Context(), request(t, "odd"), Directives{}); err == nil || r.calls() > maxReadings+1 {
		t.Errorf("%+v after %d calls", a, r.calls())
	}
	r.behave(none)
	r.clock.Add(time.Hour)
	r.same("tenant/year/month?start=2026-01&end=2026-07")
}
