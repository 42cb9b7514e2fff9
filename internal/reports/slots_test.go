package reports

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/store/storetest"
)

// total bounds the calls of all processes.
func total(n int) func(*Options) { return func(o *Options) { o.Total = n } }

// gauge counts the calls to Adobe that run at once.
func (r *rig) gauge() *atomic.Int64 {
	var running, most atomic.Int64
	adobe := r.carry
	r.carry = carrier(func(q *http.Request) (*http.Response, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for before := most.Load(); n > before && !most.CompareAndSwap(before, n); before = most.Load() {
		}
		return adobe.RoundTrip(q)
	})
	return &most
}

// TestCallsOfAllProcessesAreBounded opens a wide request in each of many processes, and then asks for a narrow one in another.
func TestCallsOfAllProcessesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.prove()
		r.slow(adobeTakes)
		most := r.gauge()
		ctx, leave := context.WithCancel(t.Context())
		var crowd sync.WaitGroup
		for i := range 40 {
			s := r.process(limit(300), total(8))
			crowd.Go(func() { s.Get(ctx, request(t, wide(i)), Directives{}) })
		}
		time.Sleep(5 * time.Second)
		before := r.calls()
		time.Sleep(10 * adobeTakes)
		if n := r.calls() - before; most.Load() != 8 || n < 60 {
			t.Errorf("%d calls at once, %d in ten latencies", most.Load(), n)
		}
		for i := range 5 {
			began := time.Now()
			_, _, err := r.process(total(8)).Get(t.Context(), request(t, fmt.Sprintf(others, i)), Directives{})
			if took := time.Since(began); err != nil || took > 10*adobeTakes {
				t.Errorf("a narrow report after %v, %v", took, err)
			}
		}
		leave()
		crowd.Wait()
		time.Sleep(time.Minute)
	})
}

// TestWhatASlotCosts counts what the store is asked for one call more, and has it fail, and its holder be killed.
func TestWhatASlotCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.prove()
		r.slow(adobeTakes)
		asked, failing := map[string]int{}, ""
		var mu sync.Mutex
		hook := r.faulty(func(op string) storetest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if asked[op]++; failing != "" && strings.Contains(failing, op) {
				return storetest.Failed
			}
			return storetest.None
		})
		count := func(i, bound int) (leases int) {
			clear(asked)
			r.restart(hook, total(bound))
			if _, _, err := r.Get(t.Context(), request(t, fmt.Sprintf(others, i)), Directives{}); err != nil {
				t.Error(err)
			}
			return asked["Acquire"] + asked["Release"]
		}
		if without, with := count(1, 0), count(2, 8); without != 2 || with != 4 {
			t.Errorf("%d leases without slots, %d with", without, with)
		}
		failing = "Acquire Release"
		count(3, 8)
		failing = ""
		for n := range 8 {
			if err := r.store.Acquire(t.Context(), fmt.Sprintf("adobe/%d", n), "dead", r.clock.Now().Add(leaseTime)); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		count(4, 8)
		if took := time.Since(began); took < leaseTime || took > leaseTime+2*adobeTakes {
			t.Errorf("after all who had a slot were killed: %v", took)
		}
	})
}
