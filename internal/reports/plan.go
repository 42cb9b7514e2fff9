package reports

import (
	"cmp"
	"slices"
	"time"

	"cmu-gateway/pkg/cmu"
)

// span is a half-open range of civil time, [From, To), on the grain of its report.
type span struct{ From, To cmu.Civil }

func (s span) empty() bool { return s.From >= s.To }

func (s span) holds(c cmu.Civil) bool { return s.From <= c && c < s.To }

func (s span) overlap(o span) span { return span{max(s.From, o.From), min(s.To, o.To)} }

// known is a span whose rows are kept. Periods without rows are known to be empty.
type known struct {
	span
	Fetched time.Time
	Settled bool // all its periods were settled when it was fetched
	Cut     bool // rows are missing: Adobe cut its answer and the period could not be asked in parts
}

// blockUnit returns the calendar unit whose rows of grain g are kept as one block.
func blockUnit(g cmu.Grain) cmu.Grain {
	switch g {
	case cmu.Minute:
		return cmu.Hour
	case cmu.Hour:
		return cmu.Day
	case cmu.Day:
		return cmu.Month
	}
	return cmu.Year
}

// blockStarts returns where the blocks begin that s touches.
func blockStarts(g cmu.Grain, s span) (starts []cmu.Civil) {
	unit := blockUnit(g)
	for at := unit.Floor(s.From); at < s.To; at = unit.Step(at, 1) {
		starts = append(starts, at)
	}
	return starts
}

// window is a request's window taken apart at the grain: whole periods, and at most two edges inside one period each.
type window struct {
	whole span
	edges []span // before, after or instead of whole
}

// takeApart splits [from, to) at the periods of grain g.
func takeApart(g cmu.Grain, from, to cmu.Civil) window {
	w := window{whole: span{g.Ceil(from), g.Floor(to)}}
	if w.whole.From > w.whole.To { // inside one period
		return window{whole: span{to, to}, edges: []span{{from, to}}}
	}
	if from < w.whole.From {
		w.edges = append(w.edges, span{from, w.whole.From})
	}
	if w.whole.To < to {
		w.edges = append(w.edges, span{w.whole.To, to})
	}
	return w
}

// demand is what the caller's directives ask of freshness.
type demand struct {
	// maxAge is the oldest that rows may be; zero is no bound.
	maxAge time.Duration
}

// plan says what an answer over a window needs.
type plan struct {
	// missing must be fetched before the answer; refresh is known but no longer fresh. Neither overlaps the other or
	// what is fresh, and both are sorted, without ranges that touch within one list.
	missing, refresh []span
	// fetched is when the rows that may still change were fetched, or where all are settled the oldest; fresh is until
	// when all are fresh.
	fetched, fresh time.Time
	// tail tells that some rows may still change.
	tail bool
	cut  bool
}

// makePlan decides, over the spans known, sorted and disjoint, what the rows of s need at now.
func makePlan(p pace, s span, spans []known, d demand, now time.Time) plan {
	var out plan
	var oldest, oldestTail time.Time
	at := s.From
	for i, k := range spans {
		// What was fetched up to where time had not come yet tells that there was nothing after it either.
		if i == len(spans)-1 && !k.Settled && k.To >= p.latest(k.Fetched) {
			k.To = max(k.To, s.To)
		}
		part := k.overlap(s)
		if part.empty() {
			continue
		}
		if at < part.From {
			out.missing = appendSpan(out.missing, span{at, part.From})
		}
		at = part.To
		out.cut = out.cut || k.Cut
		if k.Settled {
			out.judge(p, part, k.Fetched, p.Policy.Settled, d, now, &oldest)
		} else {
			out.judge(p, part, k.Fetched, p.tail(), d, now, &oldestTail)
		}
	}
	if at < s.To {
		out.missing = appendSpan(out.missing, span{at, s.To})
	}
	out.fetched, out.tail = oldestTail, !oldestTail.IsZero()
	if !out.tail {
		out.fetched = oldest
	}
	return out
}

