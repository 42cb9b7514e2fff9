package reports

import (
	"context"
	"slices"

	"cmu-gateway/internal/plan"
)

type progressKey struct{}

// WithProgress has what Get fetches tell how far it is: done of total blocks of a piece are there. told is called when the fetch
// begins and after each round of calls, by one goroutine for each piece, and never where an answer is asked for whole.
func WithProgress(ctx context.Context, told func(done, total int)) context.Context {
	return context.WithValue(ctx, progressKey{}, told)
}

// tell tells the progress: a block of which the queue wants nothing more is there.
func (f *fetcher) tell(ctx context.Context, queue []plan.Span) {
	told, _ := ctx.Value(progressKey{}).(func(done, total int))
	p := f.held.piece
	if told == nil || !p.grid.Divided() {
		return
	}
	done, total := 0, 0
	for _, b := range p.grid.Blocks(p.want) {
		own := b.Overlap(p.want)
		if total++; !slices.ContainsFunc(queue, func(s plan.Span) bool { return !s.Overlap(own).Empty() }) {
			done++
		}
	}
	told(done, total)
}
