// Package rig is what the tests of several packages stand on: a clock that they move, a simulated Adobe with a login, an empty
// store, the work that waits for answers to be sent, and a log that fails the test on errors that it did not expect. Only tests
// import it.
package rig

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/store"
)

// Tuesday is the instant that tests begin at: inside the simulated data, at no round time of day.
var Tuesday = time.Date(2026, 7, 21, 13, 47, 20, 0, time.UTC)

// Policy is that of the settings' defaults, for a zone that is not known.
var Policy = plan.Policy{
	Minute: 15 * time.Second, Hour: 15 * time.Minute, Day: 45 * time.Minute, Month: 12 * time.Hour, Level: 6 * time.Hour,
	Settled: 720 * time.Hour, Stale: 24 * time.Hour, StaleIfError: 168 * time.Hour, Margin: 12 * time.Hour,
}

// Clock is a time that tests move. The zero value stands at Tuesday. It is safe for concurrent use.
type Clock struct {
	moved atomic.Int64
	going atomic.Pointer[time.Time] // since when the clock goes by itself; nil: it does not
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	now := Tuesday.Add(time.Duration(c.moved.Load()))
	if since := c.going.Load(); since != nil {
		now = now.Add(time.Since(*since))
	}
	return now
}

// Go has the clock go on by itself as time does in a bubble of testing/synctest, where Sleep waits then.
func (c *Clock) Go() {
	now := time.Now()
	c.going.Store(&now)
}

// Add moves the clock by d.
func (c *Clock) Add(d time.Duration) { c.moved.Add(int64(d)) }

// Sleep moves the clock by d and returns at once, with the error of ctx. Where the clock goes by itself it waits.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	if c.going.Load() != nil {
		return clock.Sleep(ctx, d)
	}
	c.Add(d)
	return ctx.Err()
}

// After is the work that waits for answers to be sent. The zero value is empty. It is safe for concurrent use.
type After struct {
	mu    sync.Mutex
	queue []func(context.Context)
}

// Go takes work. It returns true.
func (a *After) Go(work func(context.Context)) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue = append(a.queue, work)
	return true
}

// Run does all the work, and the work that it makes in turn.
func (a *After) Run() {
	for queue := a.take(); len(queue) > 0; queue = a.take() {
		for _, work := range queue {
			work(context.Background())
		}
	}
}

// Lose forgets all the work, as a process that ends does.
func (a *After) Lose() { a.take() }

func (a *After) take() []func(context.Context) {
	a.mu.Lock()
	defer a.mu.Unlock()
	queue := a.queue
	a.queue = nil
	return queue
}

// NewStore returns an empty store in a file, which is closed when the test ends.
func NewStore(t testing.TB, c *Clock) store.Store {
	t.Helper()
	s, err := store.OpenBolt(filepath.Join(t.TempDir(), "cache.db"), store.BoltOptions{Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
