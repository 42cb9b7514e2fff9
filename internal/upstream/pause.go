package upstream

import (
	"context"
	"sync"
	"time"

	"cmu-gateway/pkg/cmu"
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

// AccessPause is how long callers are asked to wait while access changes.
const AccessPause = 5 * time.Second

// pause is until when Adobe is not to be called, and what of its troubles may lead to that.
type pause struct {
	mu      sync.Mutex // guards what follows
	until   time.Time
	reason  string // of the pause
	trouble trouble
}

// Pause keeps calls from being made until an instant. It never makes a pause shorter.
func (a *Adobe) Pause(until time.Time) { a.pause.extend(until, reasonThrottled) }

func (p *pause) extend(until time.Time, reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if until.After(p.until) {
		p.until, p.reason = until, reason
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
	a.pause.mu.Lock()
	defer a.pause.mu.Unlock()
	if left := a.pause.until.Sub(a.o.Now()); left > 0 {
		return &PauseError{RetryAfter: left, Reason: a.pause.reason}
	}
	return nil
}

// met draws what the outcome of a call says of Adobe, and returns it as a *PauseError where all calls pause for it.
func (a *Adobe) met(ctx context.Context, r cmu.Request, err error) error {
	now := a.o.Now()
	a.pause.mu.Lock()
	t, p := a.pause.trouble.after(r.Report(), err, now, now.Before(a.pause.until))
	a.pause.trouble = t
	a.pause.mu.Unlock()
	if p.length == 0 {
		return err
	}
	until := now.Add(p.length)
	a.pause.extend(until, p.reason)
	if p.named && a.o.Paused != nil {
		a.o.Paused(ctx, until)
	}
	return &PauseError{RetryAfter: p.length, Reason: p.reason, Cause: err}
}
