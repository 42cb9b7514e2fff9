package plan

import (
	"time"

	"cmu-gateway/pkg/cmu"
)

// Policy says how long rows may be served. All fields are required but Zone and Keep.
type Policy struct {
	// How long rows of unsettled periods are fresh, by grain. Month is also that of years and of reports without a
	// grain, Level that of level reports whatever their grain.
	Minute, Hour, Day, Month, Level time.Duration
	// Settled is how long rows of settled periods are fresh: Adobe may restate them.
	Settled time.Duration
	// Stale is how long past its freshness a copy may be served while it is refreshed, StaleIfError how long while
	// Adobe cannot be had.
	Stale, StaleIfError time.Duration
	// Zone is that of Adobe's calendar, nil when not known; Margin is how long past its end and two recompute intervals
	// a period is held to be unsettled, by the clock of UTC.
	Zone   *time.Location
	Margin time.Duration
	// Keep has settled periods kept when Adobe drops them: see Known.Frozen.
	Keep bool
}

// Pace is what the freshness of one report depends on.
type Pace struct {
	Policy Policy
	Grain  cmu.Grain
	Level  bool // a level report
}

// OpenLife is how long rows of unsettled periods are fresh.
func (p Pace) OpenLife() time.Duration {
	if p.Level {
		return p.Policy.Level
	}
	switch p.Grain {
	case cmu.Minute:
		return p.Policy.Minute
	case cmu.Hour:
		return p.Policy.Hour
	case cmu.Day:
		return p.Policy.Day
	}
	return p.Policy.Month
}

// levelRecompute is how often Adobe recomputes level reports.
const levelRecompute = 24 * time.Hour

// Recompute is how often Adobe recomputes the report.
func (p Pace) Recompute() time.Duration {
	if p.Level {
		return levelRecompute
	}
	return p.Grain.Recompute()
}

// lateRecomputes is how many recomputations past its end may still change a period: Adobe runs late at times.
const lateRecomputes = 2

// Settled returns the instant before which all periods were settled at a time: they had ended, Adobe had recomputed them twice more, and
// the margin had passed. A zone never makes it sooner than none does: it may be the wrong one.
func (p Pace) Settled(at time.Time) cmu.Civil {
	late := at.Add(-lateRecomputes * p.Recompute())
	settled := cmu.CivilAt(late.Add(-p.Policy.Margin), time.UTC)
	if p.Policy.Zone != nil {
		settled = min(settled, cmu.CivilAt(late, p.Policy.Zone))
	}
	return p.Grain.Floor(settled)
}

// Civil is what Adobe's wall clock shows at a time, as far as known.
func (p Policy) Civil(at time.Time) cmu.Civil {
	if p.Zone == nil {
		return cmu.CivilAt(at, time.UTC)
	}
	return cmu.CivilAt(at, p.Zone)
}

// Latest is what no wall clock on earth can have shown up to a time.
func Latest(at time.Time) cmu.Civil { return cmu.CivilAt(at, time.UTC).Add(14 * time.Hour) }

// Present is the end of a window that goes up to a time, where Adobe is left to choose: the next minute of its wall clock.
func (p Policy) Present(at time.Time) cmu.Bound {
	shown := p.Civil(at)
	return cmu.BoundAt(cmu.Minute.Ceil(shown))
}
