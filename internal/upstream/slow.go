package upstream

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"cmu-gateway/pkg/cmu"
)

// ErrSlow is what a call ends with that takes many times what others do, while others wait for their turn.
var ErrSlow = fmt.Errorf("%w: it takes much longer for this report than for others", ErrTimeout)

const (
	// slowTime is how long a call may keep its turn from others that wait. Then it goes on beside the others.
	slowTime = 5 * time.Second
	// muchSlower is how many times what calls take a call may, where as many go on beside the others as there are turns.
	muchSlower = 4
	// slowEvery is when a call that is slow is judged again.
	slowEvery = time.Second
)

// fate is what becomes of a call.
type fate int

const (
	keepsTurn fate = iota
	givesTurn
	ends
)

// fateOf decides over a call that has had its turn so long, where calls usually take so much (zero: not known), so many wait for a turn, and of most
// that may so many go on beside the others.
func fateOf(taken, usual time.Duration, waiting, beside, most int) fate {
	switch {
	case waiting == 0 || taken < slowTime:
		return keepsTurn
	case beside < most:
		return givesTurn
	case usual > 0 && taken > muchSlower*usual:
		return ends
	}
	return keepsTurn
}

// turn is a call's place among those under way.
type turn struct {
	adobe *Adobe
	end   context.CancelCauseFunc // of the call
	busy  atomic.Bool             // with a row: it is not Adobe that is slow

	mu    sync.Mutex // guards what follows
	began time.Time
	watch *time.Timer
	given bool // to the next
	over  bool
}

// begin begins a turn that was waited for. The context is the call's.
func (a *Adobe) begin(ctx context.Context) (context.Context, *turn) {
	ctx, end := context.WithCancelCause(ctx)
	t := &turn{adobe: a, end: end, began: time.Now()}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.watch = time.AfterFunc(slowTime, t.judge)
	return ctx, t
}

// judge decides over a call that lasts.
func (t *turn) judge() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return
	}
	if t.busy.Load() {
		t.began = time.Now()
	}
	a := t.adobe
	a.slow.Lock()
	defer a.slow.Unlock()
	switch fateOf(time.Since(t.began), a.slow.usual(), a.queue.Waiting(), a.slow.beside, a.o.Parallel) {
	case givesTurn:
		t.given = true
		a.slow.beside++
		a.queue.Leave()
	case ends:
		t.end(ErrSlow)
	case keepsTurn:
		t.watch.Reset(slowEvery)
	}
}

// leave ends a turn.
func (t *turn) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	t.watch.Stop()
	t.end(nil)
	if !t.given {
		t.adobe.queue.Leave()
		return
	}
	t.adobe.slow.Lock()
	defer t.adobe.slow.Unlock()
	t.adobe.slow.beside--
}

// sink is s, while which the call is not Adobe's.
func (t *turn) sink(s func(cmu.Row) error) func(cmu.Row) error {
	return func(row cmu.Row) error {
		t.busy.Store(true)
		defer t.busy.Store(false)
		return s(row)
	}
}

// outcome is what a call ended with: whoever ended it.
func (t *turn) outcome(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == ErrSlow {
		return ErrSlow
	}
	return err
}

// slowness is what is known of how long calls take.
type slowness struct {
	sync.Mutex
	beside int // go on without a turn
	took   [16]time.Duration
	calls  int // that succeeded
}

// note notes how long a call took that succeeded.
func (s *slowness) note(took time.Duration) {
	s.Lock()
	defer s.Unlock()
	s.took[s.calls%len(s.took)] = max(took, 1)
	s.calls++
}

// last is what the last call took that succeeded; zero: none has.
func (s *slowness) last() time.Duration {
	s.Lock()
	defer s.Unlock()
	return s.took[max(s.calls-1, 0)%len(s.took)]
}

// usual is what the middle one of the last calls took; zero: none has succeeded. s is locked.
func (s *slowness) usual() time.Duration {
	n := min(s.calls, len(s.took))
	if n == 0 {
		return 0
	}
	sorted := slices.Clone(s.took[:n])
	slices.Sort(sorted)
	return sorted[n/2]
}
