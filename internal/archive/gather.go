package archive

import (
	"context"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/reports"
	"cmu-gateway/pkg/cmu"
)

// gatherer has several new months fetched at once where they are small: one by one, each would cost a call to Adobe.
type gatherer struct {
	*run
	shelf *shelf
	rows  int // of the month before; negative: there was none
	// until is how many of the looks are gathered already.
	until int
}

const (
	// gatherRows is how many rows are gathered at once, about, and gatherMonths over how many months.
	gatherRows   = 20_000
	gatherMonths = 12
)

// gather is called before look i.
func (g *gatherer) gather(ctx context.Context, i int) error {
	looks := g.shelf.looks
	if !looks[i].isNew || i < g.until || g.rows < 0 || g.shelf.report.Grain == cmu.Minute { // a month of minutes is as much as is sliced
		return nil
	}
	n, end := min(gatherRows/max(g.rows, 1), gatherMonths), i+1
	for end < len(looks) && end-i < n && looks[end].isNew && looks[end].month.From == looks[end-1].month.To {
		end++
	}
	if g.until = end; end-i < 2 {
		return nil
	}
	// What it answers is asked for month by month, and is there by then.
	all := plan.Span{From: looks[i].month.From, To: looks[end-1].month.To}
	_, err := g.Get(ctx, g.shelf.report.window(all), reports.Directives{Fresh: true})
	return err
}
