package plan

import "cmu-gateway/pkg/cmu"

// Span is a half-open range of civil time, [From, To).
type Span struct{ From, To cmu.Civil }

// Empty reports whether s holds no instant.
func (s Span) Empty() bool { return s.From >= s.To }

// Holds reports whether c is in s.
func (s Span) Holds(c cmu.Civil) bool { return s.From <= c && c < s.To }

// Overlap returns what s and o share; it may be empty.
func (s Span) Overlap(o Span) Span { return Span{max(s.From, o.From), min(s.To, o.To)} }

// Within reports whether all of s is in o.
func (s Span) Within(o Span) bool { return s.Empty() || o.From <= s.From && s.To <= o.To }

// Without returns s without others, which are sorted and do not overlap.
func (s Span) Without(others []Span) (rest []Span) {
	for _, o := range others {
		if o = o.Overlap(s); o.Empty() {
			continue
		}
		if s.From < o.From {
			rest = append(rest, Span{s.From, o.From})
		}
		s.From = o.To
	}
	if !s.Empty() {
		rest = append(rest, s)
	}
	return rest
}
