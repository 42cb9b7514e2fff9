package reports

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store/storetest"
	"cmu-gateway/pkg/cmu"
)

func TestTheLeaseLastsAsLongAsTheFetch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.prove()
	r.restart(limit(300))
	token := r.token
	stolen := 0
	r.token = func(ctx context.Context) (cmu.Secret, error) {
		r.clock.Add(5 * time.Second)
		lease := newQuery(r.under(r.name).scope, request(t, "tenant/year/month/day/mvpd/platform/application-id"), nature{}, policy, r.clock.Now()).leaseName()
		if err := r.store.Acquire(t.Context(), lease, "another", r.clock.Now().Add(time.Millisecond)); err == nil {
			stolen++
		}
		return token(ctx)
	}
	r.get("tenant/year/month/day/mvpd/platform/application-id?start=2026-01-01&end=2026-07-01")
	if stolen > 0 {
		t.Errorf("another process had the lease %d times in one fetch", stolen)
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
			r.token = func(ctx context.Context) (cmu.Secret, error) { <-gate; return token(ctx) }
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
					s.Purge(context.Background(), request(t, "tenant"))
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

// TestALeaseThatComesLateIsGivenBack has the store refuse the lease at first: once it is extended it is held, and must be released.
func TestALeaseThatComesLateIsGivenBack(t *testing.T) {
	r := newRig(t)
	r.prove()
	refuse := 1
	r.restart(limit(300), r.faulty(func(op string) storetest.Fault {
		if op == "Acquire" && refuse > 0 {
			refuse--
			return storetest.Failed
		}
		return storetest.None
	}))
	r.get("tenant/year/month/day/mvpd/platform/application-id?start=2026-01-01&end=2026-07-01")
	lease := newQuery(r.under(r.name).scope, request(t, "tenant/year/month/day/mvpd/platform/application-id"), nature{}, policy, r.clock.Now()).leaseName()
	if err := r.store.Acquire(t.Context(), lease, "another", r.clock.Now().Add(time.Second)); err != nil {
		t.Errorf("the lease is still held after the fetch: %v", err)
	}
}
