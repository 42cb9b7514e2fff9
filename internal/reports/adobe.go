package reports

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"cmu-gateway/pkg/cmu"
)

// adobe makes the calls: few at a time, none during a cool-down, with a token that is renewed once when refused.
type adobe struct {
	client  *cmu.Client
	token   func(context.Context) (cmu.Secret, error)
	refused func(context.Context, cmu.Secret) (cmu.Secret, error)
	now     func() time.Time
	log     *slog.Logger
	slots   chan struct{}
	limit   int // the row limit that calls name

	// onPause is told of a cool-down that this process met.
	onPause func(ctx context.Context, until time.Time)

	calls    atomic.Int64
	failures atomic.Int64
	// latency is how long the last call took, in nanoseconds.
	latency atomic.Int64

	mu sync.Mutex
	// cooldown is until when Adobe asked not to be called.
	cooldown time.Time
	// learnt is since when clamp, most and limits are collected: after a while they are forgotten, as Adobe may change.
	learnt time.Time
	// clamp is the largest answer seen cut below the limit asked for; zero: none.
	clamp int
	// most is the largest answer seen: no limit is below it.
	most int
	// limits tells whether Adobe takes the limit parameter with our value: unknown, taken or refused.
	limits limitsState
}

type limitsState uint8

const (
	limitsUnknown limitsState = iota
	limitsTaken
	limitsRefused
)

// reply is what one call yielded beside its rows.
type reply struct {
	at    time.Time
	links cmu.Links
	rows  int
	// full: there are as many rows as Adobe was asked for, or said it would give, or a suspiciously round number.
	full bool
	raw  *Raw
}

// maxRaw bounds an answer that is passed through unread.
const maxRaw = 8 << 20

// roundRows: a row count that is a multiple of this is taken for a limit that was applied without a word, unless Adobe gave
// more rows not long before.
const roundRows = 500

// learntFor is how long what was learnt of Adobe's limits is believed.
const learntFor = time.Hour

// report calls Adobe once for r and hands every row to sink.
func (a *adobe) report(ctx context.Context, r cmu.Request, sink func(cmu.Row) error) (reply, error) {
	if err := a.paused(); err != nil {
		return reply{}, err
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
	case <-ctx.Done():
		return reply{}, ctx.Err()
	}
	// While this call waited for its turn another may have met a pause.
	if err := a.paused(); err != nil {
		return reply{}, err
	}
	token, err := a.token(ctx)
	if err != nil {
		return reply{}, err
	}
	own := r.Limit == 0
	if own {
		r.Limit = a.rowLimit()
	}
	out, err := a.once(ctx, token, r, sink)
	if errors.Is(err, cmu.ErrUnauthorized) {
		if token, err = a.refused(ctx, token); err != nil {
			return reply{}, err
		}
		if err := a.paused(); err != nil {
			return reply{}, err
		}
		if out, err = a.once(ctx, token, r, sink); errors.Is(err, cmu.ErrUnauthorized) {
			return reply{}, &Unavailable{RetryAfter: accessPause, Reason: "Adobe refuses the access token", Cause: err}
		}
	}
	if own && r.Limit > 0 && refusesLimit(err) && !a.takesLimits() {
		r.Limit = 0
		var second error
		if out, second = a.once(ctx, token, r, sink); second == nil {
			a.setLimits(limitsRefused)
			err = nil
		}
	} else if own && r.Limit > 0 && err == nil {
		a.setLimits(limitsTaken)
	}
	var e *cmu.Error
	if errors.As(err, &e) && errors.Is(e, cmu.ErrThrottled) {
		until := a.now().Add(e.RetryAfter)
		a.coolDown(until)
		a.onPause(ctx, until)
		return reply{}, &Unavailable{RetryAfter: e.RetryAfter, Reason: pauseReason, Cause: err}
	}
	if err == nil && own {
		a.learnFrom(r.Limit, out)
	}
	return out, err
}

const pauseReason = "Adobe asked for a pause"

// paused returns an error during a cool-down.
func (a *adobe) paused() error {
	if left := a.coolUntil().Sub(a.now()); left > 0 {
		return &Unavailable{RetryAfter: left, Reason: pauseReason}
	}
	return nil
}

// accessPause is how long callers are asked to wait for new access.
const accessPause = 5 * time.Second

// once makes the HTTP call, and logs it for metric filters.
func (a *adobe) once(ctx context.Context, token cmu.Secret, r cmu.Request, sink func(cmu.Row) error) (reply, error) {
	out, err := a.ask(ctx, token, r, sink)
	a.calls.Add(1)
	status := http.StatusOK
	if err != nil {
		a.failures.Add(1)
		status = 0 // no answer, or a broken one
		var e *cmu.Error
		if errors.As(err, &e) {
			status = e.Status
		}
	}
	a.log.InfoContext(ctx, "Adobe called", "event", "adobe_called", "status", status, "rows", out.rows, "full", out.full,
		"milliseconds", a.now().Sub(out.at).Milliseconds())
	return out, err
}

