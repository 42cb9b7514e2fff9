package reports

import (
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/pkg/cmu"
)

// calendarBounds reads bounds that name an instant, as browsers and dashboards send them, as far as that loses nothing. Adobe's
// zone turns them into those of the calendar, which can be sliced.
//
// A window that ends now, and moves on with every ask, would be another request each time. Its end is left to Adobe, which is
// the present, while rows cannot have changed since by the time that open periods stay fresh; and its start is taken to the step in which
// Adobe recomputes.
func calendarBounds(r cmu.Request, p plan.Pace, now time.Time) cmu.Request {
	end, ends := r.End.Instant()
	start, starts := r.Start.Instant()
	moving := ends && !end.Before(now.Add(-p.OpenLife()))
	if moving {
		r.End = cmu.Bound{}
	} else if ends && p.Policy.Zone != nil {
		r.End = cmu.BoundAt(cmu.CivilAt(end, p.Policy.Zone))
	}
	if !starts {
		return r
	}
	step := time.Duration(1)
	if moving {
		step = p.Recompute()
	}
	if zone := p.Policy.Zone; zone != nil {
		at := cmu.CivilAt(start, zone)
		r.Start = cmu.BoundAt(at - at%cmu.Civil(max(step.Milliseconds(), 1)))
	} else if moving {
		r.Start = cmu.BoundAtInstant(start.Truncate(step))
	}
	return r
}
