package reports

import (
	"testing"
	"time"
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
	other := r.process(r.Client, r.Store)
	if _, source, err := other.Get(t.Context(), request(t, ask), Directives{}); err != nil || source != FromStore {
		t.Errorf("the same in another process: %v, %v", source, err)
	}
	other = r.process(r.Client, r.Store)
	if _, source, err := other.Get(t.Context(), request(t, "/tenant/year/month/day?start=2026-05-11&end=2026-06-20"), Directives{}); err != nil || source != FromStore {
		t.Errorf("another process: %v, %v", source, err)
	}
}

func TestTailIsRefreshedAfterTheAnswer(t *testing.T) {
	r := newRig(t)
	r.prove()
	const ask = "/tenant/year/month/day?start=2026-06-01"
	r.same(ask)
	r.clock.add(46 * time.Minute)
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
	r.clock.add(25 * time.Hour)
	if source := r.same(ask); source != FromAdobe {
		t.Errorf("past the stale window: %v", source)
	}
}
