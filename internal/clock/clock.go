// Package clock waits.
package clock

import (
	"context"
	"time"
)

// Sleep waits for d, or until ctx is done: then it returns ctx's error at once. It leaves no timer behind.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Wall is the time of day alone. The monotonic clock beside it in time.Now stands still while a machine sleeps, and ages would by it.
func Wall() time.Time { return time.Now().Round(0) }
