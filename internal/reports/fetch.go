package reports

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cmu-gateway/internal/fair"
	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

const (
	// fetchTime bounds a fetch, and the wait for the one before it.
	fetchTime = 2 * time.Minute
	// lingerTime is how long a call goes on that nobody waits for: as long as calls may well take, yet a report that hangs must not keep
	// others waiting.
	lingerTime = 10 * time.Second
)

// fetch gets from Adobe what is not known of a piece, one fetch at a time: between its rounds of calls it lets those go first that want far
// less of the same report.
func (s *licence) fetch(ctx context.Context, p *piece, d Directives) (v view, err error) {
	w := &want{piece: p, directives: d, caller: &fair.Caller{Wants: p.width(s.now()), Gone: ctx.Done()}, until: s.now().Add(fetchTime)}
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(w.until) {
		w.until = deadline
	}
	for {
		if v, err = s.fetchInTurn(ctx, w); !errors.Is(err, errGaveWay) {
			return v, err
		}
	}
}

// want is what one caller wants fetched.
type want struct {
	piece      *piece
	directives Directives
	caller     *fair.Caller
	until      time.Time // when the last call must have ended
	learnt     learnt
}

// fetchInTurn fetches until all is there, or others go first. Who had to wait looks again first.
func (s *licence) fetchInTurn(ctx context.Context, w *want) (v view, err error) {
	p, demand := w.piece, w.directives.demand(s.policy)
	wait, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	// Turns are not what the caller's calls are: each has a count of its own.
	queued := &fair.Caller{Wants: w.caller.Wants}
	if w.directives.Background {
		queued.Behind = func() bool { return true }
	}
	turn, err := s.turns.begin(wait, p.lease, queued)
	if err != nil {
		return v, waited(ctx, err)
	}
	taken := false
	defer func() {
		if !taken {
			turn.end()
		}
	}()
	if v := s.shelf.inMemory(p).view(demand, s.now()); v.plan.Complete() {
		return v, nil
	}
	if err := turn.lastFailure(); err != nil {
		return v, err
	}
	if err := turn.lease(wait); err != nil {
		return v, waited(ctx, err)
	}
	s.notebook.freshen(wait)
	v = s.shelf.loadAround(wait, p).view(demand, s.now())
	if v.plan.Complete() {
		return v, nil
	}
	if wait.Err() != nil {
		return v, waited(ctx, wait.Err())
	}
	if v.held.unread != nil && p.reachesBack(v.plan.Calls(), s.now()) {
		// What Adobe says of it is less than what is kept.
		return v, &UnavailableError{RetryAfter: 2 * time.Second, Reason: "what is kept cannot be read, and Adobe no longer has all of it", Cause: v.held.unread}
	}
	taken = true
	j := s.begin(ctx, turn, w, v)
	select {
	case <-j.done:
		return v.held.view(plan.Demand{Stale: s.policy.Stale}, s.now()), j.err
	case <-ctx.Done():
		j.teller.stop()
		s.outlive(j)
		return s.shelf.inMemory(p).view(plan.Demand{Stale: s.policy.Stale}, s.now()), ctx.Err()
	}
}

// waited is why the wait for a fetch ended: with the caller, or as it took too long.
func waited(ctx context.Context, err error) error {
	if ctx.Err() == nil && upstream.Ended(err) {
		return errNoTime
	}
	return err
}

// job is a fetch under way. It is the report's, not the caller's who began it: where that one goes, the calls under way are made use of,
// and no more begin.
type job struct {
	teller *teller
	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended
	err    error         // guarded by done
}

// begin fetches what v lacks, in the turn that it ends.
func (s *licence) begin(ctx context.Context, t *turn, w *want, v view) *job {
	if w.directives.Background {
		w.caller.Behind = func() bool { return !t.awaited() } // once somebody waits for these rows they are no less urgent than others
	}
	f := &fetcher{
		adobe: s.adobe, licence: s.name, notebook: s.notebook, held: v.held, caller: w.caller, teller: newTeller(ctx), until: w.until, giveWay: t.givesWay, learnt: w.learnt,
		parallel: s.parallel, now: s.now, sleep: s.turns.sleep,
	}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchTime)
	j := &job{teller: f.teller, cancel: cancel, done: make(chan struct{})}
	present := context.AfterFunc(ctx, func() {
		time.AfterFunc(lingerTime, func() {
			if !t.awaited() {
				cancel()
			}
		})
	})
	go func() {
		defer close(j.done)
		defer cancel()
		defer present()
		defer t.end()
		err := f.run(own, v.plan)
		w.learnt = f.learnt
		j.err = t.note(err)
		s.learn(own, w.piece, f.latest, err)
	}()
	return j
}

// outlive keeps the process awake until a fetch whose caller has gone has ended, or the time for that is up.
func (s *licence) outlive(j *job) {
	s.background.after(func(awake context.Context) {
		select {
		case <-j.done:
		case <-awake.Done():
			j.cancel()
		}
	})
}

// learn draws what a fetch says of the calendar, the path and the zone.
func (s *licence) learn(ctx context.Context, p *piece, found latest, err error) {
	s.contradictedBy(ctx, err)
	if other, ok := asNature(err); ok {
		s.notebook.noteNature(ctx, other)
	}
	if zone := p.pace.Policy.Zone; aheadOf(zone, found.period, found.at) {
		s.notebook.refuteZone(ctx, zone.String(), fmt.Sprintf("a row of %s came at %s", found.period, found.at.UTC().Format(time.RFC3339)))
	}
}

// latest is the latest period of a row, as of an instant. The zero value is none.
type latest struct {
	period cmu.Civil
	at     time.Time
}
