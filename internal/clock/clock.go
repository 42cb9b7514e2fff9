// Package clock tells the time and waits.
package clock

import (
	"context"
	"time"
)

// Wall is the time of the wall clock alone. The monotonic clock beside it in [time.Now], by which times are told apart, stands still while a laptop
// sleeps or an instance of a function is frozen, and ages would by it.
func Wall() time.Time { return time.Now().Round(0) }

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
