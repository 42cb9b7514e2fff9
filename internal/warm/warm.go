// Package warm keeps the reports on a list fresh though nobody asks, so that who comes first does not wait for Adobe.
//
// Which report is asked for next, and when to look again, is a pure decision (next.go). What is fresh, leases, pauses and turns are those
// of the report cache: Adobe is asked no more often than viewers who never sleep would have it asked, by however many processes.
package warm

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/store"
)

// Options say what a Keeper keeps warm. All fields are required.
type Options struct {
	// Reports have windows relative to now, as settings.Settings.Warm has them.
	Reports []string
	Service *reports.Service
	Policy  plan.Policy
	Now     func() time.Time
	Sleep   func(context.Context, time.Duration) error
	Log     *slog.Logger
}

// Keeper keeps reports warm. It may be used by many goroutines at once.
type Keeper struct {
	o       Options
	round   sync.Mutex // held by a round, and guards the three below
	list    []state
	fails   []int // in a row
	checked bool  // the calendar, once: what is asked for whole before that would be asked for again in slices

	mu    sync.Mutex // guards what follows
	known Status
}

// Status is what a Keeper has done. Counts are since the process began.
type Status struct {
	Reports  int       // on the list
	Fresh    int       // of them, as of the last round
	Asked    int64     // answers that Adobe was asked for
	Failed   int64     // reports that could not be had, each time
	LookedAt time.Time // when the last round ended; zero: none has
}

// New returns a Keeper that has not looked yet.
func New(o Options) *Keeper {
	return &Keeper{o: o, list: make([]state, len(o.Reports)), fails: make([]int, len(o.Reports)), known: Status{Reports: len(o.Reports)}}
}

// Status returns what was done so far.
func (k *Keeper) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.known
}

// Run keeps the reports warm until the context ends.
func (k *Keeper) Run(ctx context.Context) {
	for ctx.Err() == nil {
		wake := k.Round(ctx)
		if k.o.Sleep(ctx, wake.Sub(k.o.Now())) != nil {
			return
		}
	}
}

// roundTime is what must be left of a round's time for another report to be begun.
const roundTime = 5 * time.Second

// Round looks at all reports and asks for what is no longer fresh. It returns when to look again. What is left when the context's time is
// over is for the next round.
func (k *Keeper) Round(ctx context.Context) (wake time.Time) {
	k.round.Lock()
	defer k.round.Unlock()
	began := k.o.Now()
	for i, s := range k.list {
		if s.fresh.After(began) || !s.retry.After(began) {
			k.look(ctx, i)
		}
	}
	var asked, failed, left int
	for ctx.Err() == nil {
		var i int
		i, wake = next(k.list, k.o.Service.PausedUntil(), k.o.Now())
		if i < 0 {
			break
		}
		if deadline, ok := ctx.Deadline(); ok && deadline.Sub(k.o.Now()) < roundTime {
			wake = k.o.Now().Add(least)
			break
		}
		if !k.check(ctx, i) {
			wake = k.o.Now().Add(least)
			break
		}
		source, err := k.ask(ctx, i)
		if err != nil && ctx.Err() == nil {
			failed++
		} else if source == reports.FromAdobe {
			asked++
		}
	}
	now, fresh := k.o.Now(), 0
	for _, s := range k.list {
		if s.fresh.After(now) {
			fresh++
		} else if !s.retry.After(now) {
			left++
		}
	}
	if asked+failed+left > 0 {
		k.o.Log.InfoContext(ctx, "reports were kept warm", "event", "warmed", "asked", asked, "failed", failed, "left", left, "fresh", fresh,
			"reports", len(k.list), "milliseconds", now.Sub(began).Milliseconds())
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.known.Fresh, k.known.LookedAt = fresh, now
	k.known.Asked += int64(asked)
	k.known.Failed += int64(failed)
	return wake
}

// look finds out until when what is kept of a report is fresh, without Adobe.
func (k *Keeper) look(ctx context.Context, i int) {
	answer, _, err := k.get(ctx, i, reports.Directives{Fresh: true, Background: true, OnlyIfCached: true})
	switch {
	case err == nil:
		k.list[i].fresh = answer.Fresh
	case errors.Is(err, reports.ErrNotCached):
		k.list[i].fresh = time.Time{}
	default:
		k.later(ctx, i, err)
	}
}

// ask has Adobe asked for what is not fresh of a report.
func (k *Keeper) ask(ctx context.Context, i int) (reports.Source, error) {
	answer, source, err := k.get(ctx, i, reports.Directives{Fresh: true, Background: true})
	if err != nil {
		k.later(ctx, i, err)
		return source, err
	}
	s := &k.list[i]
	k.fails[i] = 0
	s.retry = k.o.Now().Add(least)
	s.fresh = answer.Fresh
	return source, nil
}

// check has the calendar checked on report i, if that is due. It returns false while another process does that.
func (k *Keeper) check(ctx context.Context, i int) bool {
	if k.checked {
		return true
	}
	path, query, _ := strings.Cut(k.o.Reports[i], "?")
	r, err := k.o.Service.Parse(path, query)
	if err == nil {
		_, err = k.o.Service.Prove(ctx, r)
	}
	// Where it came to no verdict reports are asked for whole, and the service makes the check again in its own time.
	k.checked = !errors.As(err, new(*store.HeldError))
	return k.checked
}

// get answers report i with its window as of now.
func (k *Keeper) get(ctx context.Context, i int, d reports.Directives) (*reports.Answer, reports.Source, error) {
	path, query, _ := strings.Cut(k.o.Reports[i], "?")
	r, err := k.o.Service.Parse(path, query)
	if err != nil {
		return nil, reports.FromMemory, err
	}
	grain, _ := r.Grain()
	k.list[i].life = plan.Pace{Policy: k.o.Policy, Grain: grain, Level: r.LevelReport()}.OpenLife()
	return k.o.Service.Get(ctx, r, d)
}

// later leaves a report alone for a while that could not be had.
func (k *Keeper) later(ctx context.Context, i int, err error) {
	if ctx.Err() != nil {
		return
	}
	var pause *reports.UnavailableError
	wait := least
	if errors.As(err, &pause) {
		wait = max(wait, pause.RetryAfter)
	} else {
		k.fails[i]++
		wait = patience(k.fails[i])
		k.o.Log.WarnContext(ctx, "a report cannot be kept warm", "report", k.o.Reports[i], "error", err)
	}
	k.list[i].fresh, k.list[i].retry = time.Time{}, k.o.Now().Add(wait)
}
