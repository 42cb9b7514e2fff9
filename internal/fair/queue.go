// Package fair gives turns to those who wait for something of which there is little: who has had and wants least goes first, and nobody
// waits for ever but who says that others come first.
package fair

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
)

// Caller is on whose behalf turns are taken: one request's fetch of a report, which may take many, also at once. The zero Caller will do.
type Caller struct {
	// Wants is how much is asked for, in any unit: who wants little goes first.
	Wants int
	// Gone is closed when nobody waits for the outcome any more. A turn that has not begun is not taken then; one that has goes on.
	// Nil: somebody does.
	Gone <-chan struct{}
	// Behind reports whether this one has a turn only where nobody else waits, at this moment. It is called while turns are given, and must
	// not wait. Nil: it never is.
	Behind func() bool

	had atomic.Int64
}

// ErrGone is returned where a Caller has gone before its turn.
var ErrGone = errors.New("nobody waits for it any more")

// ErrOverloaded is returned to who is given up, as too many wait.
var ErrOverloaded = errors.New("too many wait for their turn")

// Queue lets so many at once. The others wait for their turn: see next. It may be used by many goroutines at once.
type Queue struct {
	most int // that wait; zero: any number

	mu      sync.Mutex // guards what follows
	free    int        // turns that nobody has
	waiting []*waiter  // in the order in which they came
	turns   int        // given to those who waited
}

// New returns a Queue that gives so many turns at once, and has no more than most wait; zero: any number.
func New(turns, most int) *Queue { return &Queue{most: most, free: turns} }

// waiter is one that waits.
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

// IsBehind reports whether others come first.
func (c *Caller) IsBehind() bool { return c.Behind != nil && c.Behind() }

// Had is how many turns a caller has had.
func (c *Caller) Had() int { return int(c.had.Load()) }

// Cost is what a caller has had and what it wants.
func (c *Caller) Cost() int { return c.Wants + c.Had() }

// next returns which of those that wait has its turn. Every other turn is the one's that waits longest, so that all come to an end;
// those between are the one's that has had and wants least, and among equals the one's that came last: under a crowd of wide or old
// requests a new and narrow one goes first. Who is behind has a turn where all are, in the order in which they came.
func next(waiting []*waiter, turn int) (index int) {
	found := false
	for i, w := range waiting {
		switch {
		case w.caller.IsBehind():
		case !found, turn%2 == 0 && w.caller.Cost() <= waiting[index].caller.Cost():
			index, found = i, true
		}
	}
	return index
}

// last returns which of those that wait gives up for the others: one that is behind, else the one that has had and wants most, and among
// equals the one that came last.
func last(waiting []*waiter) (index int) {
	for i, w := range waiting {
		behind, other := w.caller.IsBehind(), waiting[index].caller.IsBehind()
		if behind && !other || behind == other && w.caller.Cost() >= waiting[index].caller.Cost() {
			index = i
		}
	}
	return index
}

// Enter waits for a turn, which Leave ends. Errors: ErrGone, ErrOverloaded, the context's own.
func (q *Queue) Enter(ctx context.Context, c *Caller) error {
	w := q.join(c)
	var err error
	select {
	case err = <-w.turn:
		if err == nil && c.HasGone() {
			q.Leave()
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
func (q *Queue) join(c *Caller) *waiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	w := &waiter{c, make(chan error, 1)}
	q.waiting = append(q.waiting, w)
	if q.free > 0 {
		q.free--
		q.pass()
	}
	if q.most > 0 && len(q.waiting) > q.most {
		q.take(last(q.waiting)).turn <- ErrOverloaded
	}
	return w
}

// Leave ends a turn.
func (q *Queue) Leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pass()
}

// pass gives a turn to the next. q.mu is held.
func (q *Queue) pass() {
	if len(q.waiting) == 0 {
		q.free++
		return
	}
	w := q.take(next(q.waiting, q.turns))
	q.turns++
	w.caller.had.Add(1)
	w.turn <- nil
}

// take takes one out of those that wait. q.mu is held.
func (q *Queue) take(i int) *waiter {
	w := q.waiting[i]
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return w
}

// Waiting is how many wait.
func (q *Queue) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}

// Narrower reports whether one waits that wants less than half of what c does.
func (q *Queue) Narrower(c *Caller) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.ContainsFunc(q.waiting, func(w *waiter) bool { return 2*w.caller.Wants < c.Wants })
}
