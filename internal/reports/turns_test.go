package reports

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store/storetest"
	"cmu-gateway/internal/upstream"
)

const costly = "tenant/year/month/day/mvpd/platform/application-id?start=2026-06-01&end=2026-07-01"

// slow makes each call of the simulated Adobe take a time, on a clock that goes by itself.
func (r *rig) slow(latency time.Duration) {
	r.t.Helper()
	r.clock.Go()
	r.behave(func(b *sandbox.Behaviour) { b.LatencyMS = latency.Milliseconds() })
}

func (r *rig) lease(ask string) string {
	return newQuery(r.under(r.tenant()).scope, request(r.t, ask), nature{}, policy, r.clock.Now()).leaseName()
}

func TestTheLeaseLastsAsLongAsTheFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.prove()
		r.slow(9 * time.Second) // longer than the lease without a word
		var asked sync.WaitGroup
		asked.Go(func() { r.get(costly) })
		synctest.Wait()
		for range 80 {
			time.Sleep(100 * time.Millisecond)
			if err := r.store.Acquire(t.Context(), r.lease(costly), "another", r.clock.Now().Add(time.Millisecond)); err == nil {
				t.Fatal("another process had the lease in the midst of the fetch")
			}
		}
		asked.Wait()
		if err := r.store.Acquire(t.Context(), r.lease(costly), "another", r.clock.Now().Add(time.Millisecond)); err != nil {
			t.Errorf("after the fetch: %v", err)
		}
	})
}

// TestAProcessThatIsKilledHoldsNobodyUpForLong has one process stop in the midst of a fetch: no call of its gets anywhere any more. The clock
// of the other differs by what clocks may.
func TestAProcessThatIsKilledHoldsNobodyUpForLong(t *testing.T) {
	for _, differs := range []time.Duration{0, -4 * time.Second, 4 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.prove()
			r.slow(time.Second)
			var stopped atomic.Bool
			r.restart(limit(300), r.faulty(func(string) storetest.Fault {
				if stopped.Load() {
					return storetest.Failed
				}
				return storetest.None
			}))
			adobe := r.carry
			r.carry = carrier(func(q *http.Request) (*http.Response, error) {
				if stopped.Load() {
					<-q.Context().Done()
					return nil, q.Context().Err()
				}
				return adobe.RoundTrip(q)
			})
			client := *r.adobe.Client
			var asked atomic.Pointer[time.Time]
			client.Transport = carrier(func(q *http.Request) (*http.Response, error) {
				now := time.Now()
				asked.CompareAndSwap(nil, &now)
				return adobe.RoundTrip(q)
			})
			other := r.process(func(o *Options) {
				o.Client, o.Now = &client, func() time.Time { return r.clock.Now().Add(differs) }
			})
			ctx, cancel := context.WithCancel(t.Context())
			var killed sync.WaitGroup
			killed.Go(func() { r.Get(ctx, request(t, costly), Directives{}) })
			time.Sleep(3500 * time.Millisecond)
			stopped.Store(true)
			began := time.Now()
			if _, _, err := other.Get(t.Context(), request(t, costly), Directives{}); err != nil {
				t.Errorf("clocks differ by %v: %v", differs, err)
			}
			if waited := asked.Load().Sub(began); waited > leaseTime+pollTime || waited < leaseTime-renewTime-4*time.Second {
				t.Errorf("clocks differ by %v: Adobe was asked after %v", differs, waited)
			}
			began = time.Now()
			short, end := r.within(3 * time.Second)
			defer end()
			if err := r.store.Acquire(t.Context(), r.lease(costly), "the dead", r.clock.Now().Add(leaseTime)); err != nil {
				t.Fatal(err)
			}
			_, _, err := r.process().Get(short, request(t, "tenant/year/month/day/mvpd/platform/application-id?start=2026-02&end=2026-03"), Directives{})
			if u := new(UnavailableError); !errors.As(err, &u) || time.Since(began) > 3*time.Second {
				t.Errorf("a caller with less time: %v after %v", err, time.Since(began))
			}
			cancel()
			killed.Wait()
			time.Sleep(fetchTime) // the dead one's calls end
		})
	}
}

