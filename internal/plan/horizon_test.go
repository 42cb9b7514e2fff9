package plan

import (
	"slices"
	"testing"
	"time"

	"cmu-gateway/pkg/cmu"

	"pgregory.net/rapid"
)

// history is a drawn one of fetches over years, the oldest first, of a report by day or month.
type history struct {
	pace    Pace
	fetches []fetched
	known   Coverage
	now     time.Time
}

type fetched struct {
	Span
	at time.Time
}

func drawHistory(t *rapid.T) (h history) {
	h.pace = Pace{Policy: policy, Grain: rapid.SampledFrom([]cmu.Grain{cmu.Day, cmu.Month, cmu.Year}).Draw(t, "grain")}
	h.pace.Policy.Keep = rapid.Bool().Draw(t, "keep")
	at, g := noon.AddDate(-6, 0, 0), h.pace.Grain
	for n := rapid.IntRange(1, 12).Draw(t, "fetches"); n > 0; n-- {
		at = at.AddDate(0, 0, rapid.IntRange(0, 300).Draw(t, "days later"))
		back := map[cmu.Grain]int{cmu.Day: 1100, cmu.Month: 36, cmu.Year: 4}[g]
		from := g.Step(cmu.CivilAt(at, time.UTC), -rapid.IntRange(0, back).Draw(t, "back"))
		s := Span{from, g.Step(from, rapid.IntRange(1, back).Draw(t, "length"))}
		h.fetches = append(h.fetches, fetched{s, at})
		h.known = h.known.Record(s, at, h.pace.Settled(at), h.pace.Retained(at), false)
	}
	h.now = at.AddDate(0, 0, rapid.IntRange(0, 900).Draw(t, "days until now"))
	return h
}

// frozen says by the words of the documents whether a period is: keeping is on, it was last fetched when it was settled and Adobe had it in
// whole, and Adobe need not have it in whole any more.
func (h history) frozen(period cmu.Civil, now time.Time) bool {
	if !h.pace.Policy.Keep {
		return false
	}
	last := slices.IndexFunc(h.fetches, func(f fetched) bool { return f.Holds(period) })
	for i, f := range h.fetches {
		if f.Holds(period) {
			last = i
		}
	}
	if last < 0 {
		return false
	}
	at := h.fetches[last].at
	return period < h.pace.Settled(at) && period > Horizon(at) && period <= Horizon(now)
}

func TestFrozenIsWhatWasSettledAndWholeAndIsPast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		frozen := h.known.Frozen(h.pace.FrozenBefore(h.now))
		later := h.known.Frozen(h.pace.FrozenBefore(h.now.AddDate(0, 0, rapid.IntRange(0, 900).Draw(t, "later"))))
		holds := func(spans []Span, at cmu.Civil) bool {
			return slices.ContainsFunc(spans, func(s Span) bool { return s.Holds(at) })
		}
		g := h.pace.Grain
		all := Span{h.known[0].From, h.known[len(h.known)-1].To}
		d := Demand{MaxAge: time.Duration(rapid.IntRange(0, 2).Draw(t, "max age")), MaxSettledAge: time.Duration(rapid.IntRange(0, 2).Draw(t, "max settled age"))}
		p := h.known.Plan(h.pace, all, h.pace.FrozenBefore(h.now), d, h.now)
		for at := all.From; at < all.To; at = g.Step(at, 1) {
			want := h.frozen(at, h.now)
			if holds(frozen, at) != want {
				t.Fatalf("%v frozen: %v, want %v; %+v", at, !want, want, h.fetches)
			}
			if want && (!holds(later, at) || holds(p.Calls(), at) || holds(p.Past, at)) {
				t.Fatalf("%v is frozen, and not for ever, or asked for", at)
			}
		}
		if p.Complete() && !p.Fresh.After(h.now) {
			t.Fatalf("complete, and fresh until %v", p.Fresh)
		}
	})
}

// What is past the horizon when it is fetched says so; a release that did not know that is caught up with.
func TestPastIsKnownByPeriod(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		for _, k := range h.known {
			for at := k.From; at < k.To; at = h.pace.Grain.Step(at, 1) {
				last := fetched{}
				for _, f := range h.fetches {
					if f.Holds(at) {
						last = f
					}
				}
				if k.Past != (at <= Horizon(last.at)) {
					t.Fatalf("%v past: %v; fetched at %v", at, k.Past, last.at)
				}
			}
		}
		f := h.fetches[0]
		marked := Coverage{}.Record(f.Span, f.at, h.pace.Settled(f.at), h.pace.Retained(f.at), false)
		bare := Coverage{}.Record(f.Span, f.at, h.pace.Settled(f.at), 0, false)
		if got := bare.Marked(h.pace); !slices.Equal(got, marked) || !slices.Equal(got.Marked(h.pace), marked) {
			t.Fatalf("marked %+v, want %+v", got, marked)
		}
	})
}

func TestWhatIsLackingAndWhatIsKnownTileTheSpan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		g := h.pace.Grain
		s := Span{g.Step(h.known[0].From, -3), g.Step(h.known[len(h.known)-1].To, 3)}
		lacks := h.known.Lacks(s, rapid.Bool().Draw(t, "truncated"))
		rest := s.Without(lacks)
		for at := s.From; at < s.To; at = g.Step(at, 1) {
			in := func(spans []Span) bool { return slices.ContainsFunc(spans, func(o Span) bool { return o.Holds(at) }) }
			good := slices.ContainsFunc(h.known, func(k Known) bool { return k.Holds(at) && k.Settled && !k.Past })
			if in(lacks) == good || in(rest) != good {
				t.Fatalf("%v: lacking %v, kept %v, want kept %v", at, in(lacks), in(rest), good)
			}
		}
	})
}

func TestBlockStart(t *testing.T) {
	for _, c := range []cmu.Civil{cmu.CivilDate(2024, 1, 1, 0, 0), cmu.CivilDate(2024, 2, 29, 5, 0)} {
		if got, ok := BlockStart(Name(c)); !ok || got != c {
			t.Errorf("%v: %v, %v", c, got, ok)
		}
	}
	for _, name := range []string{"", "b", "xAbc", "bAbc", "x2024-01-01"} {
		if got, ok := BlockStart(name); ok {
			t.Errorf("%q begins at %v", name, got)
		}
	}
}
