package reports

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store/storetest"
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

func TestTheProofComesAfterTheAnswer(t *testing.T) {
	r := newRig(t)
	if _, source := r.get(daily); source != FromAdobe || r.calls() != 1 {
		t.Errorf("%v with %d calls", source, r.calls())
	}
	if v := r.verdict(t.Context(), nil); v.Proven || !v.At.IsZero() {
		t.Errorf("a verdict before the proof: %+v", v)
	}
	r.after()
	v := r.verdict(t.Context(), nil)
	if !v.Proven || !v.At.Equal(r.clock.now()) || !strings.Contains(v.Evidence, "2026-07-18: 24 rows") {
		t.Errorf("verdict %+v", v)
	}
	if v, err := r.process(r.Client, r.Store).Prove(t.Context(), request(t, daily)); err != nil || !v.Proven || r.calls() != 3 {
		t.Errorf("another process proves again: %+v, %v, %d calls", v, err, r.calls())
	}
	before := r.calls()
	r.clock.add(verdictLife + time.Second)
	r.get(daily)
	r.after()
	if again := r.verdict(t.Context(), nil); !again.At.After(v.At) {
		t.Errorf("not renewed: %+v after %d calls", again, r.calls()-before)
	}
}

func TestNoProofIsNoVerdict(t *testing.T) {
	r := newRig(t)
	r.behave(func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = 20, "clamp" }) // a day has 24 hours
	for range 3 {
		r.get("tenant/year/month/day?start=2026-06-01&end=2026-06-11")
		r.after()
		r.clock.add(time.Minute)
	}
	if v := r.verdict(t.Context(), nil); v.Proven || !v.At.IsZero() {
		t.Errorf("verdict %+v", v)
	}
	if n := r.calls(); n > 4 {
		t.Errorf("%d calls: a check that showed nothing is repeated at once", n)
	}
}

// TestContradiction changes Adobe's behaviour under a verdict that says otherwise.
func TestContradiction(t *testing.T) {
	for name, failing := range map[string]bool{"purge works": false, "purge fails": true} {
		r := newRig(t)
		failed := failing
		r.Service.Store = &storetest.Faulty{Store: r.Store, Hook: func(op string) storetest.Fault {
			if op == "Purge" && failed {
				return storetest.Failed
			}
			return storetest.None
		}}
		r.prove()
		r.same(daily)
		r.behave(func(b *sandbox.Behaviour) { b.WindowShiftHours = -30 })
		r.same("tenant/year/month/day?start=2026-03-10&end=2026-05-01")
		v := r.verdict(t.Context(), nil)
		if v.Proven || v.Unclean != failing || !strings.Contains(v.Evidence, "2026-03-") {
			t.Errorf("%s: verdict %+v", name, v)
		}
		// What was cut before is of no use any more.
		r.same(daily)
		failed = false
		r.clock.add(verdictLife + time.Second)
		r.behave(func(b *sandbox.Behaviour) { b.WindowShiftHours = 0 })
		r.get(daily)
		r.after()
		if v := r.verdict(t.Context(), nil); !v.Proven || v.Unclean {
			t.Errorf("%s: after a week %+v", name, v)
		}
		r.same(daily)
	}
}

// TestClockWalk asks for the present again and again while the clock goes through the ends of days, months and years,
// a leap day, and changes of Los Angeles' clock.
func TestClockWalk(t *testing.T) {
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
			r := newRig(t)
			r.clock.add(at.Sub(noon))
			r.behave(func(b *sandbox.Behaviour) { b.Zone, b.InstantRecompute = "America/Los_Angeles", true })
			if zone != nil {
				r.Policy.Zone, r.Policy.Margin = zone, 0
			}
			r.prove()
			for range 6 {
				for _, ask := range []string{
					"tenant/year/month/day?start=2026-12-20", "year/month?start=2026-05",
					"tenant/year/month/day/hour?start=" + cmu.CivilAt(r.clock.now().Add(-20*time.Hour), la).String(),
				} {
					r.get(ask)
					r.after()
					if a, _, err := r.Get(t.Context(), request(t, ask), Directives{NoCache: true}); err != nil {
						t.Fatal(err)
					} else if got, want := rowsOf(t, a), r.direct(ask); !sameRows(got, want) {
						t.Fatalf("zone %s at %v: %s: %d rows, Adobe has %d", name, r.clock.now(), ask, len(got), len(want))
					}
				}
				r.clock.add(101 * time.Minute)
			}
		}
	}
}

// TestDaylightSaving reads windows over both changes of Los Angeles' clock, cut and whole.
func TestDaylightSaving(t *testing.T) {
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

func TestAStoreThatIsDownCostsSpeedOnly(t *testing.T) {
	r := newRig(t)
	r.Service = r.process(r.Client, &storetest.Faulty{Store: r.Store, Hook: func(string) storetest.Fault { return storetest.Failed }})
	r.same(daily)
	if source := r.same(daily); source != FromMemory {
		t.Errorf("second: %v", source)
	}
	if _, err := r.Status(context.Background()); !errors.Is(err, storetest.ErrFault) {
		t.Errorf("status: %v", err)
	}
}

// TestAVerdictThatIsNotedIsNotNotedAgain uses the machine's clock: its instants hold more than a note can.
func TestAVerdictThatIsNotedIsNotNotedAgain(t *testing.T) {
	r := newRig(t)
	writes := 0
	r.Service.Store = &storetest.Faulty{Store: r.Store, Hook: func(op string) storetest.Fault {
		if op == "PutNote" {
			writes++
		}
		return storetest.None
	}}
	if err := r.setVerdict(t.Context(), Verdict{Proven: true, At: time.Now(), Evidence: "seen"}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := r.readShared(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if v := r.verdict(t.Context(), nil); writes != 1 || !v.Proven {
		t.Errorf("%d writes of %+v", writes, v)
	}
}