// judge puts one evenly fresh part where it belongs.
func (out *plan) judge(p pace, part span, fetched time.Time, life time.Duration, d demand, now time.Time, oldest *time.Time) {
	if oldest.IsZero() || fetched.Before(*oldest) {
		*oldest = fetched
	}
	until := fetched.Add(life)
	switch {
	case !until.Add(p.Stale).After(now), d.maxAge > 0 && fetched.Add(d.maxAge).Before(now):
		out.missing = appendSpan(out.missing, part)
	case !until.After(now):
		out.refresh = appendSpan(out.refresh, part)
	}
	if out.fresh.IsZero() || until.Before(out.fresh) {
		out.fresh = until
	}
}

// appendSpan appends s to sorted spans, joining it to the last if they touch.
func appendSpan(spans []span, s span) []span {
	if n := len(spans); n > 0 && spans[n-1].To >= s.From {
		spans[n-1].To = max(spans[n-1].To, s.To)
		return spans
	}
	return append(spans, s)
}

// calls returns the ranges to ask Adobe for: what is missing, with what must be refreshed beside it.
func (out plan) calls() []span {
	all := slices.Concat(out.missing, out.refresh)
	slices.SortFunc(all, func(a, b span) int { return cmp.Compare(a.From, b.From) })
	var joined []span
	for _, s := range all {
		joined = appendSpan(joined, s)
	}
	return joined
}

// widen stretches a missing range into unknown settled time beside it, as far as the blocks that it touches and the next
// one on the side that is unknown, while all of it is expected to be at most budget rows. It makes a window that slides
// on day by day cost one call a block or two, not one a day. perPeriod is the densest seen; zero is not known.
func widen(p pace, s span, spans []known, perPeriod, budget float64, now time.Time) span {
	if perPeriod == 0 {
		return s
	}
	unit := blockUnit(p.grain)
	room := span{unit.Step(s.From, -1), unit.Step(unit.Ceil(s.To), 1)}
	for _, k := range spans {
		if k.To <= s.From {
			room.From = max(room.From, k.To)
		} else if k.From >= s.To {
			room.To = min(room.To, k.From)
		}
	}
	room.To = max(min(room.To, p.settled(now)), s.To)
	// Both sides are unknown: nothing tells where the next question goes, so only the blocks at hand are completed.
	if room.From == unit.Step(s.From, -1) {
		room.From = unit.Floor(s.From)
		if room.To > unit.Ceil(s.To) {
			room.To = unit.Ceil(s.To)
		}
	}
	for _, wide := range []span{room, {s.From, room.To}, {room.From, s.To}} {
		if float64(periods(p.grain, wide))*perPeriod <= budget {
			return wide
		}
	}
	return s
}

// periods counts the periods of grain g in s.
func periods(g cmu.Grain, s span) int {
	switch g {
	case cmu.Year, cmu.Month:
		y1, m1, _, _, _ := s.From.Fields()
		y2, m2, _, _, _ := s.To.Fields()
		if g == cmu.Year {
			return y2 - y1
		}
		return (y2-y1)*12 + m2 - m1
	}
	return int((s.To - s.From) / (g.Step(0, 1)))
}

// keep returns spans with what was fetched of s put over whatever they say of its range. What lies before settled will
// not change any more. Neighbours that are settled become one, as old as the older: a block is known in a handful of
// spans however often its tail is refreshed.
func keep(spans []known, s span, fetched time.Time, settled cmu.Civil, cut bool) []known {
	var out []known
	for _, o := range spans {
		left, right := o, o
		left.To, right.From = min(o.To, s.From), max(o.From, s.To)
		for _, rest := range []known{left, right} {
			if !rest.empty() {
				out = append(out, rest)
			}
		}
	}
	settled = min(max(settled, s.From), s.To)
	for _, part := range []known{{span{s.From, settled}, fetched, true, cut}, {span{settled, s.To}, fetched, false, cut}} {
		if !part.empty() {
			out = append(out, part)
		}
	}
	slices.SortFunc(out, func(a, b known) int { return cmp.Compare(a.From, b.From) })
	joined := out[:0]
	for _, o := range out {
		if n := len(joined); n > 0 && joined[n-1].joins(o) {
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

func (k known) joins(next known) bool {
	return k.To == next.From && k.Cut == next.Cut && k.Settled == next.Settled && (k.Settled || k.Fetched.Equal(next.Fetched))
}
