package reports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store/storetest"
	"cmu-gateway/pkg/cmu"
)

// memory is what was true of a report when it settled, told by Adobe itself: rows by period. It knows nothing of the service.
type memory struct {
	path  string
	pace  plan.Pace
	until cmu.Civil              // settled up to here
	rows  map[cmu.Civil][]string // of all settled periods since the test began
	kept  map[cmu.Civil]bool     // that the service was asked for when Adobe had them
}

func newMemory(r *rig, path string) *memory {
	grain, _ := request(r.t, path).Grain()
	m := &memory{path: path, pace: plan.Pace{Policy: policy, Grain: grain}, rows: map[cmu.Civil][]string{}, kept: map[cmu.Civil]bool{}}
	m.until = grain.Step(m.pace.Retained(r.clock.Now()), 2)
	return m
}

// ask is the question for a span.
func (m *memory) ask(s plan.Span) string {
	return fmt.Sprintf("%s?start=%s&end=%s", m.path, s.From, s.To)
}

// byPeriod sorts rows by the period that they are of.
func (m *memory) byPeriod(t testing.TB, rows []string) map[cmu.Civil][]string {
	t.Helper()
	out := map[cmu.Civil][]string{}
	for _, row := range rows {
		at, err := m.pace.Grain.Period(func(d string) string {
			for f := range strings.FieldsSeq(row) {
				if value, ok := strings.CutPrefix(f, d+"="); ok {
					return value
				}
			}
			return ""
		})
		if err != nil {
			t.Fatal(err)
		}
		out[at] = append(out[at], row)
	}
	return out
}

// observe takes down what has settled since.
func (m *memory) observe(r *rig) {
	r.t.Helper()
	settled := m.pace.Settled(r.clock.Now())
	if settled <= m.until {
		return
	}
	found := m.byPeriod(r.t, r.direct(m.ask(plan.Span{From: m.until, To: settled})))
	for at := m.until; at < settled; at = m.pace.Grain.Step(at, 1) {
		m.rows[at] = found[at]
	}
	m.until = settled
}

// compare asks for a span, and holds the answer against what was true. trusted: nothing failed in between, so what was asked for is kept.
func (m *memory) compare(r *rig, s plan.Span, trusted bool) {
	r.t.Helper()
	a, source, err := r.Get(r.t.Context(), request(r.t, m.ask(s)), Directives{})
	var later *UnavailableError
	if !trusted && (errors.As(err, &later) || errors.Is(err, ErrStore)) {
		return
	}
	if err != nil {
		r.t.Fatalf("%s: %v", m.ask(s), err)
	}
	gap := func(at cmu.Civil) bool {
		return slices.ContainsFunc(a.BeforeHorizon, func(g plan.Span) bool { return g.Holds(at) })
	}
	found := m.byPeriod(r.t, rowsOf(r.t, a))
	retained := m.pace.Retained(r.clock.Now())
	for at := s.From; at < s.To; at = m.pace.Grain.Step(at, 1) {
		want, known := m.rows[at]
		switch {
		case gap(at) && at >= retained:
			r.t.Fatalf("%s from %v: %v is not past the horizon, and %v are told", m.ask(s), source, at, a.BeforeHorizon)
		case gap(at) && m.kept[at]:
			r.t.Fatalf("%s from %v at %v: %v was kept, and is gone", m.ask(s), source, r.clock.Now(), at)
		case gap(at):
		case !known && at < m.until:
			r.t.Fatalf("%s from %v: %v was never asked for, and passes for known", m.ask(s), source, at)
		case known && !sameRows(slices.Clone(found[at]), slices.Clone(want)):
			r.t.Fatalf("%s from %v at %v: %v is %q, was %q", m.ask(s), source, r.clock.Now(), at, found[at], want)
		case known && trusted && !gap(at) && source != Stale:
			m.kept[at] = true
		}
	}
}

// TestHistoryIsNeverLost goes through 40 months with a simulated Adobe that drops its oldest as time goes on. Whatever is asked, whatever
// process answers, and whatever the store fails in: rows are those that were true when they settled, or the answer says that they were not kept.
func TestHistoryIsNeverLost(t *testing.T) {
	plainly(t)
	for _, path := range []string{"year/month/day", "tenant/year/month", "mvpd/year/month"} {
		t.Run(strings.ReplaceAll(path, "/", "_"), func(t *testing.T) {
			t.Parallel()
			rnd := rand.New(rand.NewPCG(*seed, 40))
			r := newRig(t, keeping)
			r.behave(func(b *sandbox.Behaviour) { b.InstantRecompute = true })
			fault := storetest.None
			ill := r.faulty(func(op string) storetest.Fault {
				if (op == "Put" || op == "Blocks" || op == "PutNote" || op == "Notes") && rnd.IntN(2) == 0 {
					return fault
				}
				return storetest.None
			})
			r.restart(keeping, ill)
			r.prove()
			m := newMemory(r, path)
			g := m.pace.Grain
			now := func() cmu.Civil { return g.Floor(cmu.CivilAt(r.clock.Now(), time.UTC)) }
			window := func(back int) plan.Span {
				from := g.Step(now(), -1-rnd.IntN(back))
				return plan.Span{From: from, To: g.Step(from, 1+rnd.IntN(back))}
			}
			per := map[cmu.Grain]int{cmu.Day: 30, cmu.Month: 1}[g]
			for step := range 41 {
				r.clock.Add(months(1))
				m.observe(r)
				// Two windows of late, and one from anywhere.
				m.compare(r, window(3*per), true)
				m.compare(r, window(12*per), true)
				m.compare(r, window(45*per), true)
				switch rnd.IntN(4) {
				case 0:
					r.work.Lose()
				default:
					r.after()
				}
				if rnd.IntN(3) == 0 {
					fault = []storetest.Fault{storetest.Failed, storetest.FailedButWritten}[rnd.IntN(2)]
					m.compare(r, window(45*per), false)
					m.compare(r, window(6*per), false)
					fault = storetest.None
					if rnd.IntN(2) == 0 {
						r.after()
					}
				}
				if rnd.IntN(3) == 0 {
					r.restart(keeping, ill)
				}
				if step%12 == 6 {
					if _, err := r.Purge(t.Context(), cmu.Request{}, false); err != nil {
						t.Fatal(err)
					}
					// A purge is of what Adobe can give again.
					for at := range m.kept {
						if !historic(plan.Name(plan.Grid{Grain: g}.Block(at).From), r.clock.Now()) {
							delete(m.kept, at)
						}
					}
				}
			}
			horizon := g.Floor(plan.Horizon(r.clock.Now()))
			past := 0
			for at := range m.kept {
				if at < horizon {
					past++
				}
			}
			if past < 10*per {
				t.Errorf("%d periods past the horizon are kept: the test shows nothing", past)
			}
			// All of it, from a process that knows nothing.
			r.restart(keeping)
			m.compare(r, plan.Span{From: g.Step(now(), -40*per), To: now()}, true)
		})
	}
}
