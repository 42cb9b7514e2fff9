package cmu

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// Bound is one end of a report window as Adobe's API takes it: a calendar instant, or an absolute one. The zero Bound is
// absent: Adobe's default applies. Bounds can be compared with ==; equal ones have the same text.
//
// Source: Adobe, Concurrency Monitoring usage API, "start" and "end"; ISO 8601.
type Bound struct {
	text  string
	at    Civil
	civil bool
}

// BoundAt returns the bound at c. Requests take the years 1900 to 9999: see [Request.Check].
func BoundAt(c Civil) Bound { return Bound{text: c.String(), at: c, civil: true} }

// IsZero reports whether the bound is absent.
func (b Bound) IsZero() bool { return b.text == "" }

// Civil returns the bound's calendar instant. It is false for an absent bound and for one that names an absolute instant
// (milliseconds since the epoch, or a zone), which cannot be compared with civil time as Adobe's zone is unknown.
func (b Bound) Civil() (Civil, bool) { return b.at, b.civil }

// String returns the bound in the form in which it is sent, or "" when it is absent: what ParseBound reads as the same
// bound.
func (b Bound) String() string { return b.text }

// MarshalText returns the text of b; that of an absent bound is empty.
func (b Bound) MarshalText() ([]byte, error) { return []byte(b.text), nil }

// UnmarshalText reads what MarshalText returned.
func (b *Bound) UnmarshalText(text []byte) (err error) {
	*b, err = ParseBound(string(text))
	return err
}

const minYear, maxYear = 1900, 9999

// valid tells whether Parse takes the bound.
func (b Bound) valid() bool {
	return !b.civil || CivilDate(minYear, 1, 1, 0, 0) <= b.at && b.at < CivilDate(maxYear+1, 1, 1, 0, 0)
}

var errBound = errors.New("want an ISO 8601 date or its beginning, such as 2026, 2026-07, 2026-07-04 or 2026-07-04T05:00, from the year 1900 on, or milliseconds since 1970")

// boundLayouts are the prefixes of ISO 8601 that a window accepts, by length.
var boundLayouts = map[int]string{
	4: "2006", 7: "2006-01", 10: "2006-01-02", 13: "2006-01-02T15", 16: "2006-01-02T15:04",
	19: "2006-01-02T15:04:05", 23: "2006-01-02T15:04:05.000",
}

// minDigits is how many digits are milliseconds and no longer a date.
const minDigits = 9

// ParseBound reads one end of a report window: a prefix of an ISO 8601 date-time, filled up to its first instant, from hours on
// with an optional zone (Z or +hh:mm), or milliseconds since 1970-01-01T00:00Z in at least nine digits. A bound with a zone
// keeps the zone as given. The empty string is the absent bound. An error says what is allowed, and does not quote s.
func ParseBound(s string) (Bound, error) {
	if s == "" {
		return Bound{}, nil
	}
	if len(s) > 32 {
		return Bound{}, errBound
	}
	if digits(s) && len(s) >= minDigits {
		if ms, err := strconv.ParseInt(s, 10, 64); err == nil && ms < 1e14 {
			return Bound{text: fmt.Sprintf("%0*d", minDigits, ms)}, nil
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
	if err != nil || t.Year() < minYear {
		return Bound{}, errBound
	}
	at := Civil(t.UnixMilli())
	if zone != "" {
		if _, err := time.Parse("Z07:00", zone); err != nil {
			return Bound{}, errBound
		}
		return Bound{text: at.withTime() + zone}, nil
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
