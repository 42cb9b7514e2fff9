package plan

import (
	"slices"
	"testing"
	"time"

	"cmu-gateway/pkg/cmu"

	"pgregory.net/rapid"
)

// A Tuesday at no round time of day.
var noon = time.Date(2026, 7, 21, 13, 47, 20, 0, time.UTC)

var policy = Policy{
	Minute: 15 * time.Second, Hour: 15 * time.Minute, Day: 45 * time.Minute, Month: 12 * time.Hour, Level: 6 * time.Hour,
	Settled: 720 * time.Hour, Stale: 24 * time.Hour, StaleIfError: 168 * time.Hour, Margin: 12 * time.Hour,
}

// scene is a drawn state: a report's pace, what is known, and an instant.
type scene struct {
	pace  Pace
	grid  Grid
	want  Span
	known Coverage
	now   time.Time
	d     Demand
}

func drawScene(t *rapid.T) scene {
	g := cmu.Grain(rapid.IntRange(int(cmu.Year), int(cmu.Minute)).Draw(t, "grain"))
	s := scene{pace: Pace{Policy: policy, Grain: g}, grid: Grid{g}, now: noon, d: Demand{Stale: policy.Stale}}
	if rapid.Bool().Draw(t, "zone") {
		s.pace.Policy.Zone, s.pace.Policy.Margin = time.UTC, 0
	}
	base := g.Step(cmu.CivilAt(noon, time.UTC), -40)
	n := func(name string, low, high int) int { return rapid.IntRange(low, high).Draw(t, name) }
	from := n("from", 0, 40)
	s.want = Span{g.Step(base, from), g.Step(base, from+n("length", 1, 20))}
	ages := []time.Duration{time.Second, time.Minute, time.Hour, 5 * time.Hour, 30 * time.Hour, 40 * 24 * time.Hour, 60 * 24 * time.Hour}
	// A history of fetches, oldest first, as a block has it.
	for i := n("fetches", 0, 5); i > 0; i-- {
		age := ages[min(i+n("age", 0, 2)-1, len(ages)-1)]
		at := n("at", 0, 60)
		got := Span{g.Step(base, at), g.Step(base, at+n("got", 1, 15))}
		s.known = s.known.Record(got, noon.Add(-age), s.pace.Settled(noon.Add(-age)), s.pace.Retained(noon.Add(-age)), rapid.Bool().Draw(t, "truncated"))
	}
	if rapid.IntRange(0, 3).Draw(t, "demand") == 0 {
		s.d.MaxAge, s.d.MaxSettledAge = time.Duration(n("max age", 1, 7200))*time.Second, time.Duration(n("max settled age", 0, 7200))*time.Second
	}
	return s
}

// state says by the words of the specification what one period is.
func (s scene) state(p cmu.Civil) string {
	for i, k := range s.known {
		endless := i == len(s.known)-1 && !k.Settled && k.To >= Latest(k.Fetched) && p >= k.To
		if !k.Holds(p) && !endless {
			continue
		}
		life, most := s.pace.OpenLife(), s.d.MaxAge
		if k.Settled {
			life, most = s.pace.Policy.Settled, s.d.MaxSettledAge
		}
		age := s.now.Sub(k.Fetched)
		switch {
		case age >= life+s.d.Stale, most > 0 && age > most:
			return "missing"
		case age >= life:
			return "refresh"
		}
		return "fresh"
	}
	return "missing"
}

func TestPlanTilesTheWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		p := s.known.Plan(s.pace, s.want, 0, s.d, s.now)
		count := func(spans []Span, at cmu.Civil) (n int) {
			for _, o := range spans {
				if o.Holds(at) {
					n++
				}
			}
			return n
		}
		g := s.pace.Grain
		for at := s.want.From; at < s.want.To; at = g.Step(at, 1) {
			want := map[string][2]int{"missing": {1, 0}, "refresh": {0, 1}, "fresh": {0, 0}}[s.state(at)]
			if got := [2]int{count(p.Missing, at), count(p.Refresh, at)}; got != want {
				t.Fatalf("%s %v: missing and refresh %v, want %v", g, at, got, want)
			}
			if got := count(p.Calls(), at); got != want[0]+want[1] {
				t.Fatalf("%s %v is fetched %d times", g, at, got)
			}
		}
		for _, list := range [][]Span{p.Missing, p.Refresh, p.Calls()} {
			for i, o := range list {
				if o.Empty() || o.From < s.want.From || o.To > s.want.To || g.Floor(o.From) != o.From || g.Floor(o.To) != o.To || i > 0 && list[i-1].To >= o.From {
					t.Fatalf("range %v of %v in %v", o, list, s.want)
				}
			}
		}
	})
}

