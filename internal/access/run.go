package access

import (
	"context"
	"time"

	"cmu-gateway/internal/clock"
)

// Run refreshes until ctx ends: when there is something to do, and at least once in every; zero is five minutes. A failure is
// logged by Refresh and does not end it.
func (k *Keeper) Run(ctx context.Context, every time.Duration) {
	if every <= 0 {
		every = 5 * time.Minute
	}
	for failures := 0; ; {
		result, err := k.Refresh(ctx, RefreshOptions{})
		pause := every
		if err != nil {
			failures++
			pause = min(every, 5*backOff(failures))
		} else {
			failures = 0
			if next := result.Next.Sub(k.now()); next > 0 {
				pause = min(every, next+time.Second)
			}
		}
		if clock.Sleep(ctx, pause) != nil {
			return
		}
	}
}
