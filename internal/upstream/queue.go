package upstream

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// Caller is on whose behalf calls are made: one fetch, which may make many, also at once. The zero Caller will do.
type Caller struct {
	// Wants is how much is asked for, in blocks of the calendar: who wants little goes first.
	Wants int
	// Gone is closed when nobody waits for the outcome any more. A call that has not begun is not made then; one that has begun goes
	// on. Nil: somebody does.
	Gone <-chan struct{}

	made atomic.Int64 // calls so far
}

// ErrGone is returned for a call that was not made, as its Caller is gone.
var ErrGone = errors.New("nobody waits for the call any more")

// ErrOverloaded is the cause of a *PauseError for a call that was not made, as too many wait.
var ErrOverloaded = errors.New("too many calls wait for their turn")

// maxWaiting bounds the calls that wait.
const maxWaiting = 1000

// queue lets so many calls run at once. The others wait for a turn: see next.
type queue struct {
	mu      sync.Mutex // guards what follows
	free    int        // turns that nobody has
	waiting []*waiter  // in the order in which they came
	turns   int        // given to those who waited
}

// waiter is a call that waits.
type waiter struct {
	caller *Caller
	turn   chan error // holds nil when it is its turn, or why it never will be
}

// HasGone reports whether nobody waits any more.
func (c *Caller) HasGone() bool {
	select {
	case <-c.Gone:
		return true
	default:
		return false
	}
}

// Cost is what a caller has had, in calls, and what it wants.
func (c *Caller) Cost() int { return c.Wants + int(c.made.Load()) }

// next returns which of those that wait has its turn. Every other turn is the one's that waits longest, so that all come to an end;
// those between are the one's that has had and wants least, and among equals the one's that came last: under a crowd of wide or old
// requests a new and narrow one goes first.
func next(waiting []*waiter, turn int) (index int) {
	if turn%2 == 1 {
		return 0
	}
	for i, w := range waiting {
		if w.caller.Cost() <= waiting[index].caller.Cost() {
			index = i
		}
	}
	return index
}

// last returns which of those that wait gives up for the others: the one that has had and wants most, and among equals the one that
// came last.
func last(waiting []*waiter) (index int) {
	for i, w := range waiting {
		if w.caller.Cost() >= waiting[index].caller.Cost() {
			index = i
		}
	}
	return index
}

// enter waits for a turn, which leave ends. Errors: ErrGone, ErrOverloaded, the context's own.
func (q *queue) enter(ctx context.Context, c *Caller) error {
	w := q.join(c)
	var err error
	select {
	case err = <-w.turn:
		if err == nil && c.HasGone() {
			q.leave()
			return ErrGone
		}
		return err
	case <-c.Gone:
		err = ErrGone
	case <-ctx.Done():
		err = ctx.Err()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting, w); i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	} else if given := <-w.turn; given == nil {
		q.pass()
	}
	return err
}

// join waits for a turn, which may be free.
func (q *queue) join(c *Caller) *waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := &waiter{c, make(chan error, 1)}
	q.waiting = append(q.waiting, w)
	if q.free > 0 {
		q.free--
		q.pass()
	}
	if len(q.waiting) > maxWaiting {
		q.take(last(q.waiting)).turn <- ErrOverloaded
	}
	return w
}

// leave ends a turn.
func (q *queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pass()
}

// pass gives a turn to the next. q.mu is held.
func (q *queue) pass() {
	if len(q.waiting) == 0 {
		q.free++
		return
	}
	w := q.take(next(q.waiting, q.turns))
	q.turns++
	w.caller.made.Add(1)
	w.turn <- nil
}

// take takes one out of those that wait. q.mu is held.
func (q *queue) take(i int) *waiter {
	w := q.waiting[i]
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return w
}

// length is how many wait.
func (q *queue) length() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}
