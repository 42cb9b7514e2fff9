package reports

import (
	"errors"
	"sync"
	"time"

	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

// FailedError is how a fetch failed, and for how long it is not tried again. It reads as its cause does.
type FailedError struct {
	RetryAfter time.Duration
	Cause      error
}

func (e *FailedError) Error() string { return e.Cause.Error() }

// Unwrap returns the cause.
func (e *FailedError) Unwrap() error { return e.Cause }

// failures remembers for a short while how fetches failed, so that those who waited do not all fail again, one after the
// other, and what keeps failing is tried less and less often.
type failures struct {
	mu   sync.Mutex
	kept map[string]failure // guarded by mu
}

type failure struct {
	err   error
	until time.Time
	pause time.Duration
}

// The pause after a failure doubles up to a bound, unless Adobe names it.
const (
	firstPause   = time.Second
	longestPause = time.Minute
	maxFailures  = 1000
)

// after is what is remembered after one more failure.
func (f failure) after(err error, now time.Time) failure {
	var e *cmu.Error
	if errors.As(err, &e) && e.RetryAfter > 0 {
		return failure{err, now.Add(e.RetryAfter), f.pause}
	}
	pause := min(max(2*f.pause, firstPause), longestPause)
	return failure{err, now.Add(pause), pause}
}

// last returns how the fetch of that name failed, if that was a moment ago.
func (f *failures) last(name string, now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	last, ok := f.kept[name]
	if !ok || !now.Before(last.until) {
		return nil
	}
	return &FailedError{last.until.Sub(now), last.err}
}

// note keeps the outcome of a fetch, and returns a failure that is kept as a *FailedError. What has a time of its own, or is about the
// caller, is not kept.
func (f *failures) note(name string, err error, now time.Time) error {
	if IsPause(err) || isMisread(err) || isOtherLicence(err) || errors.Is(err, ErrUnfinished) || upstream.Ended(err) {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		delete(f.kept, name)
		return nil
	}
	kept := f.kept[name].after(err, now)
	if f.kept == nil || len(f.kept) > maxFailures {
		f.kept = map[string]failure{}
	}
	f.kept[name] = kept
	return &FailedError{kept.until.Sub(now), err}
}
