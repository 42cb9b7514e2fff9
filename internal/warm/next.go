package warm

import "time"

// state is what is known of a report on the list.
type state struct {
	life  time.Duration // how long its rows are fresh that may change
	fresh time.Time     // until when what is kept is fresh; past: Adobe must be asked
	retry time.Time     // it failed, and is not asked for before then; past: it did not
}

// due is when the report may and must be asked for.
func (s state) due() time.Time {
	if s.retry.After(s.fresh) {
		return s.retry
	}
	return s.fresh
}

const (
	// lookEvery is how often is looked whether what was fresh is still kept: a purge takes it away.
	lookEvery = 5 * time.Minute
	// least is the least time between two looks, and between two calls for a report, whatever its freshness.
	least = 10 * time.Second
)

// next decides which report to ask Adobe for at now, where Adobe is not to be asked until paused: the one whose rows are fresh for the
// shortest time, and of those the one that has waited longest. Negative: none. wake is when to look again once nothing is to be asked for.
func next(list []state, paused, now time.Time) (ask int, wake time.Time) {
	ask, wake = -1, now.Add(lookEvery)
	for i, s := range list {
		at := s.due()
		if paused.After(at) {
			at = paused
		}
		switch {
		case at.After(now):
			if at.Before(wake) {
				wake = at
			}
		case ask < 0, s.life < list[ask].life, s.life == list[ask].life && s.due().Before(list[ask].due()):
			ask = i
		}
	}
	if soon := now.Add(least); wake.Before(soon) {
		wake = soon
	}
	return ask, wake
}

// patience is how long a report is left alone that has failed so often in a row.
func patience(failed int) time.Duration {
	return min(time.Minute<<min(failed-1, 6), time.Hour)
}
