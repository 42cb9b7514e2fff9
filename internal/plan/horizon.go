package plan

import (
	"time"

	"cmu-gateway/pkg/cmu"
)

// Horizon is up to where Adobe may have dropped data at a time: it keeps 25 months. What begins later is there in whole. Nothing that any
// wall clock on earth holds dropped is taken for kept.
//
// Source: Adobe, Concurrency Monitoring usage reports, "data retention".
func Horizon(at time.Time) cmu.Civil {
	y, m, d, h, min := Latest(at).Fields()
	return cmu.CivilDate(y, m-25, d, h, min)
}

// Retained is where the first period begins that Adobe surely has in whole at a time. For a report without a grain it is the horizon itself.
func (p Pace) Retained(at time.Time) cmu.Civil {
	return p.Grain.Step(p.Grain.Floor(Horizon(at)), 1)
}

// FrozenBefore is where the periods end that are past Adobe's horizon at a time, and are kept; zero: none are.
func (p Pace) FrozenBefore(at time.Time) cmu.Civil {
	if !p.Policy.Keep {
		return 0
	}
	return p.Retained(at)
}

// Frozen is the part of k that stays as it is where periods are kept that begin before an instant: it was settled when Adobe had it in whole, and Adobe
// may have dropped it since. It is not asked for again, and no answer replaces it. It may be empty.
func (k Known) Frozen(before cmu.Civil) Span {
	if !k.Settled || k.Past {
		return Span{k.From, k.From}
	}
	return Span{k.From, max(k.From, min(k.To, before))}
}

// Frozen returns what of c is frozen: see Known.Frozen.
func (c Coverage) Frozen(before cmu.Civil) (spans []Span) {
	for _, k := range c {
		if s := k.Frozen(before); !s.Empty() {
			spans = appendSpan(spans, s)
		}
	}
	return spans
}

// Marked returns c with Past where a release that did not know that has not put it: where the fetch tells.
func (c Coverage) Marked(p Pace) Coverage {
	var out Coverage
	for i, k := range c {
		edge := min(max(p.Retained(k.Fetched), k.From), k.To)
		if k.Past || edge == k.From {
			if out != nil {
				out = append(out, k)
			}
			continue
		}
		if out == nil {
			out = append(Coverage{}, c[:i]...)
		}
		past, rest := k, k
		past.To, past.Past, rest.From = edge, true, edge
		if out = append(out, past); !rest.Empty() {
			out = append(out, rest)
		}
	}
	if out == nil {
		return c
	}
	return out
}

// Lacks returns the parts of s of which c knows less than what is settled, and was had of Adobe when Adobe had it in whole. truncated: with rows
// missing, which is less than with all.
func (c Coverage) Lacks(s Span, truncated bool) (spans []Span) {
	return s.Without(c.spans(func(k Known) bool { return k.Settled && !k.Past && (truncated || !k.Truncated) }))
}
