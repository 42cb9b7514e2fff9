package reports

import (
	"errors"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"
)

func TestJudgeDay(t *testing.T) {
	day := cmu.CivilDate(2026, 7, 4, 0, 0)
	at := func(h int) cmu.Civil { return cmu.Hour.Step(day, h) }
	rows := func(from, to int) (out []hourRow) {
		for h := from; h < to; h++ {
			out = append(out, hourRow{hour: at(h), fields: at(h).String()})
		}
		return out
	}
	other := func(h int) hourRow { return hourRow{hour: at(h), fields: "other"} }
	bad := hourRow{bad: errors.New("month 0")}
	with := func(list []hourRow, more ...hourRow) []hourRow { return append(list[:len(list):len(list)], more...) }
	wide := rows(-24, 72)
	for name, c := range map[string]struct {
		narrow, wide             []hourRow
		shown, proven, inclusive bool
		evidence                 string
	}{
		"exclusive":             {rows(0, 24), wide, true, true, false, "24 rows"},
		"inclusive":             {rows(0, 25), wide, true, true, true, "25 rows"},
		"an hour missing":       {with(rows(0, 2), rows(3, 24)...), with(rows(-24, 2), rows(3, 72)...), true, true, false, "23 rows"},
		"partly inclusive":      {with(rows(0, 24), other(24)), wide, true, false, false, "of 2026-07-05 depends"},
		"shifted by 1":          {rows(1, 25), wide, true, false, false, "of 2026-07-04 depends"},
		"shifted by -1":         {rows(-1, 23), wide, true, false, false, "a row is of 2026-07-03T23:00"},
		"shifted by 8":          {rows(8, 32), wide, true, false, false, "a row is of"},
		"depends on the window": {with(rows(0, 23), other(23)), wide, true, false, false, "T23:00 depends"},
		"fewer in the wide":     {rows(0, 24), with(rows(-24, 5), rows(6, 72)...), true, false, false, "wider window"},
		"no calendar":           {with(rows(0, 24), bad), wide, true, false, false, "month 0"},
		"nothing":               {nil, wide, true, false, false, "depends"},
		"no traffic":            {nil, nil, false, false, false, ""},
		"night is missing":      {rows(5, 24), with(rows(-24, 0), rows(5, 72)...), false, false, false, ""},
	} {
		v, ok := judgeDay(day, c.narrow, c.wide)
		if ok != c.shown || v.Proven != c.proven || v.Inclusive != c.inclusive || !strings.Contains(v.Evidence, c.evidence) {
			t.Errorf("%s: %+v %v", name, v, ok)
		}
	}
}

func TestProofTriesAnotherPathWhenOneIsTruncated(t *testing.T) {
	r := newRig(t)
	n := len(r.direct("mvpd/year/month/day/hour?start=2026-07-17&end=2026-07-21"))
	r.restart(limit(n - 1))
	v, err := r.Prove(t.Context(), request(t, "mvpd/year/month/day?start=2026-07-01"))
	if err != nil || !v.Proven {
		t.Error(v, err)
	}
}

// TestDaylightSaving reads windows over both changes of Los Angeles' clock, sliced and whole.
func TestDaylightSaving(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.behave(func(b *sandbox.Behaviour) { b.Zone = "America/Los_Angeles" })
	r.prove()
	for _, ask := range []string{
		"tenant/year/month/day/hour?start=2026-03-07&end=2026-03-10", "tenant/year/month/day/hour?start=2026-03-08T01:00&end=2026-03-08T04:00",
		"tenant/year/month/day/hour?start=2025-11-01&end=2025-11-04", "tenant/year/month/day/hour?start=2025-11-02T01:00&end=2025-11-02T02:00",
		"tenant/year/month/day?start=2026-03-07&end=2026-03-10", "tenant/year/month/day?start=2025-11-02T00:30&end=2025-11-02T05:15",
	} {
		r.same(ask)
		r.same(ask)
	}
}

// TestClockWalk asks for the present again and again while the clock goes through the ends of days, months and years,
// a leap day, and changes of Los Angeles' clock.
func TestClockWalk(t *testing.T) {
	t.Parallel()
	la, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	for _, start := range []string{"2026-12-31T20:00:00Z", "2028-02-28T21:30:00Z", "2027-03-14T06:00:00Z", "2027-11-07T05:00:00Z"} {
		for name, zone := range map[string]*time.Location{"unknown": nil, "known": la} {
			at, err := time.Parse(time.RFC3339, start)
			if err != nil {
				t.Fatal(err)
			}
			r := newRig(t, func(o *Options) {
				if zone != nil {
					o.Policy.Zone, o.Policy.Margin = zone, 0
				}
			})
			r.clock.Add(at.Sub(noon))
			r.behave(func(b *sandbox.Behaviour) { b.Zone, b.InstantRecompute = "America/Los_Angeles", true })
			r.prove()
			for range 6 {
				for _, ask := range []string{
					"tenant/year/month/day?start=2026-12-20", "year/month?start=2026-05",
					"tenant/year/month/day/hour?start=" + cmu.CivilAt(r.clock.Now().Add(-20*time.Hour), la).String(),
				} {
					r.get(ask)
					r.after()
					if a, _, err := r.Get(t.Context(), request(t, ask), Directives{NoCache: true}); err != nil {
						t.Fatal(err)
					} else if got, want := rowsOf(t, a), r.direct(ask); !sameRows(got, want) {
						t.Fatalf("zone %s at %v: %s: %d rows, Adobe has %d", name, r.clock.Now(), ask, len(got), len(want))
					}
				}
				r.clock.Add(101 * time.Minute)
			}
		}
	}
}
