// Package clock tells the time and waits.
package clock

import (
	"context"
	"time"
)

// Now is the time of the wall clock alone. Go's [time.Now] holds the monotonic clock besides, which times are told apart by, and which stands still
// while a laptop sleeps or an instance of a function is frozen: what is hours old would be fresh.
func Now() time.Time { return time.Now().Round(0) }

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
