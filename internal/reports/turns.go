package reports

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"cmu-gateway/internal/fair"
	"cmu-gateway/internal/store"
)

// turns sees to it that one fetch at a time goes on under a name: in this process by a lock, across processes by a lease.
type turns struct {
	leases store.Leases
	holder string
	now    func() time.Time
	sleep  func(context.Context, time.Duration) error
	log    *slog.Logger

	failures failures

	mu    sync.Mutex
	locks map[string]*lock // guarded by mu
}

// lock is that of a name, for callers that may give up waiting.
type lock struct {
	queue *fair.Queue
	refs  int // those who have it or wait for it; guarded by turns.mu
}

// turn is the right to fetch under a name.
type turn struct {
	turns *turns
	name  string
	lock  *lock
	hold  *hold // of the lease; nil: it was never asked for
}

// begin waits until no other fetch goes on in this process under a name. The turn must be ended.
func (t *turns) begin(ctx context.Context, name string, c *fair.Caller) (*turn, error) {
	t.mu.Lock()
	l, ok := t.locks[name]
	if !ok {
		l = &lock{queue: fair.New(1, 0)}
		if t.locks == nil {
			t.locks = map[string]*lock{}
		}
		t.locks[name] = l
	}
	l.refs++
	t.mu.Unlock()
	if err := l.queue.Enter(ctx, c); err != nil {
		t.drop(name, l)
		return nil, err
	}
	return &turn{turns: t, name: name, lock: l}, nil
}

func (t *turns) drop(name string, l *lock) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.refs--; l.refs == 0 {
		delete(t.locks, name)
	}
}

// leaseTime is how long a lease lasts after the last word of its holder, and renewTime how often that gives one: a process that was killed
// holds others up for leaseTime at most, and clocks may differ by what lies between the two before a lease is taken from one that
// lives. pollTime is how often those who wait look again.
const (
	leaseTime = 8 * time.Second
	renewTime = 2 * time.Second
	pollTime  = 200 * time.Millisecond
)

// failing reports whether the fetch of that name failed a moment ago.
func (t *turns) failing(name string) bool { return t.failures.last(name, t.now()) != nil }

// lastFailure returns how the fetch of that name failed, if that was a moment ago.
func (t *turn) lastFailure() error { return t.turns.failures.last(t.name, t.turns.now()) }

// lease waits until no other process fetches. A store that fails is no reason to wait: the fetch then goes on without a lease.
func (t *turn) lease(ctx context.Context) error {
	o := t.turns
	for {
		err := o.acquire(ctx, t.name, o.holder)
		switch {
		case err == nil, ctx.Err() == nil && !errors.As(err, new(*store.HeldError)):
			if err != nil {
				o.log.WarnContext(ctx, "no lease can be had; fetching without", "error", err)
			}
			t.hold = o.keep(ctx, t.name, o.holder, err == nil)
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
		if err := o.sleep(ctx, pollTime); err != nil {
			return err
		}
	}
}

// note remembers how the fetch failed, and returns that with the time after which another may be tried; nil: it did not fail.
func (t *turn) note(err error) error { return t.turns.failures.note(t.name, err, t.turns.now()) }

// givesWay reports whether one waits that wants far less than c, so that c is to go on after it.
func (t *turn) givesWay(c *fair.Caller) bool { return t.lock.queue.Narrower(c) }

// awaited reports whether others wait for the turn to end: for the same rows, mostly.
func (t *turn) awaited() bool { return t.lock.queue.Waiting() > 0 }

// end lets the next one fetch.
func (t *turn) end() {
	if t.hold != nil {
		t.hold.end()
	}
	t.lock.queue.Leave()
	t.turns.drop(t.name, t.lock)
}

// claim takes a lease and keeps it, or fails if another holder has it.
func (t *turns) claim(ctx context.Context, name, holder string) (release func(), err error) {
	if err := t.acquire(ctx, name, holder); err != nil {
		return nil, err
	}
	return t.keep(ctx, name, holder, true).end, nil
}

func (t *turns) acquire(ctx context.Context, name, holder string) error {
	return t.leases.Acquire(ctx, name, holder, t.now().Add(leaseTime))
}

// hold is a lease that is renewed for as long as its holder lives.
type hold struct {
	turns        *turns
	name, holder string
	ctx          context.Context
	stop         context.CancelFunc
	ended        chan struct{}
	had          bool // guarded by ended
}

// keep renews a lease until hold.end; had: it is held already. One that could not be had at first may yet be.
func (t *turns) keep(ctx context.Context, name, holder string, had bool) *hold {
	h := &hold{turns: t, name: name, holder: holder, ended: make(chan struct{}), had: had}
	h.ctx, h.stop = context.WithCancel(context.WithoutCancel(ctx))
	go h.renew()
	return h
}

func (h *hold) renew() {
	defer close(h.ended)
	tick := time.NewTicker(renewTime)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-h.ctx.Done():
			return
		}
		if err := h.turns.acquire(h.ctx, h.name, h.holder); err == nil {
			h.had = true
		} else if h.ctx.Err() == nil {
			h.turns.log.WarnContext(h.ctx, "a lease could not be renewed", "lease", h.name, "error", err)
		}
	}
}

// end gives the lease back.
func (h *hold) end() {
	h.stop()
	<-h.ended
	if !h.had {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(h.ctx), saveTime)
	defer cancel()
	if err := h.turns.leases.Release(ctx, h.name, h.holder); err != nil {
		h.turns.log.WarnContext(ctx, "a lease could not be released and runs out", "lease", h.name, "error", err)
	}
}
