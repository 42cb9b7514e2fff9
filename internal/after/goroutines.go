package after

import (
	"context"
	"log/slog"
	"sync"
)

// Goroutines runs work at once, beside whatever else the process does. NewGoroutines makes one.
type Goroutines struct {
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	slots  chan struct{}

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

// NewGoroutines returns a Goroutines that logs panics of work to log.
func NewGoroutines(log *slog.Logger) *Goroutines {
	ctx, cancel := context.WithCancel(context.Background())
	return &Goroutines{log: log, ctx: ctx, cancel: cancel, slots: make(chan struct{}, maxQueued)}
}

// Go runs work. The context given to it ends after 25 seconds or when Close is out of patience. Go returns false, and work is
// not run, when too much is running or after Close.
func (g *Goroutines) Go(work func(context.Context)) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	select {
	case g.slots <- struct{}{}:
	default:
		return false
	}
	g.running.Go(func() {
		defer func() { <-g.slots }()
		ctx, cancel := context.WithTimeout(g.ctx, maxTime)
		defer cancel()
		run(ctx, work, g.log)
	})
	return true
}

// Close takes no more work and waits for what is running. When ctx ends first, the work is told to end and Close returns at
// once, with the error of ctx.
func (g *Goroutines) Close(ctx context.Context) error {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	defer g.cancel()
	done := make(chan struct{})
	go func() {
		g.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
