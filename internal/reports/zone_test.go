package reports

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store/storetest"
	"cmu-gateway/pkg/cmu"
)

// TestAZoneIsNeverLessSafeThanNone asks for the present at each hour, of an Adobe that runs hours late, with the right zone, with wrong
// ones and with none: what is settled in the end is what Adobe has in the end.
func TestAZoneIsNeverLessSafeThanNone(t *testing.T) {
	for _, name := range []string{"", "UTC", "America/Los_Angeles", "Asia/Tokyo", "Pacific/Kiritimati", "Pacific/Pago_Pago"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			zone, err := time.LoadLocation(name)
			if err != nil {
				t.Fatal(err)
			}
			r := newRig(t, func(o *Options) {
				if name != "" {
					o.Policy.Zone = zone
				}
			})
			if name == "Pacific/Pago_Pago" { // so far behind that rows show it
				r.log.Expect("event=zone_refuted")
			}
			r.behave(func(b *sandbox.Behaviour) { b.Zone = "America/Los_Angeles" })
			r.prove()
			open := "tenant/year/month/day/hour?start=2026-07-20"
			closed := "tenant/year/month/day/hour?start=2026-07-20&end=2026-07-23"
			for range 32 {
				for _, ask := range []string{open, closed, "tenant/year/month/day?start=2026-07-18"} {
					r.get(ask)
					r.after()
				}
				r.clock.Add(time.Hour)
			}
			r.clock.Add(10 * 24 * time.Hour) // all of it is settled, and nothing of it is asked for again unless it must
			for _, ask := range []string{closed, "tenant/year/month/day?start=2026-07-18&end=2026-07-22"} {
				r.get(ask)
				r.after()
				if a, _, err := r.Get(t.Context(), request(t, ask), Directives{}); err != nil {
					t.Fatal(err)
				} else if got, want := rowsOf(t, a), r.direct(ask); !sameRows(got, want) {
					t.Errorf("%s: %d rows, Adobe has %d%s", ask, len(got), len(want), firstDifference(got, want))
				}
			}
		})
	}
}

// TestAClockThatWasAhead has rows fetched by a clock that was a day ahead, in memory and in the store.
func TestAClockThatWasAhead(t *testing.T) {
	r := newRig(t)
	r.prove()
	asks := []string{"tenant/year/month/day?start=2026-07-01", "tenant/year/month/day/mvpd?start=2026-06-01&end=2026-07-15", "mvpd?start=2026-07-01"}
	r.clock.Add(24 * time.Hour)
	for _, ask := range asks {
		r.same(ask)
	}
	r.clock.Add(-24 * time.Hour)
	r.behave(func(b *sandbox.Behaviour) { b.Restatements = []sandbox.Restatement{{Day: "2026-07-03", Version: 1}} })
	for _, fresh := range []bool{false, true} {
		if fresh {
			r.restart()
		}
		for _, ask := range asks {
			if source := r.same(ask); fresh == (source == FromAdobe) {
				t.Errorf("%s: from %v, with nothing in memory %v", ask, source, fresh)
			}
		}
	}
}

// TestCallsOfARollingDashboardByHour looks at seven days, most of them by hour, that move on by a day.
func TestCallsOfARollingDashboardByHour(t *testing.T) {
	plainly(t)
	t.Parallel()
	for name, most := range map[string]int{"": 10_000, "of little limit": 1000} {
		r := newRig(t, limit(most))
		r.prove()
		panels := []string{
			"tenant/year/month/day/hour", "year/month/day/hour", "tenant/year/month/day/hour/application-id", "tenant/year/month/day/hour/mvpd",
			"tenant/year/month/day", "year/month/day/mvpd",
		}
		looks, n := r.watch(panels, cmu.CivilDate(2026, 4, 2, 0, 0), 7)
		t.Logf("limit %d: %d looks, %d calls to Adobe", most, looks, n)
		if bound := map[int]int64{10_000: 27, 1000: 60}[most]; n > bound {
			t.Errorf("%s: %d calls, want at most %d", name, n, bound)
		}
	}
}

// TestAWindowThatMovesWithEveryAsk asks as Grafana does: for the last 30 days up to now, in milliseconds or in UTC, every half minute.
func TestAWindowThatMovesWithEveryAsk(t *testing.T) {
	la, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]func(time.Time) string{
		"milliseconds": func(t time.Time) string { return fmt.Sprint(t.UnixMilli()) },
		"UTC":          func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") },
	}
	for name, form := range forms {
		for _, zone := range []*time.Location{la, nil} {
			var puts atomic.Int64
			r := newRig(t)
			r.restart(func(o *Options) { o.Policy.Zone = zone }, func(o *Options) {
				o.Store = &storetest.Faulty{Store: r.store, Hook: func(op string) storetest.Fault {
					if op == "Put" {
						puts.Add(1)
					}
					return storetest.None
				}}
			})
			r.behave(func(b *sandbox.Behaviour) { b.Zone = "America/Los_Angeles" })
			before := r.calls()
			items := map[string]bool{}
			for range 200 {
				now := r.clock.Now()
				a, _, err := r.Get(t.Context(), request(t, fmt.Sprintf("tenant/year/month/day?start=%s&end=%s", form(now.Add(-30*24*time.Hour)), form(now))), Directives{})
				if err != nil || a.Rows < 30 {
					t.Fatalf("%d rows, %v", a.Rows, err)
				}
				r.after()
				r.clock.Add(30 * time.Second)
			}
			kept, err := r.store.Blocks(t.Context(), "/tenant/year/month/day", "", "~")
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range kept {
				items[b.Name] = true
			}
			calls, most := r.calls()-before, int64(10)
			if zone != nil {
				most = 5 // with the two that prove the calendar
			}
			t.Logf("%s, zone %v: %d calls, %d items, %d writes", name, zone, calls, len(items), puts.Load())
			if calls > most || len(items) > 5 {
				t.Errorf("%s, zone %v: %d calls, %d items", name, zone, calls, len(items))
			}
		}
	}
}

