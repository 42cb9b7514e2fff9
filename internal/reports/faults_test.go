package reports

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/store/storetest"
	"cmu-gateway/pkg/cmu"
)

const daily = "tenant/year/month/day?start=2026-05-10&end=2026-07-01"

func fault(f sandbox.Fault) func(*sandbox.Behaviour) {
	return func(b *sandbox.Behaviour) { f.On = "report"; b.Faults = []sandbox.Fault{f} }
}

func none(b *sandbox.Behaviour) { b.Faults = nil }

func TestAFailedCallIsMadeOnceMore(t *testing.T) {
	for _, kind := range []sandbox.Fault{{Kind: "status", Status: 500, Count: 1}, {Kind: "cut", Count: 1}, {Kind: "truncated", Count: 1}, {Kind: "lost", Count: 1}, {Kind: "broken_gzip", Count: 1}} {
		r := newRig(t)
		r.prove()
		r.behave(fault(kind))
		r.same(daily)
	}
}

func TestNothingOfAFailedFetchIsKept(t *testing.T) {
	for _, kind := range []sandbox.Fault{{Kind: "status", Status: 502}, {Kind: "cut", After: 3000}, {Kind: "truncated", After: 3000}, {Kind: "broken_gzip"}} {
		r := newRig(t)
		r.prove()
		r.behave(fault(kind))
		if a, _, err := r.Get(t.Context(), request(t, daily), Directives{}); err == nil {
			t.Errorf("%s: %d rows", kind.Kind, a.Rows)
		}
		r.behave(none)
		r.clock.add(longestPause)
		if source := r.same(daily); source != FromAdobe {
			t.Errorf("%s: afterwards from %v", kind.Kind, source)
		}
	}
}

func TestStaleWhileAdobeIsDown(t *testing.T) {
	r := newRig(t)
	r.prove()
	const ask = "tenant/year/month/day?start=2026-07-01"
	r.same(ask)
	r.clock.add(48 * time.Hour)
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 500}))
	if _, source := r.get(ask); source != Stale {
		t.Errorf("down: %v", source)
	}
	r.clock.add(policy.StaleIfError)
	if _, _, err := r.Get(t.Context(), request(t, ask), Directives{}); err == nil {
		t.Error("answered from rows that are too old")
	}
	r.behave(none)
	r.clock.add(longestPause)
	r.same(ask)
}

func TestAPauseIsKeptByAllProcesses(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.get(daily)
	other := r.process(r.Client, r.Store)
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 429, Headers: map[string]string{"Retry-After": "90"}}))
	const ask = "tenant/year/month/day?start=2026-02&end=2026-03"
	var u *Unavailable
	if _, _, err := r.Get(t.Context(), request(t, ask), Directives{}); !errors.As(err, &u) || u.RetryAfter != 90*time.Second {
		t.Fatalf("throttled: %v", err)
	}
	calls := r.calls()
	r.clock.add(30 * time.Second)
	for _, s := range []*Service{r.Service, other} {
		if _, _, err := s.Get(t.Context(), request(t, ask), Directives{}); !errors.As(err, &u) || u.RetryAfter < 55*time.Second || u.RetryAfter > 61*time.Second {
			t.Errorf("during the pause: %v", err)
		}
		if _, _, err := s.Get(t.Context(), request(t, daily), Directives{}); err != nil {
			t.Errorf("what is known, during the pause: %v", err)
		}
	}
	if n := r.calls() - calls; n != 0 {
		t.Errorf("%d calls during the pause", n)
	}
	if st, err := r.Status(t.Context()); err != nil || st.Cooldown.IsZero() {
		t.Errorf("status %+v, %v", st, err)
	}
	r.behave(none)
	r.clock.add(62 * time.Second)
	r.same(ask)
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
	r.clock.add(refusalLife - time.Second)
	r.Get(t.Context(), request(t, "tenant/nonsense?start=2026"), Directives{})
	if r.calls() != before {
		t.Error("a refusal is not remembered")
	}
	r.clock.add(2 * time.Second)
	r.Get(t.Context(), request(t, "tenant/nonsense?start=2026"), Directives{})
	if r.calls() == before {
		t.Error("a refusal is remembered for too long")
	}
}

