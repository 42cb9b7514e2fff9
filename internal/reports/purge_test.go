package reports

import (
	"context"
	"fmt"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

func TestPurge(t *testing.T) {
	r := newRig(t)
	r.prove()
	asks := []string{
		"year/month/day?start=2026-06&end=2026-07", "year/month/day?start=2026-06&end=2026-07&metrics=active-users", "year/month?start=2026-01&end=2026-07", "mvpd",
	}
	other := r.process()
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
		if n, err := r.Purge(t.Context(), request(t, what), false); n.Deleted != want || err != nil {
			t.Errorf("purge of %q: %d, %v; want %d", what, n, err, want)
		}
		r.clock.Add(notesAge + time.Second)
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

func TestPurgeIsSeenByProcessesThatAnswerFromBlocks(t *testing.T) {
	r := newRig(t)
	r.prove()
	other := r.process()
	if _, _, err := other.Get(t.Context(), request(t, "tenant/year/month/day?start=2026-05-01&end=2026-07-01"), Directives{}); err != nil {
		t.Fatal(err)
	}
	r.clock.Add(time.Second)
	if _, err := r.Purge(t.Context(), cmu.Request{}, false); err != nil {
		t.Fatal(err)
	}
	for d := 2; d < 28; d++ {
		r.clock.Add(10 * time.Minute)
		_, source, err := other.Get(t.Context(), request(t, fmt.Sprintf("tenant/year/month/day?start=2026-05-%02d&end=2026-06-%02d", d, d)), Directives{})
		r.after()
		if err != nil {
			t.Fatal(err)
		}
		if source != FromMemory {
			return
		}
	}
	t.Error("never seen")
}

func TestPurgeIsNotUndoneByAFetchUnderWay(t *testing.T) {
	r := newRig(t)
	r.prove()
	const ask = "tenant/year/month/day?start=2026-07-01"
	r.same(ask)
	r.behave(func(b *sandbox.Behaviour) { b.Restatements = []sandbox.Restatement{{Day: "2026-07-03", Version: 1}} })
	r.clock.Add(time.Hour)
	r.get(ask) // stale
	token := r.token
	r.token = func(ctx context.Context) (upstream.Token, error) {
		r.token = token
		if _, err := r.Purge(ctx, cmu.Request{}, false); err != nil {
			t.Fatal(err)
		}
		return token(ctx)
	}
	r.after()
	r.same(ask)
}

// The first answer after a purge is sliced as the very first is: nothing of it is asked for again.
func TestTheFirstAnswerAfterAPurgeIsSliced(t *testing.T) {
	r := newRig(t)
	if _, err := r.Purge(t.Context(), cmu.Request{}, false); err != nil {
		t.Fatal(err)
	}
	r.same(daily)
	r.after() // the proof, and the rows of the answer are sliced
	before := r.calls()
	for _, window := range []string{"start=2026-05-11&end=2026-06-20", "start=2026-05-10&end=2026-05-11", "start=2026-06-01&end=2026-06-19"} {
		if rows, source := r.get("tenant/year/month/day?" + window); source != FromMemory || len(rows) == 0 {
			t.Errorf("%s: %d rows from %v", window, len(rows), source)
		}
	}
	if n := r.calls() - before; n != 0 {
		t.Errorf("%d calls for what was known, want 0", n)
	}
}

// TestPurgeWhileTheStoreIsReadOrWritten purges in the middle of a read, and of a write: neither brings back what was deleted.
func TestPurgeWhileTheStoreIsReadOrWritten(t *testing.T) {
	for _, during := range []string{"Blocks", "Put"} {
		r := newRig(t)
		r.prove()
		const ask = "tenant/year/month/day?start=2026-07-01&end=2026-07-15"
		if during == "Blocks" {
			r.same(ask)
		}
		armed := true
		r.restart(func(o *Options) {
			o.Store = &pausing{Store: r.store, do: func(op string) {
				if op == during && armed {
					armed = false
					if _, err := r.Purge(t.Context(), cmu.Request{}, false); err != nil {
						t.Error(err)
					}
				}
			}}
		})
		r.get(ask)
		r.after()
		if armed {
			t.Fatalf("no %s", during)
		}
		r.behave(func(b *sandbox.Behaviour) { b.Restatements = []sandbox.Restatement{{Day: "2026-07-03", Version: 1}} })
		if during == "Put" {
			r.same(ask)
			continue
		}
		r.restart()
		r.same(ask)
	}
}

// pausing is a store that does something after a read, and before a write reaches it.
type pausing struct {
	store.Store
	do func(op string)
}

func (p *pausing) Blocks(ctx context.Context, report store.Report, first, last string) ([]store.Block, error) {
	b, err := p.Store.Blocks(ctx, report, first, last)
	p.do("Blocks")
	return b, err
}

func (p *pausing) Put(ctx context.Context, report store.Report, b store.Block) error {
	p.do("Put")
	return p.Store.Put(ctx, report, b)
}
