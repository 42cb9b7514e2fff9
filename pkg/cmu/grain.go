package cmu

import (
	"fmt"
	"strconv"
	"time"
)

// Grain is the finest time dimension of a report path: the length of the calendar period that a row tells of. Grains are ordered,
// coarse to fine. The zero Grain is NoGrain.
type Grain uint8

const (
	// NoGrain stands for a path without time dimensions, or without an unbroken chain of them.
	NoGrain Grain = iota
	// Year and the finer grains are named for the time dimension that is the finest of the path.
	Year
	Month
	Day
	Hour
	Minute
)

// timeDimensions are the time dimensions by grain.
var timeDimensions = [...]string{Year: "year", Month: "month", Day: "day", Hour: "hour", Minute: "minute"}

// String returns the time dimension that the grain is named for, or "none".
func (g Grain) String() string {
	if g == NoGrain || int(g) >= len(timeDimensions) {
		return "none"
	}
	return timeDimensions[g]
}

// TimeDimension returns the grain that a dimension stands for: year, month, day, hour or minute; NoGrain for any other.
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

// Step returns the first instant of the period n periods after the one that holds c (before, for a negative n). NoGrain has
// no periods: c is returned.
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

// Ceil returns c if it begins a period of grain g, else the beginning of the next one. NoGrain has no periods: c is returned.
func (g Grain) Ceil(c Civil) Civil {
	if f := g.Floor(c); f == c {
		return c
	}
	return g.Step(c, 1)
}

// Recompute returns how often Adobe recomputes reports of grain g: every minute, every hour, every 3 hours for days, every
// 48 hours else. A level report is recomputed daily at any grain: see [Request.LevelReport].
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

// Period returns the first instant of the period of grain g that a row names in its time dimensions, from year down to g. get
// returns the row's value of a dimension, "" for a missing one. Years are 1900 to 9999, months and days count from 1, hours and
// minutes from 0. An error names the dimension that has no such number. NoGrain asks for nothing and gives the year 1.
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