func TestTooWideIsAskedInParts(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.behave(func(b *sandbox.Behaviour) { b.MaxCells = 300 })
	r.compare("tenant/year/month/day/mvpd/platform/application-id?start=2026-06-01&end=2026-06-08")
	if _, _, err := r.Get(t.Context(), request(t, "tenant/year/month/day?start=2026-06-01&end=2026-06-08&limit=5"), Directives{}); err != nil {
		t.Error(err)
	}
	r.behave(func(b *sandbox.Behaviour) { b.MaxCells = 10 })
	if _, _, err := r.Get(t.Context(), request(t, "tenant/year/month/day/mvpd/platform/application-id?start=2026-05-01&end=2026-05-08"), Directives{}); !errors.Is(err, cmu.ErrTooWide) {
		t.Errorf("a single day too wide: %v", err)
	}
}

func TestWhatCannotBeCompletedIsMarked(t *testing.T) {
	for _, c := range []struct {
		ask   string
		clamp int
		want  bool
	}{
		{"tenant/year/month/day/mvpd/platform/application-id?start=2026-06-01&end=2026-06-03", 50, true}, // one day has more rows than Adobe gives
		{"tenant/year/month/day?start=2026-04-01&end=2026-06-03", 50, false},
		{"mvpd", 3, true}, // nothing to split by
		{"mvpd", 50, false},
		{"tenant/year/month/day?start=2026-04-01&end=2026-06-03&limit=10", 50, true}, // as asked
		{"tenant/year/month/day?start=2026-04-01&end=2026-04-03&limit=40", 50, false},
	} {
		r := newRig(t)
		r.prove()
		r.behave(func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = c.clamp, "clamp" })
		for range 2 {
			if a, _, err := r.Get(t.Context(), request(t, c.ask), Directives{}); err != nil || a.Incomplete != c.want || a.Rows == 0 {
				t.Errorf("%s: %+v, %v", c.ask, a, err)
			}
		}
	}
}

func TestWhatIsNoReportIsPassedThrough(t *testing.T) {
	r := newRig(t)
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 200, Body: "<p>surprise</p>", Headers: map[string]string{"Content-Type": "text/html"}}))
	for range 2 {
		before := r.calls()
		a, _, err := r.Get(t.Context(), request(t, daily), Directives{})
		if err != nil || a.Raw == nil || string(a.Raw.Body) != "<p>surprise</p>" || a.Raw.ContentType != "text/html" || r.calls() == before {
			t.Errorf("%+v, %v", a, err)
		}
	}
	r.behave(none)
	r.same(daily)
}

func TestDeadlineKeepsProgress(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.nameLimit(300)
	const ask = "tenant/year/month/day/mvpd/platform/application-id?start=2026-01-01&end=2026-07-01" // about 60 calls
	// Each call takes two seconds of the clock.
	token := r.token.Value
	r.Service.adobe.token = func(context.Context) (cmu.Secret, error) {
		r.clock.add(2 * time.Second)
		return token, nil
	}
	last := 0
	for try := range 100 {
		ctx, cancel := context.WithCancel(t.Context())
		a, _, err := r.Get(deadlineAt{ctx, r.clock.now().Add(20 * time.Second)}, request(t, ask), Directives{})
		cancel()
		if err == nil {
			if try < 3 || last == 0 || a.Rows == 0 {
				t.Errorf("done after %d tries, %d blocks seen", try, last)
			}
			r.compare(ask)
			return
		}
		var u *Unavailable
		if !errors.As(err, &u) || u.Total != 6 || u.Done < last || u.RetryAfter <= 0 {
			t.Fatalf("try %d: %v", try, err)
		}
		last = u.Done
	}
	t.Fatal("no progress")
}

// deadlineAt has a deadline by the tests' clock.
type deadlineAt struct {
	context.Context
	at time.Time
}

