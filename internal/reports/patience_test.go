package reports

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store"
)

// hanging is a store whose calls do not end before their context, or are slow, or are refused as too many.
type hanging struct {
	store.Store
	hang  atomic.Bool
	slow  time.Duration
	busy  atomic.Int32 // so many reads to come are refused
	calls atomic.Int32
}

func (h *hanging) wait(ctx context.Context) error {
	h.calls.Add(1)
	if h.hang.Load() {
		<-ctx.Done()
		return ctx.Err()
	}
	return clock.Sleep(ctx, h.slow)
}

func (h *hanging) Blocks(ctx context.Context, report store.Report, first, last string) ([]store.Block, error) {
	if err := h.wait(ctx); err != nil {
		return nil, err
	}
	if h.busy.Add(-1) >= 0 {
		return nil, fmt.Errorf("%w: injected", store.ErrBusy)
	}
	return h.Store.Blocks(ctx, report, first, last)
}

func (h *hanging) Put(ctx context.Context, report store.Report, b store.Block) error {
	if err := h.wait(ctx); err != nil {
		return err
	}
	return h.Store.Put(ctx, report, b)
}

func (h *hanging) Acquire(ctx context.Context, lease, holder string, until time.Time) error {
	if err := h.wait(ctx); err != nil {
		return err
	}
	return h.Store.Acquire(ctx, lease, holder, until)
}

func (h *hanging) Release(ctx context.Context, lease, holder string) error {
	if err := h.wait(ctx); err != nil {
		return err
	}
	return h.Store.Release(ctx, lease, holder)
}

func (h *hanging) Notes(ctx context.Context) (map[string]store.Note, error) {
	if err := h.wait(ctx); err != nil {
		return nil, err
	}
	return h.Store.Notes(ctx)
}

func (h *hanging) PutNote(ctx context.Context, name string, n store.Note) error {
	if err := h.wait(ctx); err != nil {
		return err
	}
	return h.Store.PutNote(ctx, name, n)
}

func (h *hanging) Size(ctx context.Context) (store.Size, error) {
	if err := h.wait(ctx); err != nil {
		return store.Size{}, err
	}
	return h.Store.Size(ctx)
}

// inPatience runs a test over a store that hangs as told, in time that the test moves.
func inPatience(t *testing.T, test func(t *testing.T, r *rig, h *hanging, took func() time.Duration)) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.prove()
		r.get(daily)
		r.after()
		h := &hanging{Store: r.store}
		begun := time.Now()
		shift := r.clock.Now().Sub(begun)
		r.restart(func(o *Options) {
			o.Store, o.Sleep = h, clock.Sleep
			o.Now = func() time.Time { return time.Now().Add(shift) }
		})
		test(t, r, h, func() time.Duration {
			d := time.Since(begun)
			begun = time.Now()
			return d
		})
	})
}

func TestStoreThatHangs(t *testing.T) {
	inPatience(t, func(t *testing.T, r *rig, h *hanging, took func() time.Duration) {
		h.hang.Store(true)
		source := r.same(daily)
		if d := took(); source != FromAdobe || d > storeTime+time.Second {
			t.Errorf("from %v after %v", source, d)
		}
		if !strings.Contains(r.log.String(), "event=store_unavailable") {
			t.Error("the log says nothing of it")
		}
		// What is not known to be absent is not said to be.
		other := request(t, "tenant/year/month/day?start=2026-02-01&end=2026-03-01")
		if _, _, err := r.Get(t.Context(), other, Directives{OnlyIfCached: true}); !errors.Is(err, ErrStore) || errors.Is(err, ErrNotCached) {
			t.Errorf("only if cached: %v", err)
		}
		if d := took(); d > storeTime+time.Second {
			t.Errorf("after %v", d)
		}
		if _, err := r.Status(t.Context()); !errors.Is(err, ErrStore) {
			t.Errorf("status: %v", err)
		}
		if d := took(); d > storeTime {
			t.Errorf("status after %v", d)
		}
		r.behave(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: 503}} })
		_, _, err := r.Get(t.Context(), other, Directives{})
		if unavailable := (*UnavailableError)(nil); !errors.As(err, &unavailable) || !errors.Is(err, ErrStore) || !strings.Contains(err.Error(), "what is kept cannot be read") {
			t.Errorf("while Adobe pauses: %v", err)
		}
		if d := took(); d > 2*storeTime {
			t.Errorf("after %v", d)
		}
	})
}

// Calls that each are fast enough, and are not so together.
func TestStoreThatIsSlow(t *testing.T) {
	inPatience(t, func(t *testing.T, r *rig, h *hanging, took func() time.Duration) {
		h.slow = 1900 * time.Millisecond
		if source := r.same(daily); source != FromStore {
			t.Errorf("from %v", source)
		}
		took()
		r.same("tenant/year/month/day?start=2026-01-10&end=2026-02-01")
		if d := took(); d > storeTime+time.Second {
			t.Errorf("after %v", d)
		}
	})
}

// A table that has no room for a moment is not one that holds nothing.
func TestStoreThatIsBusy(t *testing.T) {
	inPatience(t, func(t *testing.T, r *rig, h *hanging, _ func() time.Duration) {
		h.busy.Store(3)
		before := r.calls()
		if source := r.same(daily); source != FromStore || r.calls() != before+1 { // same asks Adobe itself
			t.Errorf("from %v, %d calls", source, r.calls()-before)
		}
	})
}

// Who polls for the lease of another for long does not take the store for slow.
func TestPatienceWhileALeaseIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &patient{&hanging{}, time.Now, clock.Sleep}
		ctx := withPatience(t.Context())
		for range 150 {
			if err := s.do(ctx, func(ctx context.Context) error {
				time.Sleep(100 * time.Millisecond)
				return &store.HeldError{}
			}); !errors.As(err, new(*store.HeldError)) {
				t.Fatal(err)
			}
		}
		if err := s.do(ctx, func(context.Context) error { return nil }); err != nil {
			t.Error(err)
		}
	})
}

// Work after an answer may take its time.
func TestPatienceIsTheRequestsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &hanging{slow: 4 * time.Second}
		s := &patient{h, time.Now, clock.Sleep}
		if err := s.do(t.Context(), h.wait); err != nil {
			t.Error(err)
		}
		ctx := withPatience(t.Context())
		began := time.Now()
		if err := s.do(ctx, h.wait); !errors.Is(err, ErrStore) || time.Since(began) > storeTime {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if err := s.do(ctx, h.wait); !errors.Is(err, ErrStore) || time.Since(began) > storeTime {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if n := h.calls.Load(); n != 3 {
			t.Errorf("%d calls", n)
		}
	})
}
