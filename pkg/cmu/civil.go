package cmu

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Civil is a calendar instant without a time zone, in milliseconds since 1970-01-01T00:00. Adobe never states the zone
// of its reports, so report windows and time dimensions are compared as calendar values and never converted.
type Civil int64

const (
	civilMinute Civil = 60_000
	civilHour         = 60 * civilMinute
	civilDay          = 24 * civilHour
)

// CivilDate returns the civil instant of the given calendar fields; out-of-range fields roll over as in time.Date.
func CivilDate(year, month, day, hour, minute int) Civil {
	return Civil(time.Date(year, time.Month(month), day, hour, minute, 0, 0, time.UTC).UnixMilli())
}

// CivilAt returns what a wall clock in loc shows at t.
func CivilAt(t time.Time, loc *time.Location) Civil {
	t = t.In(loc)
	_, offset := t.Zone()
	return Civil(t.UnixMilli() + int64(offset)*1000)
}

// carrier holds the calendar fields of c in a time.Time; its zone means nothing.
func (c Civil) carrier() time.Time { return time.UnixMilli(int64(c)).UTC() }

// In returns the instant at which a wall clock in loc shows c.
func (c Civil) In(loc *time.Location) time.Time {
	t := c.carrier()
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), loc)
}

// Fields returns the calendar fields of c.
func (c Civil) Fields() (year, month, day, hour, minute int) {
	t := c.carrier()
	return t.Year(), int(t.Month()), t.Day(), t.Hour(), t.Minute()
}

// Add returns c moved by d, cut to milliseconds.
func (c Civil) Add(d time.Duration) Civil { return c + Civil(d.Milliseconds()) }

// String returns c in ISO 8601 without a zone, as short as a report window allows without leaving out the day:
// 2026-07-04, 2026-07-04T05:00, 2026-07-04T05:00:30, 2026-07-04T05:00:30.250.
func (c Civil) String() string {
	t := c.carrier()
	switch {
	case c%civilDay == 0:
		return t.Format("2006-01-02")
	case c%civilMinute == 0:
		return t.Format("2006-01-02T15:04")
	case c%1000 == 0:
		return t.Format("2006-01-02T15:04:05")
	}
	return t.Format("2006-01-02T15:04:05.000")
}

// Bound is one end of a report window as Adobe's API takes it. The zero Bound is absent: Adobe's default applies.
type Bound struct {
	text  string
	at    Civil
	civil bool
}

// BoundAt returns the bound at c.
func BoundAt(c Civil) Bound { return Bound{text: c.String(), at: c, civil: true} }

// IsZero reports whether the bound is absent.
func (b Bound) IsZero() bool { return b.text == "" }

// Civil returns the bound's calendar instant. It is false for an absent bound and for one that names an absolute instant
// (milliseconds since the epoch, or a zone), which cannot be compared with civil time as Adobe's zone is unknown.
func (b Bound) Civil() (Civil, bool) { return b.at, b.civil }

// String returns the bound in canonical form, or "" when it is absent.
func (b Bound) String() string { return b.text }

// MarshalText returns the text of b; that of an absent bound is empty.
func (b Bound) MarshalText() ([]byte, error) { return []byte(b.text), nil }

// UnmarshalText reads what MarshalText returned.
func (b *Bound) UnmarshalText(text []byte) (err error) {
	*b, err = ParseBound(string(text))
	return err
}

var errBound = errors.New("want an ISO 8601 date or its beginning, such as 2026, 2026-07, 2026-07-04 or 2026-07-04T05:00, or milliseconds since 1970")

// boundLayouts are the prefixes of ISO 8601 that a window accepts, by length.
var boundLayouts = map[int]string{
	4: "2006", 7: "2006-01", 10: "2006-01-02", 13: "2006-01-02T15", 16: "2006-01-02T15:04",
	19: "2006-01-02T15:04:05", 23: "2006-01-02T15:04:05.000",
}

// ParseBound reads one end of a report window: a prefix of an ISO 8601 date-time, filled up to its first instant, with an
// optional zone, or milliseconds since the epoch. The empty string is the absent bound.
func ParseBound(s string) (Bound, error) {
	if s == "" {
		return Bound{}, nil
	}
	if len(s) > 32 {
		return Bound{}, errBound
	}
	if digits(s) && len(s) >= 9 {
		if ms, err := strconv.ParseInt(s, 10, 64); err == nil && ms < 1e14 {
			return Bound{text: strconv.FormatInt(ms, 10)}, nil
		}
		return Bound{}, errBound
	}
	local, zone := splitZone(s)
	if len(local) > 10 && (local[10] == ' ' || local[10] == 't') {
		local = local[:10] + "T" + local[11:]
	}
	layout, ok := boundLayouts[len(local)]
	if !ok {
		return Bound{}, errBound
	}
	t, err := time.Parse(layout, local)
	if err != nil || t.Year() < 1900 {
		return Bound{}, errBound
	}
	at := Civil(t.UnixMilli())
	if zone != "" {
		if _, err := time.Parse("Z07:00", zone); err != nil {
			return Bound{}, errBound
		}
		return Bound{text: local + zone}, nil
	}
	return BoundAt(at), nil
}

