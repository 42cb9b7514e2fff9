package reports

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"cmu-gateway/pkg/cmu"
)

// flight bounds the memory of what is under way, over all that goes on at once: of rows on their way from Adobe into blocks, of blocks
// that are merged into an answer. Who needs more than there is waits until another is through. The one that began first never waits, so that one
// always gets on; what it holds is bounded by itself.
type flight struct {
	most   int64 // over all, but for what the first one takes beyond it
	single int64 // of one

	mu     sync.Mutex // guards what follows
	held   int64
	shares []*share      // the first one first
	moved  chan struct{} // closed when something was given back
}

// share is what one of them holds.
type share struct {
	flight *flight
	held   int64
}

// The least that answers need, whatever the memory: a call at the usual row limit takes some 3 MB.
const (
	leastFlight = 8 << 20
	leastSingle = 32 << 20
)

// newFlight returns the part of a memory that is for what is under way.
func newFlight(memory int64) *flight {
	return &flight{most: max(memory/2, leastFlight), single: max(memory/2, leastSingle), moved: make(chan struct{})}
}

// begin returns a share that holds nothing yet. It must be ended.
func (f *flight) begin() *share {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := &share{flight: f}
	f.shares = append(f.shares, s)
	return s
}

// hold makes the share n bytes, and waits for them if those are more than before. More than one answer may have is ErrTooLarge.
func (s *share) hold(ctx context.Context, n int64) error {
	f := s.flight
	if n > f.single {
		return &cmu.SizeError{What: fmt.Sprintf("its rows take over %d MiB of memory", f.single>>20)}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for n > s.held && f.held+n-s.held > f.most && f.shares[0] != s {
		moved := f.moved
		f.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
		}
		f.mu.Lock()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	f.change(s, n)
	return nil
}

// end gives all back.
func (s *share) end() {
	f := s.flight
	f.mu.Lock()
	defer f.mu.Unlock()
	if i := slices.Index(f.shares, s); i >= 0 {
		f.shares = slices.Delete(f.shares, i, i+1)
	}
	f.change(s, 0)
	f.tell() // another one may be the first now
}

// change makes a share so many bytes. f.mu is held.
func (f *flight) change(s *share, n int64) {
	less := n < s.held
	f.held += n - s.held
	if s.held = n; less {
		f.tell()
	}
}

// tell wakes those who wait. f.mu is held.
func (f *flight) tell() {
	close(f.moved)
	f.moved = make(chan struct{})
}
