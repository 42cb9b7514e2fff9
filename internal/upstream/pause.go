package upstream

import (
	"context"
	"errors"
	"net/http"
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
	probing bool // whether Adobe answers others is being found out
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

// met draws what the outcome of a call with a token says of Adobe, and returns it as a *PauseError where all calls pause for it. Before
// they do as several reports fail, one that is known to work is asked for: if that is answered, the trouble is theirs.
func (a *Adobe) met(ctx context.Context, token cmu.Secret, r cmu.Request, err error) error {
	now := a.o.Now()
	a.pause.mu.Lock()
	t, p := a.pause.trouble.after(r.Report(), err, now, now.Before(a.pause.until) || a.pause.probing)
	a.pause.trouble = t
	probe := p.reason == reasonManyFailed
	a.pause.probing = a.pause.probing || probe
	a.pause.mu.Unlock()
	if probe {
		if probed, answers := a.answersOthers(ctx, token, r); answers {
			return err
		} else if _, law := (trouble{}).after(r.Report(), probed, now, false); law.length > 0 {
			p = law // a 429
		}
	}
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

// answersOthers asks for a report that is known to work, one row of it, and reports whether Adobe answers that.
func (a *Adobe) answersOthers(ctx context.Context, token cmu.Secret, r cmu.Request) (probed error, answers bool) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	_, probed = a.made(ctx, token, a.use.now().probes(r.Report())[0], 1, func(cmu.Row) error { return nil })
	var e *cmu.Error
	answers = probed == nil || errors.As(probed, &e) && e.Status < 500 && e.Status != http.StatusTooManyRequests
	a.pause.mu.Lock()
	defer a.pause.mu.Unlock()
	if a.pause.probing = false; answers {
		a.pause.trouble = trouble{}
	}
	return probed, answers
}

// probeTime is how long Adobe may take to show that it answers.
const probeTime = 5 * time.Second
