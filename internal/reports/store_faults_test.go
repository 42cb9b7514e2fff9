package reports

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store/storetest"
)

// TestStoreFaults asks while the store fails at random, before or after it has written, and compares every answer.
func TestStoreFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.behave(func(b *sandbox.Behaviour) { b.InstantRecompute = true })
	random := rand.New(rand.NewPCG(1, 1))
	var mu sync.Mutex
	faulty := r.faulty(func(string) storetest.Fault {
		mu.Lock()
		defer mu.Unlock()
		return []storetest.Fault{storetest.None, storetest.None, storetest.Failed, storetest.FailedButWritten}[random.IntN(4)]
	})
	asker := newAsker(t, 5, r.clock.Now)
	for range 60 {
		r.restart(faulty)
		for range 3 {
			r.compare(asker.ask())
			r.after()
			r.clock.Add(time.Duration(asker.IntN(7200)) * time.Second)
		}
		r.clock.Add(leaseTime) // leases of those who failed run out
	}
}

// TestKilledAtAnyStep stops a process at its nth call of the store; the next process over the same store must answer right.
func TestKilledAtAnyStep(t *testing.T) {
	t.Parallel()
	for n := range 12 {
		r := newRig(t)
		r.prove()
		// Nothing that a killed process does after its death reaches the store: not even the release of its lease.
		var calls atomic.Int64
		r.restart(r.faulty(func(string) storetest.Fault {
			if calls.Add(1) > int64(n) {
				return storetest.Failed
			}
			return storetest.None
		}))
		_, _, _ = r.Get(t.Context(), request(t, daily), Directives{})
		r.restart()
		before := r.clock.Now()
		r.same(daily)
		if waited := r.clock.Now().Sub(before); waited > leaseTime+pollTime {
			t.Errorf("killed at call %d: waited %v", n, waited)
		}
		if calls.Load() <= int64(n) && n < 6 {
			t.Errorf("only %d calls of the store", calls.Load())
		}
	}
}

func TestUnreadableBlockIsFetchedAgain(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.get(daily)
	p := newQuery(r.under(r.tenant()).scope, request(t, daily), nature{}, policy, noon).periods(false)
	blocks, err := r.store.Blocks(t.Context(), p.report, p.names[0], p.names[len(p.names)-1])
	if err != nil || len(blocks) != 2 {
		t.Fatal(len(blocks), err)
	}
	for i, b := range blocks {
		b.Data = b.Data[:len(b.Data)/(2+i)]
		b.Fetched = b.Fetched.Add(time.Second)
		if err := r.store.Put(t.Context(), p.report, b); err != nil {
			t.Fatal(err)
		}
	}
	r.clock.Add(time.Minute)
	r.restart()
	if source := r.same(daily); source != FromAdobe {
		t.Errorf("from %v", source)
	}
	r.restart()
	if source := r.same(daily); source != FromStore {
		t.Errorf("after the repair from %v", source)
	}
}

// noPuts has no block stored.
func noPuts(op string) storetest.Fault {
	if op == "Put" {
		return storetest.Failed
	}
	return storetest.None
}

func TestWhatCannotBeStoredIsStillKnown(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.restart(r.faulty(noPuts))
	const ask = "tenant/year/month/day?start=2026-07-01"
	r.same(ask)
	r.clock.Add(time.Hour)
	if _, source := r.get(ask); source != Stale {
		t.Errorf("waited for Adobe: %v", source)
	}
}

func TestAStoreThatIsDownCostsSpeedOnly(t *testing.T) {
	r := newRig(t)
	r.restart(r.faulty(func(string) storetest.Fault { return storetest.Failed }))
	r.same(daily)
	if source := r.same(daily); source != FromMemory {
		t.Errorf("second: %v", source)
	}
	if _, err := r.Status(context.Background()); !errors.Is(err, storetest.ErrFault) {
		t.Errorf("status: %v", err)
	}
}

