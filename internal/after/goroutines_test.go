package after_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/after"
	"cmu-gateway/internal/rig"
)

func TestGoroutines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := rig.NewLog(t)
		log.Expect(`cause="work panics"`)
		g := after.NewGoroutines(log.Logger)
		release := make(chan struct{})
		for range 16 {
			if !g.Go(func(ctx context.Context) {
				if d, ok := ctx.Deadline(); !ok || time.Until(d) != 25*time.Second {
					t.Errorf("deadline %v, %v", d, ok)
				}
				<-release
				panic("work panics")
			}) {
				t.Fatal("work is refused")
			}
		}
		synctest.Wait()
		if g.Go(func(context.Context) {}) {
			t.Error("a seventeenth is taken")
		}
		close(release)
		if err := g.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "work panics"); n != 16 {
			t.Errorf("%d panics in the log", n)
		}
		if g.Go(func(context.Context) {}) {
			t.Error("work is taken after Close")
		}
	})
}

func TestGoroutinesCloseOutOfPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := after.NewGoroutines(rig.NewLog(t).Logger)
		var ended error
		g.Go(func(ctx context.Context) {
			<-ctx.Done()
			ended = ctx.Err()
		})
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := g.Close(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("Close returned after %v: %v", time.Since(began), err)
		}
		synctest.Wait()
		if !errors.Is(ended, context.Canceled) {
			t.Errorf("the work was told %v", ended)
		}
	})
}

// Work that does not end by itself ends when its time is up.
func TestGoroutinesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := after.NewGoroutines(rig.NewLog(t).Logger)
		began := time.Now()
		g.Go(func(ctx context.Context) { <-ctx.Done() })
		if err := g.Close(t.Context()); err != nil || time.Since(began) != 25*time.Second {
			t.Errorf("Close returned after %v: %v", time.Since(began), err)
		}
	})
}
