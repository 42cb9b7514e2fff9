// Package access keeps the client credentials and the access token valid. What to do is decided by pure functions of a
// state and an instant; what is done is done by one process at a time, under a lease, after a second look.
//
// A Keeper registers and refreshes and needs all three secrets. Tokens hands the token to those who ask Adobe for reports: it
// holds neither the software statement nor the client secret.
package access

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"sync/atomic"
	"time"

	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// Keeper writes the credentials and the token. Client, Secrets, Store and the names are required; every other field's zero
// value is documented. A Keeper may be used by many goroutines at once and must not be changed then.
type Keeper struct {
	Client  *cmu.Client
	Secrets secrets.Store
	// Store holds the leases that make one process at a time write, and notes of what happened.
	Store store.Store

	// The names of the three secrets. The refresh function has no access to the statement, the register function none to
	// the token: a name is used only when its secret is needed.
	StatementName, CredentialsName, TokenName string

	// RegisterInterval is the shortest time between two registrations that replace credentials and that nobody forced; zero
	// is 24 hours. The first registration, for want of credentials, does not count.
	RegisterInterval time.Duration
	// AskRegister makes credentials be registered elsewhere, such as by another function, and may return before that is done. Nil:
	// Refresh registers in this process.
	AskRegister func(ctx context.Context, reason string) error

	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Sleep waits for d or until ctx is done, and returns ctx's error then; nil waits by a timer.
	Sleep func(ctx context.Context, d time.Duration) error
	// Waits is told, in a sentence, that another process is at work and until when at the latest this one waits for it, and told
	// again when that changes. It is called in the goroutine that waits. Nil: nobody is told.
	Waits func(message string)
	// Log gets the events; nil is slog.Default.
	Log *slog.Logger
	// Holder names this process in leases, for people who look at them; a random part is added for every call.
	Holder string

	// unstored are credentials that could not be stored: as long as this process lives, they need not be lost.
	unstored atomic.Pointer[credentials]
}

func (k *Keeper) now() time.Time {
	if k.Now != nil {
		return k.Now()
	}
	return time.Now()
}

func (k *Keeper) sleep(ctx context.Context, d time.Duration) error {
	if k.Sleep != nil {
		return k.Sleep(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (k *Keeper) registerInterval() time.Duration {
	if k.RegisterInterval > 0 {
		return k.RegisterInterval
	}
	return 24 * time.Hour
}

func (k *Keeper) holder() string {
	if k.Holder == "" {
		return rand.Text()
	}
	return k.Holder + "/" + rand.Text()
}

const (
	// patience is how long a call goes on that was given no deadline.
	patience = 2 * time.Minute
	// beforeDeadline is left of a deadline to end in good order.
	beforeDeadline = time.Second
)

// end returns the instant, on k's clock, at which work under ctx has to stop.
func (k *Keeper) end(ctx context.Context) time.Time {
	left := patience
	if deadline, ok := ctx.Deadline(); ok {
		left = time.Until(deadline)
		left -= min(beforeDeadline, left/2)
	}
	return k.now().Add(left)
}

// alone calls act under a lease, for which it waits if need be. look tells whether there is nothing to do any more: it is called
// before each try to take the lease, and again when the lease is taken.
func (k *Keeper) alone(ctx context.Context, l lease, look func(held bool) (done bool, err error), act func() error) error {
	end := k.end(ctx)
	var told time.Time
	for n := 1; ; n++ {
		if done, err := look(false); done || err != nil {
			return err
		}
		err := l.take(ctx)
		if err == nil {
			break
		}
		var held *store.HeldError
		if !errors.As(err, &held) {
			return fmt.Errorf("%w: %w", errNoLease, err)
		}
		poll := min(time.Duration(n)*200*time.Millisecond, 2*time.Second)
		poll += mathrand.N(poll) // those who began at once do not come back at once
		if k.now().Add(poll).After(end) {
			return fmt.Errorf("another process is %s, until %s at the latest; ask again then: %w", l.work(), held.Until.UTC().Format(time.RFC3339), err)
		}
		if k.Waits != nil && !held.Until.Equal(told) {
			told = held.Until
			k.Waits(fmt.Sprintf("another process is %s: this one goes on when that is done, at %s UTC at the latest",
				l.work(), held.Until.UTC().Format(time.TimeOnly)))
		}
		if err := k.sleep(ctx, poll); err != nil {
			return err
		}
	}
	defer l.release(ctx)
	if done, err := look(true); done || err != nil {
		return err
	}
	return act()
}

// errNoLease: the store does not say who may write.
var errNoLease = errors.New("no lease can be had")

// within runs f with a context that ends at end, on k's clock.
func (k *Keeper) within(ctx context.Context, end time.Time, f func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, end.Sub(k.now()))
	defer cancel()
	return f(ctx)
}

// repeat calls f until it succeeds, wait says that its error is final, or the next try would begin after end. It returns f's
// last error. n counts the failures, from 1.
func (k *Keeper) repeat(ctx context.Context, end time.Time, wait func(n int, err error) (time.Duration, bool), f func() error) error {
	for n := 1; ; n++ {
		err := f()
		if err == nil {
			return nil
		}
		d, again := wait(n, err)
		if !again || k.now().Add(d).After(end) || k.sleep(ctx, d) != nil {
			return err
		}
	}
}

// backOff is the wait after the n-th failure in a row.
func backOff(n int) time.Duration {
	return min(time.Second<<min(n-1, 10), 30*time.Second)
}