func TestTimeToComeIsNotStored(t *testing.T) {
	r := newRig(t)
	r.prove()
	var stored atomic.Int64
	r.restart(r.faulty(func(op string) storetest.Fault {
		if op == "Put" {
			stored.Add(1)
		}
		return storetest.None
	}))
	r.behave(func(b *sandbox.Behaviour) { b.InstantRecompute = true })
	const ask = "tenant/year/month/day/hour/minute?start=2026-07-21T12:00"
	a, _, err := r.Get(t.Context(), request(t, ask), Directives{})
	if err != nil {
		t.Fatal(err)
	}
	if puts := stored.Swap(0); a.Rows == 0 || puts > 2 {
		t.Errorf("%d rows, %d blocks stored", a.Rows, puts)
	}
	r.clock.Add(20 * time.Second)
	r.get(ask)
	r.after()
	if puts := stored.Load(); puts > 2 {
		t.Errorf("a refresh stored %d blocks", puts)
	}
	if source := r.same(ask); source != FromMemory {
		t.Errorf("after the refresh from %v", source)
	}
}

// What could not be read is not overwritten by less: neither while the store cannot be read, nor by what memory has of that time.
func TestWhatCannotBeReadIsNotOverwrittenByLess(t *testing.T) {
	for name, failing := range map[string]func(reads, n int64) bool{
		"one read":     func(_, n int64) bool { return n == 1 },
		"all reads":    func(int64, int64) bool { return true },
		"but the last": func(reads, n int64) bool { return n < reads },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.prove()
			r.get(daily)
			r.after()
			r.clock.Add(time.Minute)
			var n, reads atomic.Int64
			reads.Store(3) // of the request, of its fetch, before its block is put
			over := r.faulty(func(op string) storetest.Fault {
				if op == "Blocks" && failing(reads.Load(), n.Add(1)) {
					return storetest.Failed
				}
				return storetest.None
			})
			r.restart(over)
			r.same("tenant/year/month/day?start=2026-05-12&end=2026-05-15")
			r.after() // what could not be stored is tried again
			if n.Load() < 2 {
				t.Fatalf("%d reads", n.Load())
			}
			reads.Store(0)
			failing = func(int64, int64) bool { return false }
			r.clock.Add(time.Minute)
			if source := r.same(daily); source > FromStore {
				t.Errorf("the same process, once the store can be read: from %v", source)
			}
			r.restart()
			if source := r.same(daily); source != FromStore {
				t.Errorf("the next process: from %v", source)
			}
		})
	}
}

// A store that takes nothing is told of once a minute, however many blocks there are.
func TestAFullStoreIsToldOnceAMinute(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.restart(r.faulty(noPuts))
	told := func() int { return strings.Count(r.log.String(), "blocks could not be stored") }
	for i := range 5 {
		r.get(fmt.Sprintf("tenant/year/month/day?start=2025-0%d-01&end=2026-06-01&mvpd!=x%d", i+1, i))
	}
	if n := told(); n != 1 {
		t.Errorf("told %d times", n)
	}
	r.clock.Add(time.Minute)
	r.get("tenant/year/month/day?start=2025-01-01&end=2026-06-01&mvpd!=y")
	if n := told(); n != 2 {
		t.Errorf("a minute later told %d times", n)
	}
	if !strings.Contains(r.log.String(), "event=store_unavailable") {
		t.Error("no event")
	}
}

// However Adobe fails, a caller is told that what is kept cannot be read: nobody knows that there is nothing.
func TestAnUnreadableStoreIsNamedHoweverAdobeFails(t *testing.T) {
	for _, kind := range []sandbox.Fault{
		{On: "report", Kind: "status", Status: 500}, {On: "report", Kind: "status", Status: 503}, {On: "report", Kind: "status", Status: 429},
		{On: "report", Kind: "flood", Shape: "columns"}, {On: "report", Kind: "flood", Shape: "headers"}, {On: "report", Kind: "flood", Shape: "same names"},
		{On: "report", Kind: "cut"}, {On: "report", Kind: "truncated"}, {On: "report", Kind: "broken_gzip"}, {On: "report", Kind: "lost"},
		{On: "report", Kind: "status", Status: 200, Body: "<html>"},
	} {
		r := newRig(t)
		r.prove()
		r.restart(r.faulty(func(op string) storetest.Fault {
			if op == "Blocks" {
				return storetest.Failed
			}
			return storetest.None
		}))
		r.behave(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{kind} })
		_, _, err := r.Get(t.Context(), request(t, daily), Directives{})
		var unavailable *UnavailableError
		if !errors.As(err, &unavailable) || !errors.Is(unavailable.Cause, ErrStore) || !strings.HasPrefix(unavailable.Reason, "what is kept cannot be read, and ") {
			t.Errorf("%+v: %v", kind, err)
		}
	}
}
