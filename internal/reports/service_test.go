package reports

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

func TestMissThenHit(t *testing.T) {
	r := newRig(t)
	const ask = "/tenant/year/month/day?start=2026-05-10&end=2026-07-01"
	if source := r.same(ask); source != FromAdobe {
		t.Errorf("first: %v", source)
	}
	if source := r.same(ask); source != FromMemory {
		t.Errorf("second: %v", source)
	}
	r.after() // the proof, and the rows of the answer are cut
	before := r.calls()
	for _, ask := range []string{"start=2026-05-11&end=2026-06-20", "start=2026-05-10&end=2026-05-11", "start=2026-06-01&end=2026-06-19"} {
		if rows, source := r.get("/tenant/year/month/day?" + ask); source != FromMemory || len(rows) == 0 {
			t.Errorf("%s: %v", ask, source)
		}
	}
	if n := r.calls() - before; n != 0 {
		t.Errorf("%d calls for what was known", n)
	}
	other := r.process()
	if _, source, err := other.Get(t.Context(), request(t, ask), Directives{}); err != nil || source != FromStore {
		t.Errorf("the same in another process: %v, %v", source, err)
	}
	other = r.process()
	if _, source, err := other.Get(t.Context(), request(t, "/tenant/year/month/day?start=2026-05-11&end=2026-06-20"), Directives{}); err != nil || source != FromStore {
		t.Errorf("another process: %v, %v", source, err)
	}
}

func TestTailIsRefreshedAfterTheAnswer(t *testing.T) {
	r := newRig(t)
	r.prove()
	const ask = "/tenant/year/month/day?start=2026-06-01"
	r.same(ask)
	r.clock.Add(46 * time.Minute)
	before := r.calls()
	if _, source := r.get(ask); source != Stale || r.calls() != before {
		t.Errorf("%v with %d calls", source, r.calls()-before)
	}
	r.after()
	if n := r.calls() - before; n != 1 {
		t.Errorf("the refresh made %d calls", n)
	}
	if source := r.same(ask); source != FromMemory {
		t.Errorf("after the refresh: %v", source)
	}
	r.clock.Add(25 * time.Hour)
	if source := r.same(ask); source != FromAdobe {
		t.Errorf("past the stale window: %v", source)
	}
}

func TestOpenEndedAnswersEndAtThePresent(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.get("tenant/year/month/day?start=2026-06-01&end=2026-07-01")
	a, _, err := r.Get(t.Context(), request(t, "tenant/year/month/day?start=2026-06-01"), Directives{})
	if err != nil {
		t.Fatal(err)
	}
	if a.Request.End.String() < "2026-07-21" {
		t.Errorf("end %v", a.Request.End)
	}
}

func TestDirectives(t *testing.T) {
	r := newRig(t)
	r.prove()
	if _, _, err := r.Get(t.Context(), request(t, daily), Directives{OnlyIfCached: true}); !errors.Is(err, ErrNotCached) {
		t.Errorf("only if cached: %v", err)
	}
	const open = "tenant/year/month/day?start=2026-05-10" // May and June are settled
	r.get(daily)
	r.get(open)
	asked := 0
	r.carry = carrier(func(q *http.Request) (*http.Response, error) {
		if asked++; q.URL.Query().Get("start") < "2026-07" {
			t.Errorf("settled rows are asked for again: %s", q.URL)
		}
		return r.adobe.Client.Transport.RoundTrip(q)
	})
	for _, d := range []Directives{{NoCache: true}, {MaxAge: time.Minute}} {
		r.clock.Add(10 * time.Minute)
		if _, source, err := r.Get(t.Context(), request(t, daily), d); err != nil || source == FromAdobe || asked > 0 {
			t.Errorf("what is settled, %+v: from %v, %v", d, source, err)
		}
	}
	for _, c := range []struct {
		after time.Duration
		d     Directives
		calls int64
	}{
		{time.Minute, Directives{NoCache: true}, 1},
		{time.Second, Directives{NoCache: true}, 0}, // within the floor
		{time.Minute, Directives{NoCache: true}, 1},
		{time.Minute, Directives{MaxAge: 2 * time.Minute}, 0},
		{2 * time.Minute, Directives{MaxAge: 2 * time.Minute}, 1},
		{time.Second, Directives{OnlyIfCached: true}, 0},
	} {
		before := r.calls()
		r.clock.Add(c.after)
		if _, _, err := r.Get(t.Context(), request(t, open), c.d); err != nil || r.calls()-before != c.calls {
			t.Errorf("%v later, %+v: %d calls, %v", c.after, c.d, r.calls()-before, err)
		}
	}
}

