package plan

import (
	"cmp"
	"slices"
	"time"

	"cmu-gateway/pkg/cmu"
)

// Known is a span whose rows are kept. Periods without rows are known to be empty.
type Known struct {
	Span
	Fetched   time.Time
	Settled   bool // all its periods were settled when it was fetched
	Truncated bool // rows are missing: Adobe gave no more, and the period could not be asked for in parts
	// Past tells that Adobe may have dropped it, in whole or in part, by when it was fetched: that rows are missing tells nothing.
	Past bool
}

// Coverage is what is known of a report's time: sorted spans that do not overlap.
type Coverage []Known

// Join returns what several blocks know, in their order. What a block knows may go on after it, as time to come is empty: of
// time that two know of, the later block tells.
func Join(blocks ...Coverage) (all Coverage) {
	for _, b := range blocks {
		for n := len(all) - 1; n >= 0 && all[n].To > b[0].From; n-- {
			if all[n].To = b[0].From; all[n].Empty() {
				all = all[:n]
			}
		}
		all = append(all, b...)
	}
	return all
}

// Record returns c with what was fetched of s put over whatever it says of that time. What lies before settled will not change
// any more, and what lies before retained is past Adobe's horizon. Neighbours that are settled become one, as old as the older: a block is known in a handful of spans however
// often its tail is refreshed.
func (c Coverage) Record(s Span, fetched time.Time, settled, retained cmu.Civil, truncated bool) Coverage {
	settled, retained = min(max(settled, s.From), s.To), min(max(retained, s.From), s.To)
	var top Coverage
	for _, part := range []Span{{s.From, min(settled, retained)}, {min(settled, retained), max(settled, retained)}, {max(settled, retained), s.To}} {
		top = append(top, Known{part, fetched, part.From < settled, truncated, part.From < retained})
	}
	return c.Under(top)
}

// Under returns c with what top knows put over whatever it says of that time.
func (c Coverage) Under(top Coverage) Coverage {
	var out Coverage
	for _, k := range top {
		if !k.Empty() {
			out = append(out, k)
		}
	}
	over := top.spans(known)
	for _, o := range c {
		for _, rest := range o.Without(over) {
			part := o
			part.Span = rest
			out = append(out, part)
		}
	}
	slices.SortFunc(out, func(a, b Known) int { return cmp.Compare(a.From, b.From) })
	joined := out[:0]
	for _, o := range out {
		if n := len(joined); n > 0 && joined[n-1].touches(o) {
			joined[n-1].To = o.To
			if o.Fetched.Before(joined[n-1].Fetched) {
				joined[n-1].Fetched = o.Fetched
			}
			continue
		}
		joined = append(joined, o)
	}
	return joined
}

// spans returns the time of what of c is so.
func (c Coverage) spans(is func(Known) bool) (out []Span) {
	for _, k := range c {
		if is(k) {
			out = append(out, k.Span)
		}
	}
	return out
}

func known(Known) bool { return true }

// Holds reports whether c knows of all time that other knows of.
func (c Coverage) Holds(other Coverage) bool {
	all := c.spans(known)
	return !slices.ContainsFunc(other, func(k Known) bool { return len(k.Without(all)) > 0 })
}

// touches reports whether next goes on where k ends and says the same.
func (k Known) touches(next Known) bool {
	return k.To == next.From && k.Truncated == next.Truncated && k.Past == next.Past && k.Settled == next.Settled && (k.Settled || k.Fetched.Equal(next.Fetched))
}

// Widen stretches a missing span into unknown settled time beside it, by a unit of the grid's reach at most, while all of it is
// expected to be at most budget rows. It makes a window that slides on day by day cost one call for many, not one a day.
// perPeriod is the densest seen; zero: not known, and nothing is stretched.
func (c Coverage) Widen(g Grid, p Pace, s Span, perPeriod, budget float64, now time.Time) Span {
	if perPeriod == 0 || !g.Divided() {
		return s
	}
	around := g.Around(s)
	room := around
	for _, k := range c {
		if k.To <= s.From {
			room.From = max(room.From, k.To)
		} else if k.From >= s.To {
			room.To = min(room.To, k.From)
		}
	}
	room.To = max(min(room.To, p.Settled(now)), s.To)
	// Both sides are unknown: nothing tells where the next question goes, so only the blocks at hand are completed.
	if room.From == around.From {
		room.From = g.Unit().Floor(s.From)
		room.To = min(room.To, g.Unit().Ceil(s.To))
	}
	// As much as the budget holds, later periods first: windows slide on.
	wide, more := s, int(budget/perPeriod)-g.Periods(s)
	if more > 0 {
		wide.To = max(s.To, min(room.To, g.Grain.Step(s.To, more)))
		more -= g.Periods(Span{s.To, wide.To})
	}
	if more > 0 {
		wide.From = min(s.From, max(room.From, g.Grain.Step(s.From, -more)))
	}
	return wide
}
