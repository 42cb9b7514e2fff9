package plan

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"cmu-gateway/pkg/cmu"
)

// relativeForms names what a bound may also be.
const relativeForms = "; relative to now: -30d, -12h, -2w, -1m (month), -1y, today, yesterday, this-month, last-month, now"

var relative = regexp.MustCompile(`^-(\d{1,4})(h|d|w|m|y)$`)

// ParseRequest is cmu.Parse for callers who may also write bounds relative to now, by Adobe's clock as far as it is known: so much
// before it, or by name. They become the beginning of the period of the report's grain that they lie in; an end of now is the
// present, whatever comes of it. Adobe is never sent such a bound. rowsOf returns the path of the rows of a request, which its own may be
// an alias of.
func (p Policy) ParseRequest(path, query string, now time.Time, rowsOf func(cmu.Request) []string) (cmu.Request, error) {
	grain := cmu.NoGrain
	if at, err := cmu.Parse(path, ""); err == nil {
		at.Path = rowsOf(at)
		grain, _ = at.Grain()
	}
	var pairs []string
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		text, err := url.QueryUnescape(value)
		text = strings.ToLower(strings.TrimSpace(text))
		at, ok := moment(text, p.Civil(now))
		switch {
		case err != nil || !ok || name != "start" && name != "end":
			pairs = append(pairs, pair)
		case name == "end" && text == "now":
		default:
			pairs = append(pairs, name+"="+floor(grain, text, at).String())
		}
	}
	r, err := cmu.Parse(path, strings.Join(pairs, "&"))
	var wrong *cmu.RequestError
	if errors.As(err, &wrong) && (wrong.Part == "start" || wrong.Part == "end") {
		err = &cmu.RequestError{Part: wrong.Part, Problem: wrong.Problem + relativeForms}
	}
	if err != nil {
		return cmu.Request{}, err
	}
	return r, nil
}

// floor takes a bound to the beginning of the period that it lies in. Where nobody knows the grain that is the day, as more of a row is
// better than a part of it; but of a bound in hours, or of now, the hour.
func floor(grain cmu.Grain, text string, at cmu.Civil) cmu.Civil {
	switch {
	case grain != cmu.NoGrain:
	case text == "now" || strings.HasSuffix(text, "h"):
		grain = cmu.Hour
	default:
		grain = cmu.Day
	}
	return grain.Floor(at)
}

// moment reads a relative bound at a moment of the calendar.
func moment(text string, now cmu.Civil) (at cmu.Civil, ok bool) {
	y, m, d, hour, minute := now.Fields()
	switch text {
	case "now":
		return now, true
	case "today":
		return cmu.Day.Floor(now), true
	case "yesterday":
		return cmu.Day.Step(now, -1), true
	case "this-month":
		return cmu.Month.Floor(now), true
	case "last-month":
		return cmu.Month.Step(now, -1), true
	}
	parts := relative.FindStringSubmatch(text)
	if parts == nil {
		return 0, false
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		panic(fmt.Sprintf("four digits are no number: %v", err))
	}
	switch parts[2] {
	case "h":
		return now.Add(-time.Duration(n) * time.Hour), true
	case "d":
		return cmu.CivilDate(y, m, d-n, hour, minute), true
	case "w":
		return cmu.CivilDate(y, m, d-7*n, hour, minute), true
	case "y":
		n *= 12
	}
	// The same day of another month, or its last one.
	_, _, last, _, _ := (cmu.CivilDate(y, m-n+1, 1, 0, 0) - 1).Fields()
	return cmu.CivilDate(y, m-n, min(d, last), hour, minute), true
}
