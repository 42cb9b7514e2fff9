package reports

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

// ErrNotCached is returned to a caller who wanted no call to Adobe made.
var ErrNotCached = errors.New("not in the cache")

// UnavailableError says that no answer can be had for now and when to ask again.
type UnavailableError struct {
	RetryAfter time.Duration
	Reason     string // for callers, without a full stop
	// Done of Total blocks are there already: the next call goes on. Zero Total: not told.
	Done, Total int
	Cause       error
}

func (e *UnavailableError) Error() string {
	text := e.Reason
	if e.Total > 0 {
		text += fmt.Sprintf("; %d of %d blocks are there", e.Done, e.Total)
	}
	return text
}

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Cause }

// explain turns the failure of a fetch into what a caller can act on, with the progress made.
func (s *licence) explain(h *holding, err error) error {
	u := &UnavailableError{RetryAfter: 2 * time.Second, Reason: "Adobe could not be asked in time", Cause: err}
	var paused *upstream.PauseError
	switch {
	case errors.As(err, &paused):
		u.RetryAfter, u.Reason = paused.RetryAfter, paused.Reason
	case errors.Is(err, errManyCalls):
		u.RetryAfter, u.Reason = time.Second, "so much is fetched in parts"
	case h.unread != nil && !upstream.Ended(err):
		u.Reason = howFailed(err)
	case !errors.Is(err, errNoTime) && !errors.Is(err, context.DeadlineExceeded):
		return err
	}
	if h.unread != nil {
		u.Reason, u.Cause = "what is kept cannot be read, and "+u.Reason, errors.Join(h.unread, err)
		return u
	}
	if p := h.piece; p.grid.Divided() && len(h.own()) > 0 {
		known := coverage(h.own())
		for _, b := range p.grid.Blocks(p.want) {
			part := known.Plan(p.pace, b.Overlap(p.want), p.frozen(s.now()), plan.Demand{Stale: s.policy.Stale}, s.now())
			if u.Total++; len(part.Missing) == 0 {
				u.Done++
			}
		}
	}
	return u
}

// howFailed says in a clause how a call failed that was not refused.
func howFailed(err error) string {
	switch {
	case errors.Is(err, errNoTime):
		return "Adobe could not be asked in time"
	case errors.As(err, new(*cmu.Error)):
		return "Adobe fails"
	case errors.Is(err, upstream.ErrTimeout):
		return "Adobe did not answer in time"
	case errors.Is(err, cmu.ErrTooLarge):
		return "Adobe's answer is larger than this gateway reads"
	case errors.Is(err, cmu.ErrNotReport):
		return "Adobe's answer is no report"
	}
	return "Adobe could not be reached, or its answer broke off"
}

// ErrUnfinished is the cause of an *UnavailableError where a fetch has had what one may have, in calls or in time: the next one goes on.
var ErrUnfinished = errors.New("not all was fetched")

var (
	errNoTime    = fmt.Errorf("%w: no time is left for another call", ErrUnfinished)
	errManyCalls = fmt.Errorf("%w: so many calls were made", ErrUnfinished)
	// errGaveWay: others go first, and the same caller goes on after them.
	errGaveWay = fmt.Errorf("%w: others go first", ErrUnfinished)
)

// outsideError is returned when an answer holds a row outside the range asked: what slicing by calendar rests on is wrong.
// With noPeriod the row has no period at all, which tells of its report only.
type outsideError struct {
	report   store.Report
	evidence string
	noPeriod bool
}

func (e *outsideError) Error() string { return "a row lies outside the range asked for: " + e.evidence }

func isOutside(err error) bool { return errors.As(err, new(*outsideError)) }

func isNature(err error) bool {
	_, ok := asNature(err)
	return ok
}

func asNature(err error) (e *natureError, ok bool) {
	ok = errors.As(err, &e)
	return e, ok
}

// isMisread reports whether an answer must be asked for in another way.
func isMisread(err error) bool { return isOutside(err) || isNature(err) }

// errUnsteady: Adobe says something else of the same report each time.
var errUnsteady = fmt.Errorf("%w: its self link says something else each time", cmu.ErrNotReport)

// IsPause reports whether an error has a time of its own at which to ask again.
func IsPause(err error) bool {
	return errors.As(err, new(*upstream.PauseError)) || errors.As(err, new(*UnavailableError))
}

// refusal returns Adobe's refusal of a report itself: asking again at once changes nothing.
func refusal(err error) (*cmu.Error, bool) {
	var e *cmu.Error
	if IsPause(err) || !errors.As(err, &e) || e.Op != "report" || e.Status/100 != 4 {
		return nil, false
	}
	return e, e.Status != http.StatusTooManyRequests && (e.Status != http.StatusUnauthorized || errors.As(err, new(*upstream.RefusedError)))
}

// passing reports whether a call failed for a reason that a second call may not meet.
func passing(err error) bool {
	var e *cmu.Error
	switch {
	case err == nil, IsPause(err), isMisread(err), errors.Is(err, cmu.ErrTooLarge), errors.As(err, new(*upstream.NotReportError)), upstream.Ended(err), isOtherLicence(err):
		return false
	case errors.As(err, &e):
		return e.Status >= 500 && e.RetryAfter == 0
	}
	return true
}
