package upstream

import (
	"sync"
	"time"
)

// PauseError says that Adobe is not to be asked for now, and when to come back.
type PauseError struct {
	RetryAfter time.Duration
	Reason     string // for callers, without a full stop
	Cause      error  // nil: none
}

func (e *PauseError) Error() string { return e.Reason }

// Unwrap returns the cause, or nil.
func (e *PauseError) Unwrap() error { return e.Cause }

const (
	pauseReason = "Adobe asked for a pause"
	// accessPause is how long callers are asked to wait for new access.
	accessPause = 5 * time.Second
)

// pause is until when Adobe asked not to be called.
type pause struct {
	mu    sync.Mutex
	until time.Time // guarded by mu
}

// Pause keeps calls from being made until an instant. It never makes a pause shorter.
func (a *Adobe) Pause(until time.Time) {
	a.pause.mu.Lock()
	defer a.pause.mu.Unlock()
	if until.After(a.pause.until) {
		a.pause.until = until
	}
}

// PausedUntil returns when the last pause ends or has ended; zero: there was none.
func (a *Adobe) PausedUntil() time.Time {
	a.pause.mu.Lock()
	defer a.pause.mu.Unlock()
	return a.pause.until
}

// paused returns an error during a pause.
func (a *Adobe) paused() error {
	if left := a.PausedUntil().Sub(a.o.Now()); left > 0 {
		return &PauseError{RetryAfter: left, Reason: pauseReason}
	}
	return nil
}
