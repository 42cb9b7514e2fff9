package reports

import (
	"context"
	"sync"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
)

func TestStaleWhileAdobeRefusesForAWhile(t *testing.T) {
	for _, f := range []sandbox.Fault{{Kind: "status", Status: 429}, {Kind: "status", Status: 503}, {Kind: "status", Status: 401}} {
		r := newRig(t)
		r.prove()
		const ask = "tenant/year/month/day?start=2026-07-01"
		r.same(ask)
		r.clock.Add(48 * time.Hour)
		r.behave(fault(f))
		_, source, err := r.Get(t.Context(), request(t, ask), Directives{})
		if err != nil || source != Stale {
			t.Errorf("%d: %v %v", f.Status, source, err)
		}
	}
}

func TestStaleWhileAdobeIsDown(t *testing.T) {
	r := newRig(t)
	r.prove()
	const ask = "tenant/year/month/day?start=2026-07-01"
	r.same(ask)
	r.clock.Add(48 * time.Hour)
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 500}))
	if _, source := r.get(ask); source != Stale {
		t.Errorf("down: %v", source)
	}
	r.clock.Add(policy.StaleIfError)
	if _, _, err := r.Get(t.Context(), request(t, ask), Directives{}); err == nil {
		t.Error("answered from rows that are too old")
	}
	r.behave(none)
	r.clock.Add(longestPause)
	r.same(ask)
}

func TestStaleIfErrorNeedsNoMemory(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.restart(func(o *Options) { o.Memory = 4096 })
	const ask = "tenant/year/month/day?start=2026-07-01"
	r.same(ask)
	r.clock.Add(48 * time.Hour)
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 500}))
	_, source, err := r.Get(t.Context(), request(t, ask), Directives{})
	if err != nil {
		t.Error(source, err)
	}
}

func TestAFailingRefreshIsTriedLessAndLessOften(t *testing.T) {
	r := newRig(t)
	r.prove()
	const ask = "tenant/year/month/day?start=2026-07-01"
	r.same(ask)
	r.clock.Add(time.Hour)
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 500}))
	before := r.calls()
	for range 60 {
		r.clock.Add(time.Second)
		r.get(ask)
		r.after()
	}
	if n := r.calls() - before; n > 14 || n < 4 {
		t.Errorf("%d calls in a minute of failures", n)
	}
}

func TestACallerDoesNotWaitWhereTheQueueIsFull(t *testing.T) {
	r := newRig(t)
	r.prove()
	var mu sync.Mutex
	n := 0
	r.restart(func(o *Options) {
		o.After = func(w func(context.Context)) bool {
			mu.Lock()
			defer mu.Unlock()
			n++
			return n <= 2 && r.work.Go(w)
		}
	})
	asks := []string{"tenant/year/month/day?start=2026-07-01", "year/month/day/mvpd?start=2026-07-01", "mvpd/year/month/day?start=2026-07-01"}
	for _, a := range asks {
		r.get(a)
	}
	r.clock.Add(time.Hour)
	for _, a := range asks {
		if _, source := r.get(a); source != Stale {
			t.Errorf("%s: waited for Adobe, %v", a, source)
		}
	}
}

func TestLostWorkIsDoneLater(t *testing.T) {
	r := newRig(t)
	r.prove()
	const ask = "tenant/year/month/day?start=2026-07-01"
	r.same(ask)
	r.clock.Add(time.Hour)
	r.get(ask)
	r.work.Lose()
	r.clock.Add(afterTime)
	r.get(ask)
	r.after()
	if _, source := r.get(ask); source != FromMemory {
		t.Errorf("from %v", source)
	}
}
