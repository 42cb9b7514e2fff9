package cmu

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"sync"
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

var errBound = errors.New("want a date or its beginning, such as 2026, 2026-07, 2026-07-04 or 2026-07-04T05:00, from the year 1900 on; " +
	"a time with a zone, such as 2026-07-04T05:00Z or +02:00; or milliseconds since 1970, 13 digits")

// boundLayouts are the prefixes of ISO 8601 that a window accepts, by length.
var boundLayouts = map[int]string{
	4: "2006", 7: "2006-01", 10: "2006-01-02", 13: "2006-01-02T15", 16: "2006-01-02T15:04",
	19: "2006-01-02T15:04:05", 23: "2006-01-02T15:04:05.000",
}

// Milliseconds are from 2000 on and before 2100: no report is of another time, and other counts look like that.
const minMillis, maxMillis = 946_684_800_000, 4_102_444_800_000

// ParseBound reads one end of a report window: a prefix of an ISO 8601 date-time, filled up to its first instant, from hours on
// with an optional zone; or milliseconds since 1970-01-01T00:00Z, in the years 2000 to 2099. It takes times as other programs print
// them: any count of fraction digits, of which milliseconds are kept; Z, UTC, +hh:mm, +hhmm or +hh, with a name in brackets
// behind it; a space before the zone that was a plus before a URL was decoded. A bound with a zone keeps it. The empty string is
// the absent bound. An error says what the text looks like and what is allowed, and does not quote it.
func ParseBound(s string) (Bound, error) {
	switch {
	case s == "":
		return Bound{}, nil
	case len(s) > 64:
		return Bound{}, errBound
	case digits(s) && len(s) > 4:
		return parseMillis(s)
	}
	local, zone := splitZone(s)
	if len(local) > 10 && (local[10] == ' ' || local[10] == 't') {
		local = local[:10] + "T" + local[11:]
	}
	if second, fraction, ok := cutFraction(local); ok {
		local = second + "." + (fraction + "000")[:3]
	}
	layout, ok := boundLayouts[len(local)]
	if !ok || zone != "" && len(local) < 13 {
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

// parseMillis reads a count, which is milliseconds or looks like something else.
func parseMillis(s string) (Bound, error) {
	looks := ""
	ms, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err == nil && minMillis <= ms && ms < maxMillis:
		return Bound{text: strconv.FormatInt(ms, 10)}, nil
	case err == nil && minMillis/1000 <= ms && ms < maxMillis/1000:
		looks = "it looks like seconds since 1970: milliseconds have three digits more; "
	case err == nil && (minMillis*1000 <= ms && ms < maxMillis*1000 || ms >= minMillis*1_000_000):
		looks = "it looks like micro- or nanoseconds since 1970: milliseconds have 13 digits; "
	case len(s) == 6 || len(s) == 8 || len(s) == 14:
		looks = "it looks like a date without dashes; "
	}
	return Bound{}, fmt.Errorf("%s%w", looks, errBound)
}

// cutFraction cuts the fraction off a date-time with seconds.
func cutFraction(local string) (second, fraction string, ok bool) {
	if len(local) < 21 || local[19] != '.' && local[19] != ',' || !digits(local[20:]) {
		return "", "", false
	}
	return local[:19], local[20:], true
}

// zoneForm is what may follow a time: a zone, and its name in brackets.
var zoneForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(.{13,}?)(?: ?(Z|z|UTC|GMT)|([+\- ])(\d\d):?(\d\d)?)(?:\[[A-Za-z0-9_+/\-]+\])?$`)
})

// splitZone cuts a zone off a date-time that has at least hours.
func splitZone(s string) (local, zone string) {
	m := zoneForm().FindStringSubmatch(s)
	switch {
	case m == nil:
		return s, ""
	case m[2] != "":
		return m[1], "Z"
	}
	sign, minutes := m[3], m[5]
	if sign == " " { // a plus in a URL that was not escaped
		sign = "+"
	}
	if minutes == "" {
		minutes = "00"
	}
	return m[1], sign + m[4] + ":" + minutes
}

// Instant returns the instant that the bound names if it is absolute: in milliseconds since 1970, or with a zone.
func (b Bound) Instant() (time.Time, bool) {
	if b.civil || b.text == "" {
		return time.Time{}, false
	}
	if digits(b.text) {
		ms, err := strconv.ParseInt(b.text, 10, 64)
		return time.UnixMilli(ms).UTC(), err == nil
	}
	for _, layout := range []string{"2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05.000Z07:00"} {
		if t, err := time.Parse(layout, b.text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// BoundAtInstant returns the absolute bound at t, to the millisecond.
func BoundAtInstant(t time.Time) Bound { return Bound{text: strconv.FormatInt(t.UnixMilli(), 10)} }

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
