package sandbox

import (
	"strconv"
	"time"

	"cmu-gateway/pkg/cmu"
)

// instant returns when a wall clock in loc first shows c, or, where it skips c, when it skips. It never decreases with c,
// so the periods of a calendar cover time without gap or overlap, whatever the zone does.
func instant(c cmu.Civil, loc *time.Location) time.Time {
	if loc == time.UTC {
		return time.UnixMilli(int64(c)).UTC()
	}
	t := c.In(loc)
	start, end := t.ZoneBounds()
	switch shown := cmu.CivilAt(t, loc); {
	case shown > c && !start.IsZero():
		return start
	case shown < c && !end.IsZero():
		return end
	}
	if start.IsZero() {
		return t
	}
	_, before := start.Add(-time.Second).Zone()
	_, offset := t.Zone()
	if back := time.Duration(before-offset) * time.Second; back > 0 && t.Sub(start) < back {
		return t.Add(-back)
	}
	return t
}

// windowBound returns where a bound of a report window stands in the rows' calendar.
func windowBound(b cmu.Bound, loc *time.Location) cmu.Civil {
	if c, ok := b.Civil(); ok {
		return c
	}
	text := b.String()
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return cmu.CivilAt(time.UnixMilli(ms), loc)
	}
	for _, layout := range []string{"2006-01-02T15Z07:00", "2006-01-02T15:04Z07:00", time.RFC3339} {
		if t, err := time.Parse(layout, text); err == nil {
			return cmu.CivilAt(t, loc)
		}
	}
	return 0 // cmu.ParseBound lets nothing else through
}
