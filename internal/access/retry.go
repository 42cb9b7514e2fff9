package access

import (
	"context"
	"errors"
	"time"

	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/store"
)

const (
	// patience is how long a call goes on that was given no deadline.
	patience = 2 * time.Minute
	// beforeDeadline is left of a deadline to end in good order.
	beforeDeadline = time.Second
)

// deadline returns the instant, on k's clock, at which work under ctx has to stop.
func (k *Keeper) deadline(ctx context.Context) time.Time {
	left := patience
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
		left -= min(beforeDeadline, left/2)
	}
	return k.now().Add(left)
}

// retry tells, after the n-th failure in a row, counted from 1, whether there is to be another try, and how long to wait before it.
type retry func(n int, err error) (wait time.Duration, again bool)

// repeat calls f until it succeeds, retry says that its error is final, or the next try would begin after the deadline of ctx. It
// returns f's last error.
func (k *Keeper) repeat(ctx context.Context, r retry, f func() error) error {
	return k.repeatUntil(ctx, k.deadline(ctx), r, f)
}

func (k *Keeper) repeatUntil(ctx context.Context, end time.Time, r retry, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		if err == nil {
			return nil
		}
		wait, again := r(n, err)
		if !again || k.now().Add(wait).After(end) || clock.Sleep(ctx, wait) != nil {
			return err
		}
	}
}

// backOff is the wait after the n-th failure in a row.
func backOff(n int) time.Duration {
	return min(time.Second<<min(n-1, 10), 30*time.Second)
}

// retrySecret repeats reads of secrets, which the store retries on its own, a few times only.
func retrySecret(n int, err error) (time.Duration, bool) {
	final := errors.Is(err, errUnreadable) || errors.Is(err, secrets.ErrDenied) || errors.Is(err, secrets.ErrAbsent)
	return time.Duration(n) * 200 * time.Millisecond, !final && n < 4
}

// retryStore repeats calls for leases and notes, which the store retries on its own, a few times only.
func retryStore(n int, err error) (time.Duration, bool) {
	return time.Duration(n) * 100 * time.Millisecond, n < 4 && !errors.As(err, new(*store.HeldError))
}
