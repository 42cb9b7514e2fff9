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
	// beyondCall is how long a lease lasts past the longest call to Adobe. After a registration, it has to last for a try to store
	// the answer, and by the clock of another process; longer, and whoever follows a process that was killed waits in vain.
	beyondCall         = 10 * time.Second
	beyondRegistration = 30 * time.Second
)

func (k *Keeper) lease(name string, beyond time.Duration) lease {
	call := k.Client.Timeout
	if call == 0 {
		call = time.Minute
	}
	return lease{k, name, k.holder(), call + beyond}
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