// splitZone cuts a zone off a date-time that has at least hours.
func splitZone(s string) (local, zone string) {
	if n := len(s); n > 13 && (s[n-1] == 'Z' || s[n-1] == 'z') {
		return s[:n-1], "Z"
	} else if n > 18 && (s[n-6] == '+' || s[n-6] == '-') && s[n-3] == ':' {
		return s[:n-6], s[n-6:]
	}
	return s, ""
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// Grain is the finest time dimension of a report path.
type Grain uint8

// The grains, coarse to fine. NoGrain stands for a path without time dimensions.
const (
	NoGrain Grain = iota
	Year
	Month
	Day
	Hour
	Minute
)

// timeDimensions are the time dimensions by grain.
var timeDimensions = [...]string{Year: "year", Month: "month", Day: "day", Hour: "hour", Minute: "minute"}

// String returns the time dimension that the grain is named for.
func (g Grain) String() string {
	if g == NoGrain || int(g) >= len(timeDimensions) {
		return "none"
	}
	return timeDimensions[g]
}

// TimeDimension returns the grain that a time dimension stands for, or NoGrain for any other dimension.
func TimeDimension(dimension string) Grain {
	for g := Year; g <= Minute; g++ {
		if timeDimensions[g] == dimension {
			return g
		}
	}
	return NoGrain
}

// Floor returns the first instant of the period of grain g that holds c. NoGrain has no periods: c is returned.
func (g Grain) Floor(c Civil) Civil {
	y, m, d, h, min := c.Fields()
	switch g {
	case Year:
		return CivilDate(y, 1, 1, 0, 0)
	case Month:
		return CivilDate(y, m, 1, 0, 0)
	case Day:
		return CivilDate(y, m, d, 0, 0)
	case Hour:
		return CivilDate(y, m, d, h, 0)
	case Minute:
		return CivilDate(y, m, d, h, min)
	}
	return c
}

// Step returns the first instant of the period n periods after the one that holds c (before, for a negative n).
func (g Grain) Step(c Civil, n int) Civil {
	f := g.Floor(c)
	y, m, _, _, _ := f.Fields()
	switch g {
	case Year:
		return CivilDate(y+n, 1, 1, 0, 0)
	case Month:
		return CivilDate(y, m+n, 1, 0, 0)
	case Day:
		return f + Civil(n)*civilDay
	case Hour:
		return f + Civil(n)*civilHour
	case Minute:
		return f + Civil(n)*civilMinute
	}
	return c
}

// Ceil returns c if it begins a period of grain g, else the beginning of the next one.
func (g Grain) Ceil(c Civil) Civil {
	if f := g.Floor(c); f == c {
		return c
	}
	return g.Step(c, 1)
}

// Recompute returns how often Adobe recomputes reports of grain g.
//
// Source: Adobe, Concurrency Monitoring usage reports, "data freshness".
func (g Grain) Recompute() time.Duration {
	switch g {
	case Minute:
		return time.Minute
	case Hour:
		return time.Hour
	case Day:
		return 3 * time.Hour
	}
	return 48 * time.Hour
}

// Period returns the period of grain g that the time dimensions name, read by get ("" for a missing one).
func (g Grain) Period(get func(dimension string) string) (Civil, error) {
	fields := [...]int{Year: 0, Month: 1, Day: 1, Hour: 0, Minute: 0}
	least := [...]int{Year: 1900, Month: 1, Day: 1, Hour: 0, Minute: 0}
	most := [...]int{Year: 9999, Month: 12, Day: 31, Hour: 23, Minute: 59}
	for f := Year; f <= g; f++ {
		s := get(timeDimensions[f])
		n, err := strconv.Atoi(s)
		if err != nil || n < least[f] || n > most[f] {
			return 0, fmt.Errorf("%s %q is not a number from %d to %d", f, s, least[f], most[f])
		}
		fields[f] = n
	}
	c := CivilDate(fields[Year], fields[Month], fields[Day], fields[Hour], fields[Minute])
	if _, m, _, _, _ := c.Fields(); m != fields[Month] {
		return 0, fmt.Errorf("day %d does not exist in %d-%02d", fields[Day], fields[Year], fields[Month])
	}
	return c, nil
}
