package reports

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"cmu-gateway/internal/store"
)

// turns sees to it that one fetch at a time goes on under a name: in this process by a lock, across processes by a lease.
type turns struct {
	leases store.Leases
	holder string
	now    func() time.Time
	sleep  func(context.Context, time.Duration) error
	log    *slog.Logger

	mu    sync.Mutex
	locks map[string]*turn // guarded by mu
}

// turn is the lock of a name, for callers that may give up waiting.
type turn struct {
	free chan struct{} // holds a value while nobody has the lock
	refs int           // those who have it or wait for it; guarded by turns.mu
}

// enter waits for the lock of a name. leave frees it.
func (t *turns) enter(ctx context.Context, name string) (leave func(), err error) {
	t.mu.Lock()
	l, ok := t.locks[name]
	if !ok {
		l = &turn{free: make(chan struct{}, 1)}
		l.free <- struct{}{}
		if t.locks == nil {
			t.locks = map[string]*turn{}
		}
		t.locks[name] = l
	}
	l.refs++
	t.mu.Unlock()
	select {
	case <-l.free:
		return func() { l.free <- struct{}{}; t.drop(name, l) }, nil
	case <-ctx.Done():
		t.drop(name, l)
		return nil, ctx.Err()
	}
}

func (t *turns) drop(name string, l *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.refs--; l.refs == 0 {
		delete(t.locks, name)
	}
}

// leaseTime is how long a fetch may go without a word before another process takes over; pollTime is how often those who
// wait look again.
const (
	leaseTime = 30 * time.Second
	pollTime  = 200 * time.Millisecond
)

// lease waits until no other process has the lease, and takes it. A store that fails is no reason to wait: the fetch then goes on
// without. release frees the lease.
func (t *turns) lease(ctx context.Context, name string) (release func(), err error) {
	for {
		err := t.leases.Acquire(ctx, name, t.holder, t.now().Add(leaseTime))
		switch {
		case err == nil:
			return func() { t.release(ctx, name) }, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !errors.As(err, new(*store.HeldError)):
			t.log.WarnContext(ctx, "no lease can be had; fetching without", "error", err)
			return func() {}, nil
		}
		if err := t.sleep(ctx, pollTime); err != nil {
			return nil, err
		}
	}
}

// extend keeps a lease while a fetch of many calls goes on.
func (t *turns) extend(ctx context.Context, name string) {
	if err := t.leases.Acquire(ctx, name, t.holder, t.now().Add(leaseTime)); err != nil {
		t.log.WarnContext(ctx, "the lease could not be extended", "error", err)
	}
}

// claim takes a lease for a time, or fails if another process has it.
func (t *turns) claim(ctx context.Context, name string, life time.Duration) (release func(), err error) {
	if err := t.leases.Acquire(ctx, name, t.holder, t.now().Add(life)); err != nil {
		return nil, err
	}
	return func() { t.release(ctx, name) }, nil
}

func (t *turns) release(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	if err := t.leases.Release(ctx, name, t.holder); err != nil {
		t.log.WarnContext(ctx, "a lease could not be released and runs out", "lease", name, "error", err)
	}
}
