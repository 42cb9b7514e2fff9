package reports

import (
	"time"

	"cmu-gateway/pkg/cmu"
)

// Policy says how long rows may be served. All fields are required.
type Policy struct {
	// How long rows of unsettled periods are fresh, by grain. Month is also that of years and of reports without a
	// grain, Level that of level reports whatever their grain.
	Minute, Hour, Day, Month, Level time.Duration
	// Settled is how long rows of settled periods are fresh: Adobe may restate them.
	Settled time.Duration
	// Stale is how long past its freshness a copy may be served while it is refreshed, StaleIfError how long while
	// Adobe cannot be had.
	Stale, StaleIfError time.Duration
	// Zone is that of Adobe's calendar, nil when not known; Margin is how long past its end and one recompute interval
	// a period is held to be unsettled.
	Zone   *time.Location
	Margin time.Duration
}

// pace is what the freshness of one report depends on.
type pace struct {
	Policy
	grain cmu.Grain
	level bool
}

func (p Policy) of(r cmu.Request) pace {
	grain, _ := r.Grain()
	return pace{p, grain, r.LevelReport()}
}

// tail is how long rows of unsettled periods are fresh.
func (p pace) tail() time.Duration {
	if p.level {
		return p.Level
	}
	switch p.grain {
	case cmu.Minute:
		return p.Minute
	case cmu.Hour:
		return p.Hour
	case cmu.Day:
		return p.Day
	}
	return p.Month
}

// levelRecompute is how often Adobe recomputes level reports.
const levelRecompute = 24 * time.Hour

// settled returns the instant before which all periods were settled at a time: they had ended, Adobe had recomputed
// them once more, and the margin had passed.
func (p pace) settled(at time.Time) cmu.Civil {
	recompute := p.grain.Recompute()
	if p.level {
		recompute = levelRecompute
	}
	return p.grain.Floor(p.civil(at.Add(-recompute - p.Margin)))
}

// civil is what Adobe's wall clock shows at a time, as far as known.
func (p Policy) civil(at time.Time) cmu.Civil {
	if p.Zone == nil {
		return cmu.CivilAt(at, time.UTC)
	}
	return cmu.CivilAt(at, p.Zone)
}

// latest is what no wall clock of Adobe's can have shown up to a time. Where the zone is known a clock may have been put
// back an hour.
func (p Policy) latest(at time.Time) cmu.Civil {
	if p.Zone == nil {
		return cmu.CivilAt(at, time.UTC).Add(14 * time.Hour)
	}
	return cmu.CivilAt(at, p.Zone).Add(time.Hour)
}
