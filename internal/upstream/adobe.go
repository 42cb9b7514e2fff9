// Package upstream makes the report calls to Adobe: few at a time, none during a pause that Adobe asked for, with an access
// token that is renewed once when it is refused. It learns which row limits Adobe heeds, and tells which answers may lack rows.
package upstream

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"cmu-gateway/pkg/cmu"
)

// Options say how calls are made. All fields are required but Paused, Newer and Accepted.
type Options struct {
	Client *cmu.Client
	// Token returns the access token; Refused is called with one that Adobe refused and returns another, or an error.
	Token   func(context.Context) (Token, error)
	Refused func(context.Context, cmu.Secret) (Token, error)
	// Newer returns what has replaced a token that Adobe takes and gives nothing for (403), if anything has. Nil: nothing ever does.
	Newer func(context.Context, cmu.Secret) (Token, bool)
	// Accepted is told of the token of each call that Adobe answered with a report. Nil: nobody is told.
	Accepted func(context.Context, cmu.Secret)
	// RowLimit is the limit that calls name where the caller names none.
	RowLimit int
	// Parallel is how many calls may run at once.
	Parallel int
	// Paused is told of a pause that a call has met. Nil: nobody is told.
	Paused func(ctx context.Context, until time.Time)
	Now    func() time.Time
	Log    *slog.Logger
}

// Token is an access token with the name of the licence that the rows belong to which it gives.
type Token struct {
	Value   cmu.Secret
	Licence string
}

// ErrOtherLicence is returned when the token is of another licence than the rows were asked for under: Adobe was not asked, or not
// with that one.
var ErrOtherLicence = errors.New("the access token is of another licence")

// Adobe makes the calls of one process. It may be used by many goroutines at once.
type Adobe struct {
	o      Options
	slots  chan struct{}
	limits limits
	pause  pause

	calls    atomic.Int64
	failures atomic.Int64
	latency  atomic.Int64 // of the last call that succeeded, in nanoseconds
}

// New returns an Adobe that has learnt nothing yet.
func New(o Options) *Adobe {
	return &Adobe{o: o, slots: make(chan struct{}, o.Parallel), limits: limits{own: o.RowLimit, now: o.Now}}
}

// Reply is what one call yielded beside its rows.
type Reply struct {
	At    time.Time // when the call began
	Links cmu.Links
	Rows  int
	// Truncated tells that rows may be missing: there are as many as were asked for, or as Adobe said it would give, or a
	// suspiciously round number.
	Truncated bool
	// Simulated tells that the answer says of itself that its rows are made up.
	Simulated bool
}

// Report asks for r, under a licence, and hands every row to sink, whose error ends the call and is returned as it is. A row is valid until sink
// returns. Where r names no limit the call names one of its own. Where it names one the call asks for a row more, which is not handed
// on: it tells whether there are rows past the limit.
//
// Errors: *PauseError when Adobe is not to be asked for now; ErrOtherLicence; *NotReportError when what came is no report; those of Token and Refused;
// those of cmu.Client.Report and cmu.ReadReport; the context's own.
func (a *Adobe) Report(ctx context.Context, licence string, r cmu.Request, sink func(cmu.Row) error) (Reply, error) {
	leave, err := a.enter(ctx)
	if err != nil {
		return Reply{}, err
	}
	defer leave()
	token, err := a.o.Token(ctx)
	if err = under(licence, token, err); err != nil {
		return Reply{}, err
	}
	a.limits.of(licence)
	most := r.Limit
	own := most == 0
	if own {
		r.Limit = a.limits.toName()
	} else if most < cmu.MaxLimit {
		r.Limit++
	}
	out, err := a.call(ctx, token.Value, r, most, sink)
	if errors.Is(err, cmu.ErrUnauthorized) {
		token, err = a.o.Refused(ctx, token.Value)
		if err = under(licence, token, err); err != nil {
			return Reply{}, err
		}
		if err := a.paused(); err != nil {
			return Reply{}, err
		}
		if out, err = a.call(ctx, token.Value, r, most, sink); errors.Is(err, cmu.ErrUnauthorized) {
			return Reply{}, &PauseError{RetryAfter: accessPause, Reason: "Adobe refuses the access token", Cause: err}
		}
	}
	var refused *cmu.Error
	if errors.As(err, &refused) && refused.Status == http.StatusForbidden && a.o.Newer != nil {
		if newer, ok := a.o.Newer(ctx, token.Value); ok { // the client was replaced, in another process
			if err := under(licence, newer, nil); err != nil {
				return Reply{}, err
			}
			token = newer
			out, err = a.call(ctx, token.Value, r, most, sink)
		}
	}
	if own && r.Limit > 0 {
		switch {
		case err == nil:
			a.limits.note(limitTaken)
		case mayRefuseLimit(err) && a.limits.heeded() != limitTaken:
			r.Limit = 0
			if again, second := a.call(ctx, token.Value, r, most, sink); second == nil {
				a.limits.note(limitRefused)
				out, err = again, nil
			}
		}
	}
	if r.Limit > most && !own && mayRefuseLimit(err) { // the caller's limit may be the largest that Adobe takes
		r.Limit = most
		if again, second := a.call(ctx, token.Value, r, most, sink); second == nil {
			out, err = again, nil
		}
	}
	var e *cmu.Error
	if errors.As(err, &e) && errors.Is(e, cmu.ErrThrottled) {
		until := a.o.Now().Add(e.RetryAfter)
		a.Pause(until)
		if a.o.Paused != nil {
			a.o.Paused(ctx, until)
		}
		return Reply{}, &PauseError{RetryAfter: e.RetryAfter, Reason: pauseReason, Cause: err}
	}
	if err == nil && own {
		a.limits.learn(r.Limit, out)
	}
	return out, err
}