func TestFailuresAreSharedByThoseWhoWait(t *testing.T) {
	for name, ask := range map[string]string{"500": "tenant/year/month/day?start=2026-05&end=2026-06", "404": "tenant/nonsense?start=2026-05"} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.prove()
			if name == "500" {
				r.behave(fault(sandbox.Fault{Kind: "status", Status: 500}))
			}
			before := r.calls()
			gate, token := make(chan struct{}), r.token
			r.token = func(ctx context.Context) (upstream.Token, error) { <-gate; return token(ctx) }
			var callers sync.WaitGroup
			for range 50 {
				callers.Go(func() {
					if _, _, err := r.Get(t.Context(), request(t, ask), Directives{}); err == nil {
						t.Errorf("%s: an answer", name)
					}
				})
			}
			synctest.Wait() // all wait, for Adobe or for one another
			close(gate)
			callers.Wait()
			if n := r.calls() - before; n > 4 {
				t.Errorf("%s: %d calls for 50 callers at once", name, n)
			}
		})
	}
}

func TestEverythingAtOnce(t *testing.T) {
	r := newRig(t)
	r.prove()
	other := r.process()
	a := []*asker{newAsker(t, 1, r.clock.Now), newAsker(t, 2, r.clock.Now), newAsker(t, 3, r.clock.Now), newAsker(t, 4, r.clock.Now)}
	var w sync.WaitGroup
	for i, k := range a {
		w.Go(func() {
			for n := range 15 {
				s := []*Service{r.Service, other}[i%2]
				s.Get(context.Background(), request(t, k.ask()), Directives{NoCache: n%5 == 0})
				if n%7 == 0 {
					r.after()
				}
				r.clock.Add(time.Minute)
				if n == 9 {
					s.Purge(context.Background(), request(t, "tenant"), false)
					s.Status(context.Background())
				}
			}
		})
	}
	w.Wait()
}

func TestOneSlowCallStopsNoOther(t *testing.T) {
	r := newRig(t)
	r.prove()
	slow := true
	r.carry = carrier(func(q *http.Request) (*http.Response, error) {
		if slow {
			r.clock.Add(15 * time.Second)
		}
		return r.adobe.Client.Transport.RoundTrip(q)
	})
	get := func(ask string) error {
		_, _, err := r.Get(deadlineAt{t.Context(), r.clock.Now().Add(28 * time.Second)}, request(t, ask), Directives{})
		return err
	}
	if err := get("tenant/year/month/day?start=2026-05-01&end=2026-06-01"); err != nil {
		t.Fatal(err)
	}
	slow = false
	for i := range 5 {
		r.clock.Add(time.Hour)
		before := r.calls()
		if err := get("tenant/year/month/day?start=2026-03-01&end=2026-04-01"); err != nil {
			t.Errorf("%d: %v with %d calls", i, err, r.calls()-before)
		}
	}
}

// TestALeaseThatComesLateIsGivenBack has the store refuse the lease at first: once it is renewed it is held, and must be released.
func TestALeaseThatComesLateIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.prove()
		r.slow(5 * time.Second)
		refuse := 1
		r.restart(r.faulty(func(op string) storetest.Fault {
			if op == "Acquire" && refuse > 0 {
				refuse--
				return storetest.Failed
			}
			return storetest.None
		}))
		var asked sync.WaitGroup
		asked.Go(func() { r.get(costly) })
		time.Sleep(4 * time.Second)
		if err := r.store.Acquire(t.Context(), r.lease(costly), "another", r.clock.Now().Add(time.Second)); err == nil {
			t.Error("the lease never came")
		}
		asked.Wait()
		if err := r.store.Acquire(t.Context(), r.lease(costly), "another", r.clock.Now().Add(time.Second)); err != nil {
			t.Errorf("the lease is still held after the fetch: %v", err)
		}
	})
}
