package cmu

import "time"

// Civil is a calendar instant without a time zone, in milliseconds since 1970-01-01T00:00, which is the zero Civil. Adobe never
// states the zone of its reports, so report windows and time dimensions are compared as calendar values and never converted.
// Civil instants are ordered by the operators of Go. The proleptic Gregorian calendar is used, and days have 24 hours.
type Civil int64

const (
	civilMinute Civil = 60_000
	civilHour         = 60 * civilMinute
	civilDay          = 24 * civilHour
)

// CivilDate returns the civil instant of the given calendar fields. Months and days count from 1; fields out of range roll
// over as in [time.Date].
func CivilDate(year, month, day, hour, minute int) Civil {
	return Civil(time.Date(year, time.Month(month), day, hour, minute, 0, 0, time.UTC).UnixMilli())
}

// CivilAt returns what a wall clock in loc shows at t, cut to milliseconds. A nil loc panics, as in [time.Time.In].
func CivilAt(t time.Time, loc *time.Location) Civil {
	t = t.In(loc)
	_, offset := t.Zone()
	return Civil(t.UnixMilli() + int64(offset)*1000)
}

// carrier holds the calendar fields of c in a time.Time; its zone means nothing.
func (c Civil) carrier() time.Time { return time.UnixMilli(int64(c)).UTC() }

// In returns the instant at which a wall clock in loc shows c. Where clocks are set forward or back, so that none or two do,
// it is as in [time.Date]. A nil loc panics.
func (c Civil) In(loc *time.Location) time.Time {
	t := c.carrier()
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
}

// Fields returns the calendar fields of c: months and days count from 1. Seconds are left out.
func (c Civil) Fields() (year, month, day, hour, minute int) {
	t := c.carrier()
	return t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute()
}

// Add returns c moved by d, cut to milliseconds. [Grain.Step] moves by calendar periods.
func (c Civil) Add(d time.Duration) Civil { return c + Civil(d.Milliseconds()) }

// String returns c in ISO 8601 without a zone, as short as a report window allows without leaving out the day:
// 2026-07-04, 2026-07-04T05:00, 2026-07-04T05:00:30, 2026-07-04T05:00:30.250.
func (c Civil) String() string {
	if c%civilDay == 0 {
		return c.carrier().Format("2006-01-02")
	}
	return c.withTime()
}

// withTime is String with the time of day, midnight included.
func (c Civil) withTime() string {
	t := c.carrier()
	switch {
	case c%civilMinute == 0:
		return t.Format("2006-01-02T15:04")
	case c%1000 == 0:
		return t.Format("2006-01-02T15:04:05")
	}
	return t.Format("2006-01-02T15:04:05.000")
}
