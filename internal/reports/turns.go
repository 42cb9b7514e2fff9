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

	failures failures

	mu    sync.Mutex
	locks map[string]*lock // guarded by mu
}

// lock is that of a name, for callers that may give up waiting.
type lock struct {
	free chan struct{} // holds a value while nobody has the lock
	refs int           // those who have it or wait for it; guarded by turns.mu
}

// turn is the right to fetch under a name.
type turn struct {
	turns  *turns
	name   string
	lock   *lock
	leased bool
}

// begin waits until no other fetch goes on in this process under a name. The turn must be ended.
func (t *turns) begin(ctx context.Context, name string) (*turn, error) {
	t.mu.Lock()
	l, ok := t.locks[name]
	if !ok {
		l = &lock{free: make(chan struct{}, 1)}
		l.free <- struct{}{}
		if t.locks == nil {
			t.locks = map[string]*lock{}
		}
		t.locks[name] = l
	}
	l.refs++
	t.mu.Unlock()
	select {
	case <-l.free:
		return &turn{turns: t, name: name, lock: l}, nil
	case <-ctx.Done():
		t.drop(name, l)
		return nil, ctx.Err()
	}
}

func (t *turns) drop(name string, l *lock) {
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

// failing reports whether the fetch of that name failed a moment ago.
func (t *turns) failing(name string) bool { return t.failures.last(name, t.now()) != nil }

// lastFailure returns how the fetch of that name failed, if that was a moment ago.
func (t *turn) lastFailure() error { return t.turns.failures.last(t.name, t.turns.now()) }

// lease waits until no other process fetches. A store that fails is no reason to wait: the fetch then goes on without a lease.
func (t *turn) lease(ctx context.Context) error {
	o := t.turns
	for {
		err := o.leases.Acquire(ctx, t.name, o.holder, o.now().Add(leaseTime))
		switch {
		case err == nil:
			t.leased = true
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !errors.As(err, new(*store.HeldError)):
			o.log.WarnContext(ctx, "no lease can be had; fetching without", "error", err)
			return nil
		}
		if err := o.sleep(ctx, pollTime); err != nil {
			return err
		}
	}
}

// extend keeps the lease while a fetch of many calls goes on.
func (t *turn) extend(ctx context.Context) {
	if err := t.turns.leases.Acquire(ctx, t.name, t.turns.holder, t.turns.now().Add(leaseTime)); err != nil {
		t.turns.log.WarnContext(ctx, "the lease could not be extended", "error", err)
		return
	}
	t.leased = true // also where it could not be had at first
}

// note remembers how the fetch failed; nil: it did not.
func (t *turn) note(err error) { t.turns.failures.note(t.name, err, t.turns.now()) }

// end lets the next one fetch.
func (t *turn) end(ctx context.Context) {
	if t.leased {
		t.turns.release(ctx, t.name)
	}
	t.lock.free <- struct{}{}
	t.turns.drop(t.name, t.lock)
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

// failures remembers for a short while how fetches failed, so that those who waited do not all fail again, one after the
// other, and a refresh that keeps failing is tried less and less often.
type failures struct {
	mu   sync.Mutex
	kept map[string]failure // guarded by mu
}

type failure struct {
	err   error
	until time.Time
	pause time.Duration
}

// The pause after a failure doubles up to a bound.
const (
	firstPause   = time.Second
	longestPause = time.Minute
	maxFailures  = 1000
)

// last returns how the fetch of that name failed, if that was a moment ago.
func (f *failures) last(name string, now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last := f.kept[name]; now.Before(last.until) {
		return last.err
	}
	return nil
}

// note keeps the outcome of a fetch. What has a time of its own, or is about the caller, is not kept.
func (f *failures) note(name string, err error, now time.Time) {
	if isPause(err) || isMisread(err) || isOtherLicence(err) || errors.Is(err, errNoTime) || ended(err) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		delete(f.kept, name)
		return
	}
	if f.kept == nil || len(f.kept) > maxFailures {
		f.kept = map[string]failure{}
	}
	pause := min(max(2*f.kept[name].pause, firstPause), longestPause)
	f.kept[name] = failure{err, now.Add(pause), pause}
}
