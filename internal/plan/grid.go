package plan

import "cmu-gateway/pkg/cmu"

// Grid divides civil time into blocks, and blocks into periods: by minute an hour is a block, by hour a day, by day a month, by
// month and year a year. The grid of NoGrain is undivided: all of its time is Whole, one block of one period.
type Grid struct{ Grain cmu.Grain }

// Whole is the time of an undivided grid.
var Whole = Span{0, 1}

// Divided reports whether time has more than one period.
func (g Grid) Divided() bool { return g.Grain != cmu.NoGrain }

// Unit is the calendar unit of a block.
func (g Grid) Unit() cmu.Grain {
	switch g.Grain {
	case cmu.Minute:
		return cmu.Hour
	case cmu.Hour:
		return cmu.Day
	case cmu.Day:
		return cmu.Month
	}
	return cmu.Year
}

// Block returns the block that holds c.
func (g Grid) Block(c cmu.Civil) Span {
	if !g.Divided() {
		return Whole
	}
	start := g.Unit().Floor(c)
	return Span{start, g.Unit().Step(start, 1)}
}

// Blocks returns the blocks that s touches.
func (g Grid) Blocks(s Span) (blocks []Span) {
	for b := g.Block(s.From); b.From < s.To; b = g.Block(b.To) {
		if blocks = append(blocks, b); !g.Divided() {
			break
		}
	}
	return blocks
}

// Around returns the blocks that s touches with one more on either side.
func (g Grid) Around(s Span) Span {
	if !g.Divided() {
		return Whole
	}
	return Span{g.Unit().Step(s.From, -1), g.Unit().Step(g.Unit().Ceil(s.To), 1)}
}

// Periods counts the periods of s, which lies on the grid.
func (g Grid) Periods(s Span) int {
	switch g.Grain {
	case cmu.NoGrain:
		return 1
	case cmu.Year, cmu.Month:
		y1, m1, _, _, _ := s.From.Fields()
		y2, m2, _, _, _ := s.To.Fields()
		if g.Grain == cmu.Year {
			return y2 - y1
		}
		return (y2-y1)*12 + m2 - m1
	}
	return int((s.To - s.From) / g.Grain.Step(0, 1))
}

// Window is a request's window taken apart: whole periods, and at most two edges inside one period each.
type Window struct {
	Whole Span
	Edges []Span // before, after or instead of Whole
}

// TakeApart splits s at the periods of a divided grid.
func (g Grid) TakeApart(s Span) Window {
	w := Window{Whole: Span{g.Grain.Ceil(s.From), g.Grain.Floor(s.To)}}
	if w.Whole.From > w.Whole.To { // inside one period
		return Window{Whole: Span{s.To, s.To}, Edges: []Span{s}}
	}
	if s.From < w.Whole.From {
		w.Edges = append(w.Edges, Span{s.From, w.Whole.From})
	}
	if w.Whole.To < s.To {
		w.Edges = append(w.Edges, Span{w.Whole.To, s.To})
	}
	return w
}
