package reports

import (
	"context"
	"slices"
	"sync"

	"cmu-gateway/internal/plan"
)

type progressKey struct{}

// WithProgress has what Get fetches tell how far it is: done of total blocks of a piece are there. told is called when the fetch
// begins and after each round of calls, by one goroutine for each piece, never where an answer is asked for whole, and not after Get has
// returned.
func WithProgress(ctx context.Context, told func(done, total int)) context.Context {
	return context.WithValue(ctx, progressKey{}, told)
}

// teller tells the caller of a fetch its progress until that one goes.
type teller struct {
	mu   sync.Mutex
	told func(done, total int) // nil: nobody is told; guarded by mu
}

func newTeller(ctx context.Context) *teller {
	told, _ := ctx.Value(progressKey{}).(func(done, total int))
	return &teller{told: told}
}

func (t *teller) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.told = nil
}

// tell tells the progress of a piece: a block of which the queue wants nothing more is there.
func (t *teller) tell(p *piece, queue []plan.Span) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.told == nil || !p.grid.Divided() {
		return
	}
	done, total := 0, 0
	for _, b := range p.grid.Blocks(p.want) {
		own := b.Overlap(p.want)
		if total++; !slices.ContainsFunc(queue, func(s plan.Span) bool { return !s.Overlap(own).Empty() }) {
			done++
		}
	}
	t.told(done, total)
}
