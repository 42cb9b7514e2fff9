package reports

import (
	"context"
	"errors"
	"sync"
	"time"

	"cmu-gateway/pkg/cmu"
)

// Verdict says whether answers may be sliced by calendar period. That rests on what Adobe does not document: that the window
// is read in the zone of the rows' time dimensions, that month and day count from 1, and that the row of a whole period
// does not depend on the window around it. The zero Verdict is not proven.
type Verdict struct {
	Proven bool `json:"proven"`
	// Inclusive tells that an answer also holds the period that begins at the window's end, whole.
	Inclusive bool      `json:"end_inclusive,omitempty"`
	At        time.Time `json:"at"`
	Evidence  string    `json:"evidence"`
	// Unclean tells that blocks sliced under a verdict now refuted may still be stored.
	Unclean bool `json:"unclean,omitempty"`
}

// How long a verdict lasts, and how soon an attempt that showed nothing is repeated.
const (
	verdictLife  = 7 * 24 * time.Hour
	attemptPause = time.Hour
	failurePause = time.Minute
	proofTime    = time.Minute
)

// due reports whether the calendar should be checked at now.
func (v Verdict) due(lastTry, now time.Time) bool {
	return now.Sub(v.At) > verdictLife && now.Sub(lastTry) > attemptPause
}

// sameSlices reports whether blocks sliced under v are good under o, and the other way around.
func (v Verdict) sameSlices(o Verdict) bool {
	return v.Proven == o.Proven && v.Inclusive == o.Inclusive
}

// occasion is when the calendar may be checked, and on what report.
type occasion struct {
	mu    sync.Mutex  // guards what follows
	like  cmu.Request // a request that may be sliced and was just answered; without a path: none was
	tried time.Time   // when this process last began a check
}

// offer names a request that a check may be made on.
func (o *occasion) offer(r cmu.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.like = r
}

// take returns the request to check on, if it is time: then the caller begins to.
func (o *occasion) take(v Verdict, now time.Time) (like cmu.Request, due bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.like.Path) == 0 || !v.due(o.tried, now) {
		return cmu.Request{}, false
	}
	o.tried = now
	return o.like, true
}

// again lets the next check begin after a pause.
func (o *occasion) again(now time.Time, pause time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.tried = now.Add(pause - attemptPause)
}

// proveAfter checks the calendar after the answer at hand, if it is due. No caller waits for it.
func (s *licence) proveAfter() {
	like, due := s.occasion.take(s.notebook.verdict(), s.now())
	if !due {
		return
	}
	started := s.background.after(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, proofTime)
		defer cancel()
		s.tryProof(ctx, like)
	})
	if !started {
		s.occasion.again(s.now(), 0)
	}
}

// proveNow checks the calendar while the caller waits, as the answer at hand lacks rows that only slices can have. It reports whether
// answers may be sliced now.
func (s *licence) proveNow(ctx context.Context, r cmu.Request) bool {
	if sliced, _ := s.notebook.slicing(s.query(r).report); sliced {
		return false // slices are what the answer was made of
	}
	if _, due := s.occasion.take(s.notebook.verdict(), s.now()); !due {
		return false
	}
	return s.tryProof(ctx, r)
}

// tryProof makes the check that an occasion was taken for, and reports whether the calendar is proven. One that failed is soon made again.
func (s *licence) tryProof(ctx context.Context, like cmu.Request) bool {
	v, err := s.prove(ctx, like)
	if err == nil {
		return v.Proven
	}
	s.log.WarnContext(ctx, "the calendar check came to no verdict; every report is asked for whole meanwhile", "error", err)
	if !errors.Is(err, errNoProof) {
		s.occasion.again(s.now(), failurePause)
	}
	return false
}

// forget deletes the blocks of this licence, but for what Adobe no longer has.
func (s *licence) forget(ctx context.Context) error {
	_, err := s.shelf.purge(ctx, s.own, false)
	return err
}

const leaseCalendar = "calendar"

// Prove checks the calendar against Adobe, on a settled day of a report like r, and notes the verdict; if r itself has been
// answered whole, its rows are sliced into blocks first. An error means that nothing was shown either way; what was known then
// stays.
func (s *Service) Prove(ctx context.Context, r cmu.Request) (Verdict, error) {
	l, err := s.licence(ctx)
	if err != nil {
		return Verdict{}, err
	}
	return l.prove(ctx, r)
}

