package reports

import (
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/pkg/cmu"
)

// Freshness is how fresh the reports of a grain are.
type Freshness struct {
	Grain cmu.Grain
	Level bool // level reports, whatever their grain
	// Recompute is how often Adobe computes them anew, Open how long rows that may change are fresh here, Settled up to where rows
	// are final.
	Recompute, Open time.Duration
	Settled         cmu.Bound
}

// Calendar returns what Adobe's wall clock shows, as far as known, and how fresh the reports of each grain are. It asks nobody.
func (s *Service) Calendar() (present cmu.Civil, all []Freshness) {
	p, now := s.policy, s.now()
	if l := s.licences.present.Load(); l != nil {
		p = l.believed()
	}
	for g := cmu.Year; g <= cmu.Minute; g++ {
		all = append(all, freshness(plan.Pace{Policy: p, Grain: g}, now))
	}
	return p.Civil(now), append(all, freshness(plan.Pace{Policy: p, Grain: cmu.Day, Level: true}, now))
}

func freshness(p plan.Pace, now time.Time) Freshness {
	return Freshness{p.Grain, p.Level, p.Recompute(), p.OpenLife(), cmu.BoundAt(p.Settled(now))}
}