// TestAbsoluteBoundsAreSlicedWithAZone reads windows in UTC, with an offset and in milliseconds.
func TestAbsoluteBoundsAreSlicedWithAZone(t *testing.T) {
	la, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *Options) { o.Policy.Zone = la })
	r.behave(func(b *sandbox.Behaviour) { b.Zone = "America/Los_Angeles" })
	r.prove()
	const path = "tenant/year/month/day/hour"
	want := r.direct(path + "?start=2026-06-01&end=2026-06-04")
	for _, window := range []string{
		"start=2026-06-01&end=2026-06-04", "start=2026-06-01T07:00Z&end=2026-06-04T07:00Z",
		"start=2026-06-01T09:00%2B02:00&end=2026-06-04T00:00-07:00", "start=1780297200000&end=1780556400000",
	} {
		before := r.calls()
		got, source := r.get(path + "?" + window)
		if !sameRows(got, want) {
			t.Errorf("%s: %d rows, want %d", window, len(got), len(want))
		}
		if calls := r.calls() - before; (source == FromAdobe) != (calls > 0) || window != "start=2026-06-01&end=2026-06-04" && calls > 0 {
			t.Errorf("%s: %d calls, from %v", window, calls, source)
		}
	}
}

// TestAZoneThatIsNotAdobesIsNotBelieved has a zone that is behind Adobe's: rows are later than its clock.
func TestAZoneThatIsNotAdobesIsNotBelieved(t *testing.T) {
	la, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, func(o *Options) { o.Policy.Zone = la })
	r.log.Expect("event=zone_refuted")
	r.behave(func(b *sandbox.Behaviour) { b.Zone, b.InstantRecompute = "Asia/Tokyo", true })
	r.prove()
	const open = "tenant/year/month/day/hour?start=2026-07-20"
	r.same(open)
	other := r.process(func(o *Options) { o.Policy.Zone = la })
	for _, s := range []*Service{r.Service, other} {
		if st, err := s.Status(t.Context()); err != nil || !strings.Contains(st.Zone, "America/Los_Angeles") {
			t.Errorf("status %+v, %v", st, err)
		}
	}
	right := newRig(t, func(o *Options) { o.Policy.Zone = la })
	right.behave(func(b *sandbox.Behaviour) { b.Zone, b.InstantRecompute = "America/Los_Angeles", true })
	right.prove()
	right.same(open)
	if st, err := right.Status(t.Context()); err != nil || st.Zone != "" {
		t.Errorf("the right zone: %+v, %v", st, err)
	}
}

func TestSettledUntil(t *testing.T) {
	r := newRig(t)
	r.prove()
	for ask, want := range map[string]string{
		"tenant/year/month/day?start=2026-06-01&end=2026-07-01":         "2026-07-01",
		"tenant/year/month/day?start=2026-07-01":                        "2026-07-20",
		"tenant/year/month/day?start=2026-07-21":                        "2026-07-21",
		"tenant/year/month/day/hour?start=2026-07-20":                   "2026-07-20T23:00",
		"tenant/year/month/day?start=2026-07-01&end=2026-07-22&limit=5": "2026-07-20",
		"mvpd": "",
	} {
		for range 2 {
			if a, _, err := r.Get(t.Context(), request(t, ask), Directives{}); err != nil || a.SettledUntil.String() != want {
				t.Errorf("%s: settled until %s, %v, want %s", ask, a.SettledUntil, err, want)
			}
		}
	}
}

// An answer without a row, and a fetch that another has made needless, say nothing of a zone.
func TestNoRowRefutesNoZone(t *testing.T) {
	r := newRig(t)
	zone := time.UTC
	r.restart(func(o *Options) { o.Policy.Zone = zone })
	for _, ask := range []string{daily + "&tenant=NOBODY", daily, daily + "&tenant=NOBODY", "tenant/year/month/day/hour?start=2026-07-20&end=2026-07-21&tenant=NOBODY"} {
		r.get(ask)
		r.after()
	}
	if s, err := r.Status(t.Context()); err != nil || s.Zone != "" {
		t.Errorf("%q, %v", s.Zone, err)
	}
}
