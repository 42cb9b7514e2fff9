package upstream

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"syscall"
	"time"

	"cmu-gateway/internal/fair"
	"cmu-gateway/pkg/cmu"
)

// ErrTimeout is what a call ends with that takes longer than the client's Timeout.
var ErrTimeout = errors.New("Adobe did not answer in time")

// trouble is what is known of Adobe's troubles since it last answered. What one report meets is that report's own; several make a
// trouble of Adobe's, in which all calls pause.
type trouble struct {
	reports []troubled // the last ones, each once
	pauses  int        // in a row whose length Adobe did not name
}

type troubled struct {
	report string
	at     time.Time
}

// What makes a trouble of all: so many reports within that time, while none was answered. Pauses of which Adobe says nothing double
// from the first to the longest, which is short: whoever asks for what always fails must not keep others waiting.
const (
	troubledReports  = 3
	troubleWindow    = time.Minute
	firstPause       = time.Second
	longestOwnPause  = 8 * time.Second
	reasonThrottled  = "Adobe asked for a pause"
	reasonManyFailed = "Adobe fails for several reports"
)

// pauseFor is a pause of all calls; the zero value is none.
type pauseFor struct {
	length time.Duration
	named  bool // by Adobe
	reason string
}

// after returns what is known after a call for a report ended with err, and the pause that all calls make for it. paused tells that
// one is under way.
func (t trouble) after(report string, err error, now time.Time, paused bool) (trouble, pauseFor) {
	var e *cmu.Error
	errors.As(err, &e)
	switch {
	case e != nil && e.Status == http.StatusTooManyRequests:
		return t, pauseFor{e.RetryAfter, true, reasonThrottled}
	case !isTrouble(err):
		if Ended(err) || errors.Is(err, cmu.ErrUnauthorized) || isOurs(err) {
			return t, pauseFor{} // that tells nothing
		}
		return trouble{}, pauseFor{}
	}
	kept := slices.DeleteFunc(slices.Clone(t.reports), func(o troubled) bool { return o.report == report || now.Sub(o.at) > troubleWindow })
	t.reports = append(kept, troubled{report, now})
	t.reports = t.reports[max(0, len(t.reports)-troubledReports):]
	switch {
	case len(t.reports) < troubledReports:
		t.pauses = 0
		return t, pauseFor{}
	case e != nil && e.RetryAfter > 0:
		return t, pauseFor{e.RetryAfter, true, reasonManyFailed}
	case paused:
		return t, pauseFor{} // by a call that ran beside this one
	}
	t.pauses++
	return t, pauseFor{min(firstPause<<min(t.pauses-1, 10), longestOwnPause), false, reasonManyFailed}
}

// isTrouble reports whether a call failed for a reason that may be all of Adobe's: it answered with 5xx, not in time, or not at all.
// What is no report, or too large, tells of its report only.
func isTrouble(err error) bool {
	var e *cmu.Error
	switch {
	case err == nil, Ended(err), isOurs(err), errors.Is(err, cmu.ErrTooLarge), errors.Is(err, cmu.ErrNotReport):
		return false
	case errors.As(err, &e):
		return e.Status >= 500
	}
	return true
}

// isOurs reports whether a call was not made as this process, or this machine, has no connection to spare.
func isOurs(err error) bool { return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) }

// Ended reports whether something ended as nobody waits for it any more, or its time was up.
func Ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, fair.ErrGone)
}
