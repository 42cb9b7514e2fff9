package access

import (
	"context"
	"time"
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
	// beyondCall is how long a lease lasts past the longest call to Adobe. Two registrations at once leave an orphan, so there
	// the clocks of two processes may differ by minutes.
	beyondCall         = 10 * time.Second
	beyondRegistration = 4 * time.Minute
)

func (k *Keeper) lease(name string, beyond time.Duration) lease {
	call := k.Client.Timeout
	if call == 0 {
		call = time.Minute
	}
	return lease{k, name, k.holder(), call + beyond}
}

// take takes the lease or extends it. It returns a *store.HeldError when another holds it.
func (l lease) take(ctx context.Context) error {
	return l.k.repeat(ctx, l.k.end(ctx), storeWait, func() error {
		return l.k.Store.Acquire(ctx, l.name, l.holder, l.k.now().Add(l.life))
	})
}

// release frees the lease if it is held. When that fails, the lease ends by itself.
func (l lease) release(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = l.k.repeat(ctx, l.k.end(ctx), storeWait, func() error { return l.k.Store.Release(ctx, l.name, l.holder) })
}
