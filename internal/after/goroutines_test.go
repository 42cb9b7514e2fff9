package after_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/after"
)

func TestGoroutines(t *testing.T) {
	var log bytes.Buffer
	g := after.NewGoroutines(slog.New(slog.NewTextHandler(&log, nil)))
	release, began := make(chan struct{}), make(chan struct{}, 16)
	for range 16 {
		if !g.Go(func(ctx context.Context) {
			if d, ok := ctx.Deadline(); !ok || time.Until(d) > 25*time.Second {
				t.Errorf("deadline %v, %v", d, ok)
			}
			began <- struct{}{}
			<-release
			panic("work panics")
		}) {
			t.Fatal("work is refused")
		}
	}
	for range 16 {
		<-began
	}
	if g.Go(func(context.Context) {}) {
		t.Error("a seventeenth is taken")
	}
	close(release)
	if err := g.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "work panics"); n != 16 {
		t.Errorf("%d panics in the log", n)
	}
	if g.Go(func(context.Context) {}) {
		t.Error("work is taken after Close")
	}
}

func TestGoroutinesCloseOutOfPatience(t *testing.T) {
	g := after.NewGoroutines(slog.New(slog.DiscardHandler))
	ended := make(chan struct{})
	g.Go(func(ctx context.Context) {
		<-ctx.Done()
		close(ended)
	})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-ended
}