func TestOnlyIfCachedNeverCalls(t *testing.T) {
	r := newRig(t)
	r.prove()
	const ask = "tenant/year/month/day?start=2026-07-01"
	r.same(ask)
	r.restart(func(o *Options) { o.After = func(func(context.Context)) bool { return false } })
	r.get(ask)
	r.clock.Add(time.Hour)
	before := r.calls()
	_, source, err := r.Get(t.Context(), request(t, ask), Directives{OnlyIfCached: true})
	if r.calls() != before {
		t.Errorf("%d calls, %v %v", r.calls()-before, source, err)
	}
}

func TestSomeTimeIsLeftForTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for left, want := range map[time.Duration]time.Duration{28 * time.Second: 26 * time.Second, time.Second: 750 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), left)
			s := Service{now: time.Now}
			short, stop := s.leaveTime(ctx)
			if deadline, _ := short.Deadline(); time.Until(deadline) != want {
				t.Errorf("%v are left of %v, want %v", time.Until(deadline), left, want)
			}
			stop()
			cancel()
		}
	})
}

func TestRowsAreInOrder(t *testing.T) {
	r := newRig(t)
	r.prove()
	for _, ask := range []string{
		"year/duration/occurrences/activity-level/mvpd/tenant/month?start=2026-02-04&end=2026-06-01",
		"tenant/year/month/day/mvpd/hour?start=2026-06-04T05:30&end=2026-06-04T09:00",
		"mvpd/year/month/day?start=2026-04-20T05:30&end=2026-06-04T09:00",
	} {
		a, _, err := r.Get(t.Context(), request(t, ask), Directives{})
		if _, refused := refusal(err); refused {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		r.inOrder(ask, a)
	}
}

// What is no report is no answer: a good copy stays and is served, and nothing of it is kept.
func TestWhatIsNoReportIsNoAnswer(t *testing.T) {
	for _, body := range []string{"<p>surprise</p>", `{"error":"backend"}`, "year,month\n", "[]"} {
		r := newRig(t)
		r.prove()
		const open = "tenant/year/month/day?start=2026-07-01"
		r.same(open)
		r.behave(fault(sandbox.Fault{Kind: "status", Status: 200, Body: body, Headers: map[string]string{"Content-Type": "text/html"}}))
		r.clock.Add(48 * time.Hour)
		if _, source := r.get(open); source != Stale {
			t.Errorf("%q: a good copy is there, and the answer is from %v", body, source)
		}
		for _, ask := range []string{daily, "mvpd", "tenant/year/month/day?start=2026-05-10T05:00&end=2026-05-10T09:00"} {
			if a, _, err := r.Get(t.Context(), request(t, ask), Directives{}); !errors.Is(err, cmu.ErrNotReport) {
				t.Errorf("%q: %s: %+v, %v", body, ask, a, err)
			}
		}
		r.behave(none)
		r.clock.Add(longestPause)
		r.same(daily)
	}
}

func TestRefusals(t *testing.T) {
	r := newRig(t)
	for ask, status := range map[string]int{
		"tenant/nonsense?start=2026": 404, "year/month?nonsense=1&start=2026": 400, "tenant/year/month?metrics=nonsense": 400,
	} {
		var e *cmu.Error
		for range 3 {
			if _, _, err := r.Get(t.Context(), request(t, ask), Directives{}); !errors.As(err, &e) || e.Status != status {
				t.Errorf("%s: %v, want %d", ask, err, status)
			}
		}
	}
	// A refusal is asked once more without our limit while nothing shows that limits are taken.
	before := r.calls()
	r.clock.Add(refusalLife - time.Second)
	r.Get(t.Context(), request(t, "tenant/nonsense?start=2026"), Directives{})
	if r.calls() != before {
		t.Error("a refusal is not remembered")
	}
	r.clock.Add(2 * time.Second)
	r.Get(t.Context(), request(t, "tenant/nonsense?start=2026"), Directives{})
	if r.calls() == before {
		t.Error("a refusal is remembered for too long")
	}
}

func TestNoAccessIsNoRefusalOfTheReport(t *testing.T) {
	r := newRig(t)
	r.prove()
	bad := true
	token := r.token
	r.token = func(ctx context.Context) (upstream.Token, error) {
		if bad {
			return upstream.Token{}, &upstream.PauseError{RetryAfter: time.Second, Reason: "no access", Cause: &cmu.Error{Op: "token", Status: 400, Code: "invalid_client"}}
		}
		return token(ctx)
	}
	const ask = "tenant/year/month/day?start=2026-07-01"
	if _, _, err := r.Get(t.Context(), request(t, ask), Directives{}); err == nil {
		t.Fatal()
	}
	bad = false
	r.clock.Add(5 * time.Second)
	if _, _, err := r.Get(t.Context(), request(t, ask), Directives{}); err != nil {
		t.Errorf("access is back: %v", err)
	}
}

func TestRestatementShows(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.same(daily)
	r.behave(func(b *sandbox.Behaviour) { b.Restatements = []sandbox.Restatement{{Day: "2026-06-15", Version: 1}} })
	r.clock.Add(policy.Settled - time.Minute)
	if _, source := r.get(daily); source != FromMemory {
		t.Errorf("settled rows from %v", source)
	}
	r.clock.Add(2 * time.Minute)
	if _, source := r.get(daily); source != Stale {
		t.Errorf("after %v from %v", policy.Settled, source)
	}
	r.after()
	r.same(daily)
	r.behave(func(b *sandbox.Behaviour) { b.Restatements = []sandbox.Restatement{{Day: "2026-06-15", Version: 2}} })
	r.clock.Add(time.Minute)
	if n, err := r.Purge(t.Context(), request(t, "tenant/year/month/day"), false); err != nil || n.Deleted != 2 {
		t.Errorf("purged %d, %v", n, err)
	}
	r.same(daily)
}

// TestANewBlockIsAskedForThoughItsNeighbourKnewIt asks for a window up to now shortly before a block ends, and for one that begins with the
// next block shortly after: that nothing was there yet is no answer.
func TestANewBlockIsAskedForThoughItsNeighbourKnewIt(t *testing.T) {
	for _, c := range []struct{ path, before, after string }{
		{"tenant/year/month/day/hour/minute", "start=2026-07-31T23:00", "start=2026-08-01T00:00"},
		{"year/month/day/hour", "start=2026-07-31", "start=2026-08-01"},
		{"year/month/day", "start=2026-07-01", "start=2026-08-01"},
	} {
		r := newRig(t)
		r.prove()
		r.clock.Add(time.Date(2026, 7, 31, 23, 55, 0, 0, time.UTC).Sub(r.clock.Now()))
		r.get(c.path + "?" + c.before)
		r.after()
		r.clock.Add(9 * time.Minute)
		before := r.calls()
		if _, source := r.get(c.path + "?" + c.after); source != FromAdobe || r.calls() == before {
			t.Errorf("%s: %d calls, from %v", c.path, r.calls()-before, source)
		}
		r.same(c.path + "?" + c.after)
	}
}

// TestStaleWithANeighbourThatIsKnown asks, while Adobe is down, for a window whose last day is not known but the day before is.
func TestStaleWithANeighbourThatIsKnown(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.same("year/month/day/hour?start=2026-07-19&end=2026-07-20")
	r.restart()
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 500}))
	if a, source, err := r.Get(t.Context(), request(t, "year/month/day/hour?start=2026-07-20&end=2026-07-21"), Directives{}); err == nil {
		t.Errorf("%d rows from %v of a day that was never asked for", len(rowsOf(t, a)), source)
	}
}