func (d deadlineAt) Deadline() (time.Time, bool) { return d.at, true }

// TestStoreFaults asks while the store fails at random, before or after it has written, and compares every answer.
func TestStoreFaults(t *testing.T) {
	r := newRig(t)
	r.behave(func(b *sandbox.Behaviour) { b.InstantRecompute = true })
	random := rand.New(rand.NewPCG(1, 1))
	var mu sync.Mutex
	faulty := &storetest.Faulty{Store: r.Store, Hook: func(string) storetest.Fault {
		mu.Lock()
		defer mu.Unlock()
		return []storetest.Fault{storetest.None, storetest.None, storetest.Failed, storetest.FailedButWritten}[random.IntN(4)]
	}}
	asker := newAsker(t, 5, r.clock.now)
	for range 60 {
		r.Service = r.process(r.Client, faulty) // with nothing in memory
		for range 3 {
			r.compare(asker.ask())
			r.after()
			r.clock.add(time.Duration(asker.IntN(7200)) * time.Second)
		}
		r.clock.add(leaseTime) // leases of those who failed run out
	}
}

// TestKilledAtAnyStep stops a process at its nth call of the store; the next process over the same store must answer right.
func TestKilledAtAnyStep(t *testing.T) {
	r := newRig(t)
	r.prove()
	kept := r.Store
	for n := range 12 {
		file := filepath.Join(t.TempDir(), fmt.Sprint(n))
		fresh, err := store.OpenBolt(file, store.BoltOptions{Now: r.clock.now})
		if err != nil {
			t.Fatal(err)
		}
		notes, err := kept.Notes(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, note := range notes {
			if err := fresh.PutNote(t.Context(), name, note); err != nil {
				t.Fatal(err)
			}
		}
		// Nothing that a killed process does after its death reaches the store: not even the release of its lease.
		var calls atomic.Int64
		dying := &storetest.Faulty{Store: fresh, Hook: func(string) storetest.Fault {
			if calls.Add(1) > int64(n) {
				return storetest.Failed
			}
			return storetest.None
		}}
		r.Service = r.process(r.Client, dying)
		r.Get(t.Context(), request(t, daily), Directives{})
		r.Service = r.process(r.Client, fresh)
		before := r.clock.now()
		r.same(daily)
		if waited := r.clock.now().Sub(before); waited > leaseTime+pollTime {
			t.Errorf("killed at call %d: waited %v", n, waited)
		}
		if calls.Load() <= int64(n) && n < 6 {
			t.Errorf("only %d calls of the store", calls.Load())
		}
		fresh.Close()
	}
}

func TestUnreadableBlockIsFetchedAgain(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.get(daily)
	job := r.Policy.periodsJob(request(t, daily), span{cmu.CivilDate(2026, 5, 10, 0, 0), cmu.CivilDate(2026, 7, 1, 0, 0)})
	blocks, err := r.Store.Blocks(t.Context(), job.report, job.first, job.last)
	if err != nil || len(blocks) != 2 {
		t.Fatal(len(blocks), err)
	}
	for i, b := range blocks {
		b.Data = b.Data[:len(b.Data)/(2+i)]
		b.Fetched = b.Fetched.Add(time.Second)
		if err := r.Store.Put(t.Context(), job.report, b); err != nil {
			t.Fatal(err)
		}
	}
	r.clock.add(time.Minute)
	r.Service = r.process(r.Client, r.Store)
	if source := r.same(daily); source != FromAdobe {
		t.Errorf("from %v", source)
	}
	r.Service = r.process(r.Client, r.Store)
	if source := r.same(daily); source != FromStore {
		t.Errorf("after the repair from %v", source)
	}
}

func TestDirectives(t *testing.T) {
	r := newRig(t)
	r.prove()
	if _, _, err := r.Get(t.Context(), request(t, daily), Directives{OnlyIfCached: true}); !errors.Is(err, ErrNotCached) {
		t.Errorf("only if cached: %v", err)
	}
	r.get(daily)
	for _, c := range []struct {
		after time.Duration
		d     Directives
		calls int64
	}{
		{time.Second, Directives{NoCache: true}, 0}, // within the floor
		{time.Minute, Directives{NoCache: true}, 1},
		{time.Minute, Directives{MaxAge: 2 * time.Minute}, 0},
		{2 * time.Minute, Directives{MaxAge: 2 * time.Minute}, 1},
		{time.Second, Directives{OnlyIfCached: true}, 0},
	} {
		before := r.calls()
		r.clock.add(c.after)
		if _, _, err := r.Get(t.Context(), request(t, daily), c.d); err != nil || r.calls()-before != c.calls {
			t.Errorf("%v later, %+v: %d calls, %v", c.after, c.d, r.calls()-before, err)
		}
	}
}

func TestRestatementShows(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.same(daily)
	r.behave(func(b *sandbox.Behaviour) { b.Restatements = []sandbox.Restatement{{Day: "2026-06-15", Version: 1}} })
	r.clock.add(policy.Settled - time.Minute)
	if _, source := r.get(daily); source != FromMemory {
		t.Errorf("settled rows from %v", source)
	}
	r.clock.add(2 * time.Minute)
	if _, source := r.get(daily); source != Stale {
		t.Errorf("after %v from %v", policy.Settled, source)
	}
	r.after()
	r.same(daily)
	r.behave(func(b *sandbox.Behaviour) { b.Restatements = []sandbox.Restatement{{Day: "2026-06-15", Version: 2}} })
	r.clock.add(time.Minute)
	if n, err := r.Purge(t.Context(), request(t, "tenant/year/month/day")); err != nil || n != 2 {
		t.Errorf("purged %d, %v", n, err)
	}
	r.same(daily)
}

func TestPurge(t *testing.T) {
	r := newRig(t)
	r.prove()
	asks := []string{
		"year/month/day?start=2026-06&end=2026-07", "year/month/day?start=2026-06&end=2026-07&metrics=active-users", "year/month?start=2026-01&end=2026-07", "mvpd",
	}
	other := r.process(r.Client, r.Store)
	all := func() {
		for _, ask := range asks {
			r.get(ask)
			if _, _, err := other.Get(t.Context(), request(t, ask), Directives{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for what, want := range map[string]int{"year/month/day": 2, "year/month/day?metrics=active-users": 1, "": 4, "year/month/mvpd": 0} {
		all()
		if n, err := r.Purge(t.Context(), request(t, what)); n != want || err != nil {
			t.Errorf("purge of %q: %d, %v; want %d", what, n, err, want)
		}
		r.clock.add(sharedAge + time.Second)
		// The other process learns of it after its next answer.
		if _, source, err := other.Get(t.Context(), request(t, asks[2]), Directives{}); err != nil || source != FromMemory {
			t.Errorf("%v, %v", source, err)
		}
		r.after()
		if _, source, err := other.Get(t.Context(), request(t, asks[2]), Directives{}); err != nil || source == FromMemory {
			t.Errorf("after the purge of %q: %v, %v", what, source, err)
		}
	}
}

func TestTokenRefusedInMidLife(t *testing.T) {
	r := newRig(t)
	r.prove()
	good := r.token.Value
	asked := 0
	r.Service.adobe.token = func(context.Context) (cmu.Secret, error) { return "expired", nil }
	r.Service.adobe.refused = func(context.Context, cmu.Secret) (cmu.Secret, error) { asked++; return good, nil }
	r.same(daily)
	if asked != 1 {
		t.Errorf("asked %d times for another token", asked)
	}
	r.Service.adobe.refused = func(context.Context, cmu.Secret) (cmu.Secret, error) { return "also expired", nil }
	var u *Unavailable
	if _, _, err := r.Get(t.Context(), request(t, "year?start=2025"), Directives{}); !errors.As(err, &u) || strings.Contains(fmt.Sprint(err, u.Cause), "expired") {
		t.Errorf("no good token: %v", err)
	}
}