func (s *licence) prove(ctx context.Context, r cmu.Request) (Verdict, error) {
	release, err := s.turns.claim(ctx, leaseCalendar+scopeMark+s.scope, s.turns.holder)
	if err != nil {
		return Verdict{}, err
	}
	defer release()
	if err := s.notebook.sync(ctx); err != nil {
		return Verdict{}, err
	}
	before := s.notebook.verdict()
	if s.now().Sub(before.At) <= verdictLife {
		return before, nil // another process was first
	}
	v, err := s.check(ctx, r)
	if err != nil {
		return before, err
	}
	if before.Unclean || !before.At.IsZero() && !v.sameSlices(before) {
		if err := s.forget(ctx); err != nil {
			return before, err
		}
	}
	if v.Proven {
		if err := s.sliceWhole(ctx, r); err != nil {
			return before, err
		}
	}
	s.log.InfoContext(ctx, "calendar checked", "event", "calendar_checked", "proven", v.Proven, "evidence", v.Evidence)
	return v, s.notebook.noteVerdict(ctx, v)
}

// sliceWhole puts the rows of r's whole answer, the one that the proof came after, into blocks by period: Adobe is not asked for
// them again.
func (s *licence) sliceWhole(ctx context.Context, r cmu.Request) error {
	r.Format = ""
	whole := s.shelf.inMemory(s.query(r).pieces(false, false, nil)[0])
	kept := whole.own()
	if len(kept) == 0 || kept[0].coverage[0].Truncated {
		return nil
	}
	answer, at := kept[0], kept[0].coverage[0].Fetched
	for _, p := range newQuery(s.scope, r, s.notebook.nature(r), s.believed(), at).pieces(true, false, nil) {
		held := s.shelf.load(ctx, p)
		if p.only.Empty() || len(held.blocks) > 0 {
			continue // it is the whole answer, or another process has begun to slice
		}
		held.stamp = whole.stamp
		if err := s.sliceInto(ctx, held, answer, at); err != nil {
			return err
		}
		held.save(ctx, s.notebook, held.blocks)
	}
	return nil
}

// sliceInto adds the rows of a whole answer that a piece wants.
func (s *licence) sliceInto(ctx context.Context, held *holding, answer *block, at time.Time) error {
	memory := s.shelf.flight.begin()
	defer memory.end()
	p := held.piece
	c := newCollector(p, p.want, func(bytes int64) error { return memory.hold(ctx, bytes) })
	err := answer.rows.Each(func(row cmu.Row) error {
		if err := p.order.Read(row, &c.key); err != nil || !p.only.Holds(c.key.Period) {
			return err
		}
		return c.add(row)
	})
	if err != nil {
		return err
	}
	parts, err := c.parts(at, false)
	if err != nil {
		return err
	}
	for start, got := range parts {
		got.simulated = answer.simulated
		if _, err := held.add(start, []part{got}, answer.links); err != nil {
			return err
		}
	}
	return nil
}

// contradictedBy withdraws the verdict if a fetch failed with a row that no answer can hold where the verdict is true. If the row
// has no period, only its report is not sliced any more.
func (s *licence) contradictedBy(ctx context.Context, failure error) {
	var e *outsideError
	if !errors.As(failure, &e) {
		return
	}
	if e.noPeriod {
		s.log.WarnContext(ctx, "a report has rows without a period and is asked for whole", "report", e.report, "evidence", e.evidence)
		s.notebook.noteOdd(e.report)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), proofTime)
	defer cancel()
	s.log.ErrorContext(ctx, "calendar contradicted: every report is asked for whole",
		"event", "calendar_contradicted", "evidence", e.evidence)
	v := Verdict{At: s.now(), Evidence: e.evidence, Unclean: true}
	noted := s.notebook.noteVerdict(ctx, v)
	err := s.forget(ctx)
	if err == nil && noted == nil {
		v.Unclean = false
		err = s.notebook.noteVerdict(ctx, v)
	}
	if err := errors.Join(noted, err); err != nil {
		s.log.ErrorContext(ctx, "blocks sliced under the old verdict may still be stored", "error", err)
	}
}
