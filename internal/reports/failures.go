package reports

import (
	"errors"
	"sync"
	"time"
)

// failures remembers for a short while how fetches failed, so that those who waited do not all fail again, one after the
// other, and a refresh that keeps failing is tried less and less often.
type failures struct {
	mu   sync.Mutex
	kept map[string]failure
}

type failure struct {
	err   error
	until time.Time
	pause time.Duration
}

// The pause after a failure doubles up to a bound.
const (
	firstPause   = time.Second
	longestPause = time.Minute
	maxFailures  = 1000
)

// last returns how the fetch of that name failed, if that was a moment ago.
func (f *failures) last(name string, now time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if last := f.kept[name]; now.Before(last.until) {
		return last.err
	}
	return nil
}

// note keeps the outcome of a fetch. What has a time of its own, or is about the caller, is not kept.
func (f *failures) note(name string, err error, now time.Time) {
	if isPause(err) || isOutside(err) || errors.Is(err, errNoTime) || ended(err) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		delete(f.kept, name)
		return
	}
	if f.kept == nil || len(f.kept) > maxFailures {
		f.kept = map[string]failure{}
	}
	pause := min(max(2*f.kept[name].pause, firstPause), longestPause)
	f.kept[name] = failure{err, now.Add(pause), pause}
}
