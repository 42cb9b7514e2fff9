package rig

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"
)

// Adobe, its faults and the store live in a bubble: whoever waits there waits for no wall clock.
func TestBubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clock := &Clock{}
		adobe, kept := NewAdobe(t, clock), NewStore(t, clock)
		if _, err := kept.Notes(t.Context()); err != nil {
			t.Error(err)
		}
		ask := func(ctx context.Context) error {
			resp, err := adobe.Client.Report(ctx, adobe.Token.Value, cmu.Request{Path: []string{"year"}}, "application/json")
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = cmu.ReadReport(resp.Body, func(cmu.Row) error { return nil })
			return err
		}
		if err := ask(t.Context()); err != nil || adobe.Calls() != 1 {
			t.Errorf("%d calls, %v", adobe.Calls(), err)
		}
		for _, kind := range []string{"cut", "broken_gzip", "lost"} {
			adobe.Behave(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{{Kind: kind}} })
			if err := ask(t.Context()); err == nil {
				t.Errorf("%s: no error", kind)
			}
		}
		adobe.Behave(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{{Kind: "hang"}} })
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
		defer cancel()
		began := time.Now()
		if err := ask(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 50*time.Second {
			t.Errorf("hung for %v: %v", time.Since(began), err)
		}
	})
}

func TestAfter(t *testing.T) {
	var a After
	var done []int
	work := func(n int) func(context.Context) { return func(context.Context) { done = append(done, n) } }
	a.Go(work(1))
	a.Go(func(context.Context) { a.Go(work(3)) })
	a.Go(work(2))
	a.Run()
	a.Go(work(4))
	a.Lose()
	a.Run()
	if !slices.Equal(done, []int{1, 2, 3}) {
		t.Errorf("done %v", done)
	}
}

func TestClock(t *testing.T) {
	var c Clock
	c.Add(time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Sleep(ctx, time.Minute); !errors.Is(err, context.Canceled) || c.Now() != Tuesday.Add(61*time.Second) {
		t.Errorf("%v at %v", err, c.Now())
	}
}
