package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/store"
)

func held(t *testing.T, err error, lease string, until time.Time) {
	t.Helper()
	var h *store.HeldError
	if !errors.As(err, &h) {
		t.Fatalf("Acquire of a held lease: %v", err)
	}
	if h.Lease != lease || !h.Until.Equal(until) {
		t.Errorf("HeldError: %+v; want %s until %s", h, lease, until)
	}
}

func leases(t *testing.T, s store.Store, c *clock) {
	acquire := func(lease, holder string, until time.Time) {
		t.Helper()
		if err := s.Acquire(ctx, lease, holder, until); err != nil {
			t.Fatalf("Acquire of %s by %s: %v", lease, holder, err)
		}
	}
	release := func(lease, holder string) {
		t.Helper()
		if err := s.Release(ctx, lease, holder); err != nil {
			t.Fatalf("Release of %s by %s: %v", lease, holder, err)
		}
	}
	until := start.Add(1500 * time.Millisecond)
	acquire("a", "x", until)
	held(t, s.Acquire(ctx, "a", "y", until.Add(time.Hour)), "a", until)
	acquire("b", "y", until)

	later := until.Add(time.Second)
	acquire("a", "x", later)
	held(t, s.Acquire(ctx, "a", "y", later), "a", later)

	release("a", "y")
	held(t, s.Acquire(ctx, "a", "y", later), "a", later)
	release("a", "x")
	release("a", "x")
	release("never held", "x")
	acquire("a", "y", later)

	c.set(later.Add(-time.Millisecond))
	held(t, s.Acquire(ctx, "a", "x", later.Add(time.Hour)), "a", later)
	c.set(later)
	acquire("a", "x", later.Add(time.Hour))
	// Who lost the lease by time does not free it for the new holder.
	release("a", "y")
	held(t, s.Acquire(ctx, "a", "y", later), "a", later.Add(time.Hour))
	if err := s.Acquire(ctx, "", "x", later); err == nil {
		t.Error("Acquire of a lease without a name succeeded")
	}
}

func oneHolder(t *testing.T, s store.Store, c *clock) {
	for round := range 3 {
		until := c.now().Add(time.Minute)
		var got atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				err := s.Acquire(ctx, "one", fmt.Sprintf("holder %d of round %d", i, round), until)
				var h *store.HeldError
				switch {
				case err == nil:
					got.Add(1)
				case !errors.As(err, &h):
					t.Errorf("Acquire: %v", err)
				}
			})
		}
		wg.Wait()
		if got.Load() != 1 {
			t.Errorf("round %d: %d hold the lease", round, got.Load())
		}
		c.set(until)
	}
}

func notes(t *testing.T, s store.Store, c *clock) {
	wantNotes := func(want map[string]store.Note) {
		t.Helper()
		got, err := s.Notes(ctx)
		if err != nil {
			t.Fatalf("Notes: %v", err)
		}
		equal := maps.EqualFunc(got, want, func(a, b store.Note) bool {
			return bytes.Equal(a.Value, b.Value) && a.Expires.Equal(b.Expires.Truncate(time.Second))
		})
		if !equal {
			t.Errorf("Notes: got %v, want %v", got, want)
		}
	}
	putNote := func(name string, n store.Note) {
		t.Helper()
		if err := s.PutNote(ctx, name, n); err != nil {
			t.Fatalf("PutNote: %v", err)
		}
	}
	wantNotes(nil)
	cooldown := store.Note{Value: []byte("wait"), Expires: start.Add(time.Minute)}
	verdict := store.Note{Value: noise(4096, 7)}
	empty := store.Note{}
	putNote("cool-down", store.Note{Value: []byte("first"), Expires: start.Add(time.Second)})
	putNote("cool-down", cooldown)
	putNote("verdict", verdict)
	putNote("empty", empty)
	wantNotes(map[string]store.Note{"cool-down": cooldown, "verdict": verdict, "empty": empty})
	c.advance(2 * time.Second)
	putNote("another write", store.Note{Value: []byte("x")})
	wantNotes(map[string]store.Note{"cool-down": cooldown, "verdict": verdict, "empty": empty, "another write": {Value: []byte("x")}})
	for _, name := range []string{"another write", "empty", "empty", "never there"} {
		if err := s.DeleteNote(ctx, name); err != nil {
			t.Errorf("DeleteNote: %v", err)
		}
	}
	wantNotes(map[string]store.Note{"cool-down": cooldown, "verdict": verdict})
	c.set(cooldown.Expires.Truncate(time.Second))
	wantNotes(map[string]store.Note{"verdict": verdict})
	if err := s.PutNote(ctx, "", verdict); err == nil {
		t.Error("PutNote without a name succeeded")
	}
}
