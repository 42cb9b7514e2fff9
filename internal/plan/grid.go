package plan

import (
	"strings"

	"cmu-gateway/pkg/cmu"
)

// Grid divides civil time into blocks, and blocks into periods: by minute an hour is a block, by hour a day, by day a month, by
// month and year a year. The grid of NoGrain is undivided: all of its time is one block of one period.
type Grid struct{ Grain cmu.Grain }

// Undivided is the time of an undivided grid.
func Undivided() Span { return Span{0, 1} }

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
		return Undivided()
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

// Names returns the names of the blocks that s touches, in their order: names sort as the calendar does.
func (g Grid) Names(s Span) (names []string) {
	for _, b := range g.Blocks(s) {
		names = append(names, Name(b.From))
	}
	return names
}

// Name is that of the block which begins at start.
func Name(start cmu.Civil) string { return "b" + start.String() }

// BlockStart is where the block of a name begins; not ok: it is no block of periods.
func BlockStart(name string) (start cmu.Civil, ok bool) {
	text, ok := strings.CutPrefix(name, "b")
	if !ok {
		return 0, false
	}
	b, err := cmu.ParseBound(text)
	if err != nil {
		return 0, false
	}
	return b.Civil()
}

// Around returns s with a unit of the grid's reach more on either side, in whole blocks.
func (g Grid) Around(s Span) Span {
	if !g.Divided() {
		return Undivided()
	}
	return Span{g.reach().Step(s.From, -1), g.reach().Step(g.reach().Ceil(s.To), 1)}
}

// reach is the unit in which a question looks ahead for those to come: a block of a fine grain is too short for that.
func (g Grid) reach() cmu.Grain {
	switch g.Grain {
	case cmu.Minute:
		return cmu.Day
	case cmu.Hour:
		return cmu.Month
	}
	return g.Unit()
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
	Edges []Edge // before, after or instead of Whole
	Even  bool   // it ends where a period does
}

// Edge is a part of one period.
type Edge struct{ Part, Period Span }

// TakeApart splits s at the periods of the grid. What is empty has neither whole periods nor edges.
func (g Grid) TakeApart(s Span) (w Window) {
	if s.Empty() {
		return w
	}
	first, last := Span{g.Grain.Floor(s.From), g.Grain.Ceil(s.From)}, Span{g.Grain.Floor(s.To), g.Grain.Ceil(s.To)}
	w.Even = last.Empty()
	if first.To > last.From { // inside one period
		w.Whole = Span{s.To, s.To}
		w.Edges = []Edge{{s, first}}
		return w
	}
	w.Whole = Span{first.To, last.From}
	if !first.Empty() {
		w.Edges = append(w.Edges, Edge{Span{s.From, first.To}, first})
	}
	if !last.Empty() {
		w.Edges = append(w.Edges, Edge{Span{last.From, s.To}, last})
	}
	return w
}
