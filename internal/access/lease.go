package access

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/store"
)

// lease is the right to write. It lasts for a time that outlives one call to Adobe, and is taken again before each.
type lease struct {
	k            *Keeper
	name, holder string
	life         time.Duration
}

const (
	leaseRegister = "access.register"
	leaseRefresh  = "access.refresh"
	// beyondCall is how long a lease lasts past the longest call to Adobe. After a registration, it has to last for a try to store
	// the answer, and by the clock of another process; longer, and whoever follows a process that was killed waits in vain.
	beyondCall         = 10 * time.Second
	beyondRegistration = 30 * time.Second
)

func (k *Keeper) newLease(name string, beyond time.Duration) lease {
	holder := rand.Text()
	if k.o.Holder != "" {
		holder = k.o.Holder + "/" + holder
	}
	call := k.o.Client.Timeout
	if call == 0 {
		call = time.Minute
	}
	return lease{k, name, holder, call + beyond}
}

// errNoLease: the store does not say who may write.
var errNoLease = errors.New("no lease can be had")

// alone calls look, takes the lease, calls look again, and then act; the lease is freed at the end. While another process holds it,
// it waits, of which waits is told unless nil, and looks again before each try. Look tells, by done, that there is nothing to do
// any more, and is told whether the lease is held. Alone returns an error of look or act, or errNoLease, wrapped.
func (k *Keeper) alone(ctx context.Context, l lease, waits func(message string),
	look func(ctx context.Context, held bool) (done bool, err error), act func(ctx context.Context) error) error {
	end := k.deadline(ctx)
	var told time.Time
	for n := 1; ; n++ {
		if done, err := look(ctx, false); done || err != nil {
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
			return fmt.Errorf("%s is %s, until %s at the latest; ask again then: %w", l.worker(), l.work(), held.Until.UTC().Format(time.RFC3339), err)
		}
		if waits != nil && !held.Until.Equal(told) {
			told = held.Until
			waits(fmt.Sprintf("%s is %s: this one goes on when that is done, at %s UTC at the latest",
				l.worker(), l.work(), held.Until.UTC().Format(time.TimeOnly)))
		}
		if err := clock.Sleep(ctx, poll); err != nil {
			return err
		}
	}
	k.atWork[l.name].Add(1)
	defer func() {
		l.release(ctx)
		k.atWork[l.name].Add(-1)
	}()
	if done, err := look(ctx, true); done || err != nil {
		return err
	}
	return act(ctx)
}

// worker says who holds the lease.
func (l lease) worker() string {
	if l.k.atWork[l.name].Load() > 0 {
		return "another call of this process"
	}
	return "another process"
}

// work says what the holder of the lease does.
func (l lease) work() string {
	if l.name == leaseRegister {
		return "registering"
	}
	return "renewing the access token"
}

// take takes the lease or extends it. It returns a *store.HeldError when another holds it.
func (l lease) take(ctx context.Context) error {
	return l.k.repeat(ctx, retryStore, func() error {
		return l.k.o.Leases.Acquire(ctx, l.name, l.holder, l.k.now().Add(l.life))
	})
}

// release frees the lease if it is held. When that fails, the lease ends by itself.
func (l lease) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = l.k.repeat(ctx, retryStore, func() error { return l.k.o.Leases.Release(ctx, l.name, l.holder) })
}