// under checks that what was got is a token of a licence.
func under(licence string, got Token, err error) error {
	if err == nil && got.Licence != licence {
		return ErrOtherLicence
	}
	return err
}

// enter waits for a turn, and returns what ends it.
func (a *Adobe) enter(ctx context.Context) (leave func(), err error) {
	if err := a.paused(); err != nil {
		return nil, err
	}
	select {
	case a.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	leave = func() { <-a.slots }
	// While this call waited for its turn another may have met a pause.
	if err := a.paused(); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// call makes one HTTP call, and logs it for metric filters. It hands at most so many rows on; zero: all.
func (a *Adobe) call(ctx context.Context, token cmu.Secret, r cmu.Request, most int, sink func(cmu.Row) error) (Reply, error) {
	out, err := a.read(ctx, token, r, most, sink)
	a.calls.Add(1)
	status := http.StatusOK
	if err == nil && a.o.Accepted != nil {
		a.o.Accepted(ctx, token)
	}
	if err != nil {
		status = 0 // no answer, or a broken one
		var e *cmu.Error
		if errors.As(err, &e) {
			status = e.Status
		}
		if status != http.StatusBadRequest && status != http.StatusNotFound {
			a.failures.Add(1) // the others are answers: there is no such report
		}
	}
	a.o.Log.InfoContext(ctx, "Adobe called", "event", "adobe_called", "status", status, "rows", out.Rows, "full", out.Truncated,
		"milliseconds", a.o.Now().Sub(out.At).Milliseconds())
	return out, err
}

func (a *Adobe) read(ctx context.Context, token cmu.Secret, r cmu.Request, most int, sink func(cmu.Row) error) (Reply, error) {
	out := Reply{At: a.o.Now()}
	resp, err := a.o.Client.Report(ctx, token, r, "application/json")
	if err != nil {
		return out, err
	}
	defer resp.Body.Close()
	out.Simulated = resp.Header.Get(cmu.HeaderSimulated) != ""
	tee := &firstBytes{r: resp.Body}
	out.Links, err = cmu.ReadReport(tee, func(row cmu.Row) error {
		if out.Rows++; most > 0 && out.Rows > most {
			return nil
		}
		return sink(row)
	})
	if errors.Is(err, cmu.ErrNotReport) && out.Rows == 0 {
		err = tee.notReport(err)
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // which closed the connection, and may show as that
	}
	if err != nil {
		return out, err
	}
	a.latency.Store(int64(a.o.Now().Sub(out.At)))
	out.Truncated = a.limits.met(r.Limit, out)
	if most > 0 && out.Rows > most {
		out.Rows, out.Truncated = most, true
	}
	return out, nil
}

// CallTime is how long one more call should be expected to take, judged by the last one.
func (a *Adobe) CallTime() time.Duration {
	return min(max(2*time.Duration(a.latency.Load()), time.Second), maxCallTime)
}

// maxCallTime bounds the time held to be needed for a call, lest one slow call stop all others.
const maxCallTime = 5 * time.Second

// Capacity is how many rows an answer can be expected to hold without lacking any.
func (a *Adobe) Capacity() int { return a.limits.capacity() }

// Calls counts the calls made since the process began, and those of them that failed. That there is no such report is no failure.
func (a *Adobe) Calls() (all, failed int64) { return a.calls.Load(), a.failures.Load() }

// Effective reads from a self link what Adobe made of a request. Its path is left out: it may carry another prefix, or be
// another report's.
func Effective(l cmu.Links) (cmu.Request, error) {
	_, query, _ := strings.Cut(l.Self, "?")
	return cmu.Parse("", query)
}