func (a *adobe) ask(ctx context.Context, token cmu.Secret, r cmu.Request, sink func(cmu.Row) error) (reply, error) {
	out := reply{at: a.now()}
	resp, err := a.client.Report(ctx, token, r, "application/json")
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	tee := &firstBytes{r: resp.Body}
	out.links, err = cmu.ReadReport(tee, func(row cmu.Row) error {
		if out.rows++; out.rows == 1 {
			tee.stop()
		}
		return sink(row)
	})
	if errors.Is(err, cmu.ErrNotReport) && out.rows == 0 {
		if body, ok := tee.all(); ok {
			out.raw = &Raw{ContentType: contentType(resp.Header), Body: body}
			return out, nil
		}
	}
	if err != nil {
		return out, err
	}
	a.latency.Store(int64(a.now().Sub(out.at)))
	limit := r.Limit
	if self, err := selfRequest(out.links); err == nil && self.Limit > 0 && (limit == 0 || self.Limit < limit) {
		limit = self.Limit
	}
	out.full = limit > 0 && out.rows >= limit || out.rows > 0 && out.rows%roundRows == 0 && !a.gaveMore(out.rows)
	return out, nil
}

// learn locks what is known of Adobe's limits, forgetting it first if it is old.
func (a *adobe) learn() {
	a.mu.Lock()
	if now := a.now(); now.Sub(a.learnt) > learntFor {
		a.learnt, a.clamp, a.most, a.limits = now, 0, 0, limitsUnknown
	}
}

// gaveMore reports whether an answer of more rows was seen.
func (a *adobe) gaveMore(rows int) bool {
	a.learn()
	defer a.mu.Unlock()
	return a.most > rows
}

func contentType(h http.Header) string {
	if t := h.Get("Content-Type"); t != "" {
		return t
	}
	return "application/octet-stream"
}

// refusesLimit reports whether an error may be Adobe's refusal of the limit parameter: a 400 that is not known to be
// about something else.
func refusesLimit(err error) bool {
	var e *cmu.Error
	return errors.As(err, &e) && e.Status == http.StatusBadRequest && !errors.Is(e, cmu.ErrTooWide)
}

func (a *adobe) takesLimits() bool {
	a.learn()
	defer a.mu.Unlock()
	return a.limits == limitsTaken
}

func (a *adobe) setLimits(s limitsState) {
	a.learn()
	defer a.mu.Unlock()
	a.limits = s
}

// rowLimit is the limit to name in a call; zero leaves it to Adobe.
func (a *adobe) rowLimit() int {
	a.learn()
	defer a.mu.Unlock()
	if a.limits == limitsRefused {
		return 0
	}
	return a.limit
}

// capacity is how many rows an answer can be expected to hold uncut.
func (a *adobe) capacity() int {
	a.learn()
	defer a.mu.Unlock()
	if a.clamp > 0 {
		return a.clamp
	}
	return a.limit
}

// learnFrom notes how many rows Adobe gave for a limit of ours.
func (a *adobe) learnFrom(asked int, out reply) {
	a.learn()
	defer a.mu.Unlock()
	switch {
	case out.full && (asked == 0 || out.rows < asked):
		a.clamp = out.rows
	case out.rows > a.clamp:
		a.clamp = 0
	}
	a.most = max(a.most, out.rows)
}

func (a *adobe) coolUntil() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cooldown
}

func (a *adobe) coolDown(until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if until.After(a.cooldown) {
		a.cooldown = until
	}
}

// selfRequest reads the effective query from the self link. Its path may carry another prefix, or be another report.
func selfRequest(l cmu.Links) (cmu.Request, error) {
	_, query, _ := bytes.Cut([]byte(l.Self), []byte("?"))
	return cmu.Parse("", string(query))
}

// firstBytes keeps what is read until it is stopped, so that an answer that is no report can be passed on whole.
type firstBytes struct {
	r       io.Reader
	kept    []byte
	stopped bool
}

func (f *firstBytes) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if !f.stopped {
		if f.kept = append(f.kept, p[:n]...); len(f.kept) > maxRaw {
			f.stop()
		}
	}
	return n, err
}

func (f *firstBytes) stop() { f.kept, f.stopped = nil, true }

// all returns the whole body if it was kept from its beginning and is not too large.
func (f *firstBytes) all() ([]byte, bool) {
	if f.stopped {
		return nil, false
	}
	if _, err := io.Copy(io.Discard, f); err != nil || f.stopped {
		return nil, false
	}
	return f.kept, true
}
