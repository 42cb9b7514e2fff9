package reports

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"cmu-gateway/internal/store"
)

const (
	// storeTime is how long the calls of the store may take in one request, in all: then the request goes on without it.
	storeTime = 3 * time.Second
	// firstTry is what the first try of a call gets of that, storePause the wait before another.
	firstTry   = 2 * time.Second
	storePause = 100 * time.Millisecond
)

// ErrStore: the store cannot be had, so that nobody knows whether there is an answer.
var ErrStore = errors.New("the store cannot be had")

// patient is a store whose calls, within a request, end within the time that requests have for it. A call that took too long, or for
// which the store had no room, is repeated while there is time. To wait for another's lease takes none of it. Work after an answer has time
// of its own.
type patient struct {
	store.Store
	now   func() time.Time
	sleep func(context.Context, time.Duration) error
}

// patience is what a request has left of storeTime. Calls side by side take their time once.
type patience struct {
	mu    sync.Mutex // guards what follows
	calls int        // under way
	since time.Time  // when the first of them began
	taken time.Duration
}

type patienceKey struct{}

// withPatience returns the context of a request.
func withPatience(ctx context.Context) context.Context {
	return context.WithValue(ctx, patienceKey{}, &patience{})
}

// begin returns how long a call that begins now may take.
func (p *patience) begin(now time.Time) (left time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls++; p.calls == 1 {
		p.since = now
	}
	return storeTime - p.taken - now.Sub(p.since)
}

// end ends a call. Its time counts unless it found a lease held.
func (p *patience) end(now time.Time, held bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.calls--; p.calls == 0 && !held {
		p.taken += now.Sub(p.since)
	}
}

func (s *patient) do(ctx context.Context, call func(context.Context) error) error {
	p, _ := ctx.Value(patienceKey{}).(*patience)
	if p == nil {
		return call(ctx)
	}
	err := ErrStore
	for limit := firstTry; ; limit = storeTime {
		left := min(p.begin(s.now()), limit)
		if left <= 0 {
			p.end(s.now(), false)
			return err
		}
		try, cancel := context.WithTimeout(ctx, left)
		failure := call(try)
		slow := try.Err() != nil
		cancel()
		again := failure != nil && ctx.Err() == nil && (slow && limit == firstTry || errors.Is(failure, store.ErrBusy))
		again = again && s.sleep(ctx, storePause) == nil
		p.end(s.now(), errors.As(failure, new(*store.HeldError)))
		if failure != nil && (slow || again) {
			failure = fmt.Errorf("%w: %w", ErrStore, failure)
		}
		if err = failure; !again {
			return err
		}
	}
}

func (s *patient) Blocks(ctx context.Context, report store.Report, first, last string) (blocks []store.Block, err error) {
	err = s.do(ctx, func(ctx context.Context) (err error) {
		blocks, err = s.Store.Blocks(ctx, report, first, last)
		return err
	})
	return blocks, err
}

func (s *patient) Put(ctx context.Context, report store.Report, b store.Block) error {
	return s.do(ctx, func(ctx context.Context) error { return s.Store.Put(ctx, report, b) })
}

func (s *patient) Size(ctx context.Context) (size store.Size, err error) {
	err = s.do(ctx, func(ctx context.Context) (err error) {
		size, err = s.Store.Size(ctx)
		return err
	})
	return size, err
}

func (s *patient) Acquire(ctx context.Context, lease, holder string, until time.Time) error {
	return s.do(ctx, func(ctx context.Context) error { return s.Store.Acquire(ctx, lease, holder, until) })
}

func (s *patient) Release(ctx context.Context, lease, holder string) error {
	return s.do(ctx, func(ctx context.Context) error { return s.Store.Release(ctx, lease, holder) })
}

func (s *patient) Notes(ctx context.Context) (notes map[string]store.Note, err error) {
	err = s.do(ctx, func(ctx context.Context) (err error) {
		notes, err = s.Store.Notes(ctx)
		return err
	})
	return notes, err
}

func (s *patient) PutNote(ctx context.Context, name string, n store.Note) error {
	return s.do(ctx, func(ctx context.Context) error { return s.Store.PutNote(ctx, name, n) })
}