func TestRecordTellsTheLastFetchOfEachPeriod(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		g := s.pace.Grain
		at := s.want
		settled := s.pace.Settled(s.now)
		after := s.known.Record(at, s.now, settled, s.pace.Retained(s.now), false)
		if !slices.IsSortedFunc(after, func(a, b Known) int { return int(a.From - b.From) }) {
			t.Fatalf("not sorted: %v", after)
		}
		for i, k := range after {
			if k.Empty() || i > 0 && (after[i-1].To > k.From || after[i-1].touches(k)) {
				t.Fatalf("spans %v", after)
			}
		}
		low := g.Step(at.From, -70)
		for p := low; p < g.Step(at.To, 70); p = g.Step(p, 1) {
			find := func(spans Coverage) (Known, bool) {
				i := slices.IndexFunc(spans, func(k Known) bool { return k.Holds(p) })
				if i < 0 {
					return Known{}, false
				}
				return spans[i], true
			}
			before, was := find(s.known)
			now, is := find(after)
			switch {
			case at.Holds(p):
				if !is || now.Settled != (p < settled) || now.Truncated || !now.Settled && !now.Fetched.Equal(s.now) {
					t.Fatalf("%v fetched: %+v", p, now)
				}
			case was != is || is && (now.Settled != before.Settled || now.Truncated != before.Truncated || now.Fetched.After(before.Fetched)):
				t.Fatalf("%v untouched: %+v, was %+v", p, now, before)
			}
		}
		if again := after.Record(at, s.now, settled, s.pace.Retained(s.now), false); !slices.Equal(again, after) {
			t.Fatalf("recording the same twice changes %v to %v", after, again)
		}
	})
}

func TestSpansStayFewHoweverOftenTheTailIsRefreshed(t *testing.T) {
	p := Pace{Policy: policy, Grain: cmu.Day}
	var spans Coverage
	start := cmu.Month.Floor(cmu.CivilAt(noon, time.UTC))
	for at := noon.AddDate(0, 0, -20); at.Before(noon); at = at.Add(45 * time.Minute) {
		from := max(start, p.Settled(at.Add(-45*time.Minute)))
		spans = spans.Record(Span{from, cmu.Day.Step(cmu.CivilAt(at, time.UTC), 1)}, at, p.Settled(at), p.Retained(at), false)
		if len(spans) > 3 {
			t.Fatalf("%d spans: %v", len(spans), spans)
		}
	}
}

func TestTakeApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := cmu.Grain(rapid.IntRange(int(cmu.Year), int(cmu.Minute)).Draw(t, "grain"))
		from := cmu.Civil(rapid.Int64Range(1.6e12, 1.9e12).Draw(t, "from"))
		to := from + cmu.Civil(rapid.Int64Range(1, int64(3*(g.Step(from, 1)-g.Floor(from)))).Draw(t, "length"))
		w := Grid{g}.TakeApart(Span{from, to})
		var all []Span
		for _, e := range w.Edges {
			all = append(all, e.Part)
		}
		if !w.Whole.Empty() {
			all = append(all, w.Whole)
		}
		slices.SortFunc(all, func(a, b Span) int { return int(a.From - b.From) })
		at := from
		for _, s := range all {
			if s.From != at || s.Empty() {
				t.Fatalf("[%v, %v) at %v: %+v", from, to, g, w)
			}
			at = s.To
		}
		if at != to || g.Floor(w.Whole.From) != w.Whole.From || g.Floor(w.Whole.To) != w.Whole.To {
			if !w.Whole.Empty() || at != to {
				t.Fatalf("[%v, %v) at %v: %+v", from, to, g, w)
			}
		}
		for _, e := range w.Edges {
			if p := (Span{g.Floor(e.Part.From), g.Step(e.Part.From, 1)}); e.Period != p || !e.Part.Within(p) {
				t.Fatalf("edge %v is not inside %v of %v", e, p, g)
			}
		}
	})
}

func TestWidenStaysInUnknownSettledTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		perPeriod := float64(rapid.IntRange(0, 100).Draw(t, "density"))
		for _, gap := range s.known.Plan(s.pace, s.want, 0, s.d, s.now).Missing {
			known := slices.ContainsFunc(s.known, func(k Known) bool { return !k.Overlap(gap).Empty() })
			wide := s.known.Widen(s.grid, s.pace, gap, perPeriod, 2000, s.now)
			if wide.From > gap.From || wide.To < gap.To {
				t.Fatalf("%v became %v", gap, wide)
			}
			if wide == gap {
				continue
			}
			if perPeriod == 0 || float64(s.grid.Periods(wide))*perPeriod > 2000 || wide.To > gap.To && wide.To > s.pace.Settled(s.now) {
				t.Fatalf("%v became %v at %v rows a period", gap, wide, perPeriod)
			}
			for _, k := range s.known {
				if !known && !k.Overlap(wide).Empty() {
					t.Fatalf("%v became %v over %v, which is known", gap, wide, k)
				}
			}
		}
	})
}

