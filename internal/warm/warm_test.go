package warm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/rig"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

// list is what settings make of CMU_WARM.
var list = []string{
	"tenant/year/month/day/mvpd?start=-35d", "tenant/year/month/day/hour?start=-8d", "tenant/year/month?start=-1y",
	"year/month/day/activity-level?start=-7d",
}

// lives are how long the rows of each report are fresh that may change.
var lives = []time.Duration{45 * time.Minute, 15 * time.Minute, 12 * time.Hour, 6 * time.Hour}

// world is a simulated Adobe and a store, on a clock that the test moves.
type world struct {
	t     *testing.T
	clock *rig.Clock
	adobe *rig.Adobe
	store store.Store
	work  *rig.After
	log   *rig.Log
}

func newWorld(t *testing.T) *world {
	c := &rig.Clock{}
	return &world{t, c, rig.NewAdobe(t, c), rig.NewStore(t, c), &rig.After{}, rig.NewLog(t)}
}

// process is another process over the store.
func (w *world) process() *reports.Service { return reports.New(w.options()) }

func (w *world) options(change ...func(*reports.Options)) reports.Options {
	o := reports.Options{
		Client: w.adobe.Client, Store: w.store, Policy: rig.Policy, RowLimit: 10_000, Parallel: 4, Memory: 64 << 20,
		Token: func(context.Context) (upstream.Token, error) { return upstream.Token{Value: w.adobe.Token.Value}, nil },
		Refused: func(context.Context, cmu.Secret) (upstream.Token, error) {
			return upstream.Token{Value: w.adobe.Token.Value}, nil
		},
		Now: w.clock.Now, Sleep: w.clock.Sleep, After: w.work.Go, Log: w.log.Logger,
	}
	for _, c := range change {
		c(&o)
	}
	return o
}

func (w *world) keeper(s *reports.Service, list ...string) *Keeper {
	return New(Options{Reports: list, Service: s, Policy: rig.Policy, Now: w.clock.Now, Sleep: w.clock.Sleep, Log: w.log.Logger})
}

// looks at report i as a viewer does, and returns where the answer came from and what it cost.
func (w *world) looks(s *reports.Service, i int) (source reports.Source, calls int64) {
	w.t.Helper()
	before := w.adobe.Calls()
	path, query, _ := strings.Cut(list[i], "?")
	r, err := s.Parse(path, query)
	if err == nil {
		_, source, err = s.Get(w.t.Context(), r, reports.Directives{})
	}
	if err != nil {
		w.t.Fatalf("%s: %v", list[i], err)
	}
	return source, w.adobe.Calls() - before
}

// allowed is how many calls the freshness table grants the whole list over a time: one for what is not known, then one each time that it
// is no longer fresh; and two for the check of the calendar.
func allowed(over time.Duration) (calls int64) {
	for _, life := range lives {
		calls += 1 + int64(over/life)
	}
	return calls + 2
}

// On a simulated day viewers come at random, to processes that have just begun: none of them waits for Adobe, or is given what is no longer
// fresh. Adobe is asked as often as the freshness table says, be it kept warm by one process or by three.
func TestADayOfViewers(t *testing.T) {
	if raceDetector {
		t.Skip("runs without the race detector, which slows it tenfold; TestProcessesAtOnce has the goroutines")
	}
	for _, processes := range []int{1, 3} {
		t.Run(fmt.Sprint(processes), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			random := rand.New(rand.NewPCG(7, uint64(processes)))
			keepers := make([]*Keeper, processes)
			wakes := make([]time.Time, processes)
			for i := range keepers {
				keepers[i], wakes[i] = w.keeper(w.process(), list...), w.clock.Now().Add(time.Duration(i)*time.Second)
			}
			began := w.clock.Now()
			var viewers int
			for viewer := began.Add(time.Minute); w.clock.Now().Sub(began) < 24*time.Hour; {
				first := 0
				for i, at := range wakes {
					if at.Before(wakes[first]) {
						first = i
					}
				}
				if !wakes[first].After(viewer) {
					w.clock.Add(max(wakes[first].Sub(w.clock.Now()), 0))
					wakes[first] = keepers[first].Round(t.Context())
					w.work.Run()
					continue
				}
				w.clock.Add(max(viewer.Sub(w.clock.Now()), 0))
				for i, report := range list {
					if source, calls := w.looks(w.process(), i); calls != 0 || source == reports.FromAdobe || source == reports.Stale {
						t.Errorf("%v: %s came from %v, by %d calls", w.clock.Now().Sub(began), report, source, calls)
					}
					viewers++
				}
				w.work.Run()
				viewer = viewer.Add(time.Duration(1+random.IntN(20*60)) * time.Second)
			}
			over := w.clock.Now().Sub(began)
			t.Logf("%d viewers, %d calls to Adobe in %v, %d allowed", viewers, w.adobe.Calls(), over, allowed(over))
			if n := w.adobe.Calls(); n > allowed(over) {
				t.Errorf("%d calls, want at most %d", n, allowed(over))
			}
			if s := keepers[0].Status(); s.Reports != len(list) || s.Fresh != len(list) || s.Failed != 0 || s.Asked == 0 || s.LookedAt.IsZero() {
				t.Errorf("status %+v", s)
			}
		})
	}
}

