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

	"cmu-gateway/internal/fair"
	"cmu-gateway/pkg/cmu"
)

// Options say how calls are made. All fields are required but Paused, Newer, Accepted and Slot.
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
	// Slot waits until this process may make one more call beside those of others; leave ends that. Nil: it always may.
	Slot func(context.Context, *fair.Caller) (leave func(), err error)
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
	queue  *fair.Queue
	limits limits
	pause  pause
	use    tokenUse

	calls    atomic.Int64
	failures atomic.Int64
	slow     slowness
}

// New returns an Adobe that has learnt nothing yet.
func New(o Options) *Adobe {
	return &Adobe{o: o, queue: fair.New(o.Parallel, maxWaiting), limits: limits{own: o.RowLimit, now: o.Now}}
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

	stopped bool // by sink
}

// Report asks for r on behalf of c, under a licence, and hands every row to sink, whose error ends the call and is returned as it is. A
// row is valid until sink returns. Where r names no limit the call names one of its own. Where it names one the call asks for a row more,
// which is not handed on: it tells whether there are rows past the limit.
//
// Errors: *PauseError when Adobe is not to be asked for now, or too many wait (fair.ErrOverloaded); ErrOtherLicence; *RefusedError when
// Adobe refuses this report (401); *NotReportError when what came is no report; fair.ErrGone; ErrTimeout; ErrSlow; those of Token and Refused; those
// of cmu.Client.Report and cmu.ReadReport; the context's own.
func (a *Adobe) Report(ctx context.Context, c *fair.Caller, licence string, r cmu.Request, sink func(cmu.Row) error) (Reply, error) {
	leave, err := a.enter(ctx, c)
	if err != nil {
		return Reply{}, err
	}
	defer leave()
	ctx, turn := a.begin(ctx)
	defer turn.leave()
	out, err := a.report(ctx, licence, r, turn.sink(sink))
	return out, turn.outcome(ctx, err)
}

// report is Report in its turn.
func (a *Adobe) report(ctx context.Context, licence string, r cmu.Request, sink func(cmu.Row) error) (Reply, error) {
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
	call := func(token Token) (Reply, error) { return a.call(ctx, token.Value, r, most, sink) }
	began := a.use.begin()
	out, err := call(token)
	if errors.Is(err, cmu.ErrUnauthorized) {
		if token, out, err = a.renewed(ctx, licence, token, began, err, call, r); errors.As(err, new(*PauseError)) {
			return Reply{}, err
		}
	}
	var refused *cmu.Error
	if errors.As(err, &refused) && refused.Status == http.StatusForbidden && a.o.Newer != nil {
		if newer, ok := a.o.Newer(ctx, token.Value); ok { // the client was replaced, in another process
			if err := under(licence, newer, nil); err != nil {
				return Reply{}, err
			}
			token = newer
			out, err = call(token)
		}
	}
	if own && r.Limit > 0 {
		switch {
		case err == nil:
			a.limits.note(limitTaken)
		case mayRefuseLimit(err) && a.limits.heeded() != limitTaken:
			r.Limit = 0
			if again, second := call(token); second == nil {
				a.limits.note(limitRefused)
				out, err = again, nil
			}
		}
	}
	if r.Limit > most && !own && mayRefuseLimit(err) { // the caller's limit may be the largest that Adobe takes
		r.Limit = most
		if again, second := call(token); second == nil {
			out, err = again, nil
		}
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

// enter waits for a turn, which turn.leave ends, and for a place among all instances, which leave ends.
func (a *Adobe) enter(ctx context.Context, c *fair.Caller) (leave func(), err error) {
	if err := a.paused(); err != nil {
		return nil, err
	}
	if err := a.queue.Enter(ctx, c); errors.Is(err, fair.ErrOverloaded) {
		return nil, &PauseError{RetryAfter: a.wait(), Reason: "too many requests wait for Adobe", Cause: err}
	} else if err != nil {
		return nil, err
	}
	leave = func() {}
	if a.o.Slot != nil {
		if leave, err = a.o.Slot(ctx, c); err != nil {
			a.queue.Leave()
			return nil, err
		}
	}
	// While this call waited for its turn another may have met a pause.
	if err := a.paused(); err != nil {
		leave()
		a.queue.Leave()
		return nil, err
	}
	return leave, nil
}

// maxWaiting bounds the calls that wait for their turn.
const maxWaiting = 1000

// longestWait bounds what who finds too many waiting is asked to wait.
const longestWait = time.Minute

// wait is about how long those that wait for a turn take.
func (a *Adobe) wait() time.Duration {
	calls := time.Duration(a.queue.Waiting() / a.o.Parallel)
	return min(max(calls*a.slow.last(), time.Second), longestWait)
}

// call makes one HTTP call, and draws what its outcome says of Adobe. It hands at most so many rows on; zero: all.
func (a *Adobe) call(ctx context.Context, token cmu.Secret, r cmu.Request, most int, sink func(cmu.Row) error) (Reply, error) {
	out, err := a.made(ctx, token, r, most, sink)
	if out.stopped {
		_ = a.met(ctx, token, r, nil) // Adobe had answered
		return out, err
	}
	return out, a.met(ctx, token, r, err)
}

// made makes one HTTP call, and logs it for metric filters.
func (a *Adobe) made(ctx context.Context, token cmu.Secret, r cmu.Request, most int, sink func(cmu.Row) error) (Reply, error) {
	out, err := a.read(ctx, token, r, most, sink)
	a.calls.Add(1)
	status := http.StatusOK
	if err == nil {
		a.use.taken(token, r)
		if a.o.Accepted != nil {
			a.o.Accepted(ctx, token)
		}
	} else {
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
		return out, told(ctx, err)
	}
	defer resp.Body.Close()
	out.Simulated = resp.Header.Get(cmu.HeaderSimulated) != ""
	tee := &firstBytes{r: resp.Body}
	out.Links, err = cmu.ReadReport(tee, func(row cmu.Row) error {
		if out.Rows++; most > 0 && out.Rows > most {
			return nil
		}
		err := sink(row)
		out.stopped = err != nil
		return err
	})
	if errors.Is(err, cmu.ErrNotReport) && out.Rows == 0 {
		err = tee.notReport(err, token)
	}
	if err != nil && !out.stopped {
		err = told(ctx, err)
	}
	if err != nil {
		return out, err
	}
	a.slow.note(a.o.Now().Sub(out.At))
	out.Truncated = a.limits.met(r.Limit, out)
	if most > 0 && out.Rows > most {
		out.Rows, out.Truncated = most, true
	}
	return out, nil
}

// told is the error of a call: that of its context where that has ended, which closed the connection and may show as that.
func told(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		return ErrTimeout // the client's
	}
	return err
}

// CallTime is how long one more call should be expected to take, judged by the last one.
func (a *Adobe) CallTime() time.Duration {
	return min(max(2*a.slow.last(), time.Second), maxCallTime)
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