func TestSettled(t *testing.T) {
	la, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	unknown, known, east := policy, policy, policy
	known.Zone, known.Margin = la, 0
	east.Zone, east.Margin = time.FixedZone("", 14*3600), 0
	for _, c := range []struct {
		policy Policy
		grain  cmu.Grain
		level  bool
		at     string
		want   string
	}{
		{unknown, cmu.Day, false, "2026-07-21T17:59:59Z", "2026-07-20"},
		{unknown, cmu.Day, false, "2026-07-21T18:00:00Z", "2026-07-21"},
		{unknown, cmu.Day, true, "2026-07-21T18:00:00Z", "2026-07-19"},
		{unknown, cmu.Hour, false, "2026-03-01T00:30:00Z", "2026-02-28T10:00"},
		{unknown, cmu.Day, false, "2028-03-01T18:00:00Z", "2028-03-01"},
		{unknown, cmu.Day, false, "2028-03-01T17:00:00Z", "2028-02-29"},
		{unknown, cmu.Month, false, "2026-07-05T12:00:00Z", "2026-07-01"},
		{unknown, cmu.Month, false, "2026-07-05T11:59:00Z", "2026-06-01"},
		{unknown, cmu.Year, false, "2026-01-05T12:00:00Z", "2026-01-01"},
		{known, cmu.Day, false, "2026-07-21T13:00:00Z", "2026-07-21"}, // 06:00 in Los Angeles
		{known, cmu.Day, false, "2026-07-21T12:59:00Z", "2026-07-20"},
		{known, cmu.Hour, false, "2026-03-08T12:30:00Z", "2026-03-08T03:00"}, // two hours after the clock went from 2 to 3
		{known, cmu.Hour, false, "2026-11-01T11:30:00Z", "2026-11-01T01:00"}, // two hours after the second 01:30
		{east, cmu.Day, false, "2026-07-21T05:59:00Z", "2026-07-20"},         // a zone makes nothing settle sooner
		{east, cmu.Day, false, "2026-07-21T06:00:00Z", "2026-07-21"},
	} {
		p := Pace{c.policy, c.grain, c.level}
		if got := p.Settled(at(c.at)).String(); got != c.want {
			t.Errorf("%v level %v at %s: settled before %s, want %s", c.grain, c.level, c.at, got, c.want)
		}
	}
}

func TestWhatAClockThatWasAheadFetchedIsNotKnown(t *testing.T) {
	p := Pace{Policy: policy, Grain: cmu.Day}
	june := Span{cmu.CivilDate(2026, 6, 1, 0, 0), cmu.CivilDate(2026, 7, 1, 0, 0)}
	for ahead, known := range map[time.Duration]bool{-time.Hour: true, 0: true, maxAhead: true, maxAhead + time.Second: false, 24 * 365 * time.Hour: false} {
		c := Coverage{}.Record(june, noon.Add(ahead), june.To, 0, false)
		if got := c.Plan(p, june, 0, Demand{}, noon); got.Complete() != known || known != (len(got.Missing) == 0) {
			t.Errorf("%v ahead: %+v", ahead, got)
		}
	}
}

// What is put over something tells of its own time, and what is below of the rest.
func TestUnderTellsTheUpperOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		low, top := drawScene(t).known, drawScene(t).known
		both := low.Under(top)
		find := func(c Coverage, p cmu.Civil) *Known {
			if i := slices.IndexFunc(c, func(k Known) bool { return k.Holds(p) }); i >= 0 {
				return &c[i]
			}
			return nil
		}
		all := true // that low knows, top knows too
		for _, edge := range slices.Concat(low, top) {
			for _, p := range []cmu.Civil{edge.From - 1, edge.From, edge.To - 1, edge.To} {
				below, want, got := find(low, p), find(top, p), find(both, p)
				all = all && (below == nil || want != nil)
				if want == nil {
					want = below
				}
				if (got == nil) != (want == nil) || got != nil && (got.Settled != want.Settled || got.Truncated != want.Truncated || got.Fetched.After(want.Fetched)) {
					t.Fatalf("%v: %+v, want %+v", p, got, want)
				}
			}
		}
		if top.Holds(low) != all || !both.Holds(low) || !both.Holds(top) {
			t.Fatalf("%v holds %v: %v, want %v; together %v", top, low, top.Holds(low), all, both)
		}
	})
}