// Processes that run at the same time share one call.
func TestProcessesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.clock.Go()
		w.adobe.Behave(func(b *sandbox.Behaviour) { b.LatencyMS = 800 })
		ctx, stop := context.WithCancel(t.Context())
		defer time.AfterFunc(2*time.Hour, stop).Stop()
		var all sync.WaitGroup
		for range 3 {
			k := w.keeper(w.process(), list...)
			all.Go(func() { k.Run(ctx) })
		}
		all.Go(func() {
			for ctx.Err() == nil {
				w.work.Run()
				_ = w.clock.Sleep(ctx, time.Second)
			}
		})
		all.Wait()
		w.work.Lose()
		if n := w.adobe.Calls(); n > allowed(2*time.Hour) || n < 8 {
			t.Errorf("%d calls, want at most %d", n, allowed(2*time.Hour))
		}
	})
}

// What a purge took away is there again before long.
func TestAfterAPurge(t *testing.T) {
	w := newWorld(t)
	s := w.process()
	k := w.keeper(s, list[2])
	k.Round(t.Context())
	if _, err := s.Purge(t.Context(), cmu.Request{}, false); err != nil {
		t.Fatal(err)
	}
	w.clock.Add(lookEvery)
	k.Round(t.Context())
	if source, calls := w.looks(s, 2); source == reports.FromAdobe || calls != 0 {
		t.Errorf("from %v by %d calls", source, calls)
	}
}

// A report that Adobe refuses is left alone, ever longer, and the others are kept warm.
func TestARefusedReport(t *testing.T) {
	w := newWorld(t)
	k := w.keeper(w.process(), "no-such-dimension/year/month?start=-1y", list[2])
	for began := w.clock.Now(); w.clock.Now().Sub(began) < 6*time.Hour; {
		w.clock.Add(k.Round(t.Context()).Sub(w.clock.Now()))
	}
	if s := k.Status(); s.Fresh != 1 || s.Failed < 6 || s.Failed > 16 || w.adobe.Calls() > 4+2*s.Failed {
		t.Errorf("%+v, %d calls", s, w.adobe.Calls())
	}
}

// A person's question goes before those that nobody waits for, and is counted where theirs are not.
func TestPeopleComeFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.clock.Go()
		s := w.process()
		if _, err := s.Prove(t.Context(), cmu.Request{Path: []string{"tenant", "year", "month", "day"}}); err != nil {
			t.Fatal(err)
		}
		w.adobe.Behave(func(b *sandbox.Behaviour) { b.LatencyMS = 1000 })
		one := reports.New(w.options(func(o *reports.Options) { o.Parallel = 1 }))
		var all sync.WaitGroup
		for i := range 6 { // one begins, five wait
			k := w.keeper(one, fmt.Sprintf("tenant/year/month/day?start=-35d&mvpd=Cox%d", i))
			all.Go(func() { k.Round(t.Context()) })
		}
		synctest.Wait()
		began := time.Now()
		w.looks(one, 1)
		if waited := time.Since(began); waited > 2100*time.Millisecond {
			t.Errorf("a person waited %v", waited)
		}
		all.Wait()
		if known, err := one.Status(t.Context()); err != nil || known.Misses != 1 || known.MemoryHits+known.StoreHits+known.StaleHits != 0 {
			t.Errorf("%+v, %v", known, err)
		}
	})
}

// In a pause nothing is asked for, by no process, and all is asked for after it.
func TestInAPause(t *testing.T) {
	w := newWorld(t)
	w.adobe.Behave(func(b *sandbox.Behaviour) {
		b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: 429, Headers: map[string]string{"Retry-After": "600"}, Count: 1}}
	})
	k := w.keeper(w.process(), list...)
	wake := k.Round(t.Context())
	if n := w.adobe.Calls(); n != 1 {
		t.Errorf("%d calls before the pause was known", n)
	}
	for other := range 3 {
		w.keeper(w.process(), list...).Round(t.Context())
		if n := w.adobe.Calls(); n != 1 {
			t.Errorf("%d calls in the pause, by process %d", n, other)
		}
	}
	for range 4 {
		w.clock.Add(wake.Sub(w.clock.Now()))
		wake = k.Round(t.Context())
	}
	if s := k.Status(); s.Fresh != len(list) {
		t.Errorf("after the pause: %+v", s)
	}
}
