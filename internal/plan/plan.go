package plan

import (
	"cmp"
	"slices"
	"time"

	"cmu-gateway/pkg/cmu"
)

// Demand is what is asked of the age of rows.
type Demand struct {
	// MaxAge is the oldest that rows may be which may still change, MaxSettledAge the oldest that settled ones may be; zero is no bound.
	MaxAge, MaxSettledAge time.Duration
	// Stale is how long past their freshness rows are good enough to answer with; zero is not at all.
	Stale time.Duration
}

// Plan says what an answer over a window needs.
type Plan struct {
	// Missing must be fetched before the answer; Refresh is known but no longer fresh. Neither overlaps the other or
	// what is fresh, and both are sorted, without spans that touch within one list.
	Missing, Refresh []Span
	// Fetched is when the rows that may still change were fetched, or where all are settled the oldest; Fresh is until
	// when all are fresh.
	Fetched, Fresh time.Time
	// Grace is until when all are good enough where nothing can be renewed after the answer.
	Grace time.Time
	// Open tells that some rows may still change.
	Open bool
	// Truncated tells that rows are missing that Adobe does not give.
	Truncated bool
	// Past is what was fetched when Adobe may have dropped it: rows may be missing.
	Past []Span
}

// Complete reports whether all that is wanted is known and fresh.
func (p Plan) Complete() bool { return len(p.Missing) == 0 && len(p.Refresh) == 0 }

// Calls returns the spans to ask Adobe for: what is missing, with what must be refreshed beside it.
func (p Plan) Calls() []Span {
	all := slices.Concat(p.Missing, p.Refresh)
	slices.SortFunc(all, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	return Joined(all)
}

// Plan decides what the rows of s need at now. What is frozen before an instant needs nothing, whatever is asked.
func (c Coverage) Plan(p Pace, s Span, frozen cmu.Civil, d Demand, now time.Time) Plan {
	var out Plan
	var oldest, oldestOpen time.Time
	openLife := p.OpenLife()
	at := s.From
	for i, k := range c {
		// What was fetched up to where time had not come yet tells that there was nothing after it either.
		if i == len(c)-1 && !k.Settled && k.To >= Latest(k.Fetched) {
			k.To = max(k.To, s.To)
		}
		part := k.Overlap(s)
		if part.Empty() || Ahead(k.Fetched, now) {
			continue
		}
		if at < part.From {
			out.Missing = appendSpan(out.Missing, Span{at, part.From})
		}
		at = part.To
		out.Truncated = out.Truncated || k.Truncated
		if k.Past {
			out.Past = appendSpan(out.Past, part)
		}
		kept := k.Frozen(frozen).Overlap(part)
		if !kept.Empty() {
			out.judge(kept, k.Fetched, now.Sub(k.Fetched)+p.Policy.Settled, Demand{}, now, &oldest)
			part.From = kept.To
		}
		if part.Empty() {
			continue
		}
		if k.Settled {
			out.judge(part, k.Fetched, p.Policy.Settled, Demand{Stale: d.Stale, MaxAge: d.MaxSettledAge}, now, &oldest)
		} else {
			out.judge(part, k.Fetched, openLife, d, now, &oldestOpen)
		}
	}
	if at < s.To {
		out.Missing = appendSpan(out.Missing, Span{at, s.To})
	}
	out.Grace = out.Fresh.Add(openLife)
	out.Fetched, out.Open = oldestOpen, !oldestOpen.IsZero()
	if !out.Open {
		out.Fetched = oldest
	}
	return out
}

// maxAhead is how far clocks may differ.
const maxAhead = time.Minute

// Ahead reports whether an instant in the past cannot be one: the clock that told it was ahead. What was fetched then is not known.
func Ahead(at, now time.Time) bool { return at.Sub(now) > maxAhead }

// judge puts one evenly fresh part where it belongs.
func (p *Plan) judge(part Span, fetched time.Time, life time.Duration, d Demand, now time.Time, oldest *time.Time) {
	if oldest.IsZero() || fetched.Before(*oldest) {
		*oldest = fetched
	}
	until := fetched.Add(life)
	switch {
	case !until.Add(d.Stale).After(now), d.MaxAge > 0 && fetched.Add(d.MaxAge).Before(now):
		p.Missing = appendSpan(p.Missing, part)
	case !until.After(now):
		p.Refresh = appendSpan(p.Refresh, part)
	}
	if p.Fresh.IsZero() || until.Before(p.Fresh) {
		p.Fresh = until
	}
}

// appendSpan appends s to sorted spans, joining it to the last if they touch.
func appendSpan(spans []Span, s Span) []Span {
	if n := len(spans); n > 0 && spans[n-1].To >= s.From {
		spans[n-1].To = max(spans[n-1].To, s.To)
		return spans
	}
	return append(spans, s)
}

// Joined returns sorted spans with those that touch made one. The spans are not changed.
func Joined(spans []Span) (joined []Span) {
	for _, s := range spans {
		joined = appendSpan(joined, s)
	}
	return joined
}
