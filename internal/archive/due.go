package archive

import (
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/pkg/cmu"
)

// again is how many of the last settled months are looked at again: Adobe may restate them.
const again = 3

// lookAgain is how old rows of a settled month may be when it is looked at again.
const lookAgain = 7 * 24 * time.Hour

// look is a month to look at.
type look struct {
	month plan.Span
	isNew bool // nothing of it is kept
	// maxAge is how old rows may be; zero: as long as they are fresh.
	maxAge time.Duration
}

// due returns the months of a report to look at, by what is kept, the oldest first: those of which nothing is kept, those that may
// still change or whose rows are missing in part, and the last three settled ones. A month at or past Adobe's horizon is never among
// them: what Adobe says of it is less than it said.
func due(p plan.Pace, now time.Time, kept map[cmu.Civil]Label) (looks []look) {
	settled := p.Settled(now)
	recent := cmu.Month.Step(settled, -again) // those that ended at settled or before, and no more than three
	last := cmu.Month.Floor(p.Policy.Civil(now))
	for month := cmu.Month.Step(plan.Horizon(now), 1); month <= last; month = cmu.Month.Step(month, 1) {
		l := look{month: inMonth(month)}
		k, ok := kept[month]
		switch final := l.month.To <= settled; {
		case !ok:
			l.isNew = true
		case final && month >= recent:
			l.maxAge = lookAgain
		case final && k.Complete && k.settles(l.month):
			continue
		}
		looks = append(looks, l)
	}
	return looks
}
