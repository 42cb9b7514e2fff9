package reports

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// Verdict says whether reports may be cut by calendar period. That rests on what Adobe does not document: that the window
// is read in the zone of the rows' time dimensions, that month and day count from 1, and that the row of a whole period
// does not depend on the window around it. The zero Verdict is not proven.
type Verdict struct {
	Proven bool `json:"proven"`
	// Inclusive tells that an answer also holds the period that begins at the window's end, whole.
	Inclusive bool      `json:"end_inclusive,omitempty"`
	At        time.Time `json:"at"`
	Evidence  string    `json:"evidence"`
	// Unclean tells that blocks cut under a verdict now refuted may still be stored.
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

// proveAfter checks the calendar after the answer at hand, if it is due. No caller waits for it.
func (s *Service) proveAfter(r cmu.Request, v Verdict) {
	s.shared.mu.Lock()
	due := v.due(s.shared.tried, s.Now())
	if due {
		s.shared.tried = s.Now()
	}
	s.shared.mu.Unlock()
	if !due {
		return
	}
	started := s.After(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, proofTime)
		defer cancel()
		_, err := s.Prove(ctx, r)
		if err != nil {
			s.Log.WarnContext(ctx, "the calendar check came to no verdict; nothing is cut meanwhile", "error", err)
		}
		if err != nil && !errors.Is(err, errNoProof) {
			s.tryAgain(failurePause)
		}
	})
	if !started {
		s.tryAgain(0)
	}
}

// tryAgain lets the next calendar check begin after a pause.
func (s *Service) tryAgain(pause time.Duration) {
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	s.shared.tried = s.Now().Add(pause - attemptPause)
}

// cutExact puts the rows of r's exact block, the answer that the proof came after, into blocks by period: Adobe is not
// asked for them again.
func (s *Service) cutExact(ctx context.Context, r cmu.Request) error {
	exact := s.remembered(s.Policy.exactJob(r))
	if len(exact) == 0 || exact[0].spans[0].Cut {
		return nil
	}
	at := exact[0].spans[0].Fetched
	all, ok := splittable(r, s.Policy, at)
	grain, _ := r.Grain()
	whole := takeApart(grain, all.From, all.To).whole
	if !ok || whole.empty() {
		return nil
	}
	j := s.Policy.periodsJob(r, whole)
	if len(s.load(ctx, j)) > 0 {
		return nil // another process has begun to cut
	}
	c := newCollector(j, whole)
	var k key
	err := exact[0].rows.each(func(row cmu.Row) error {
		if err := j.order.of(row, &k); err != nil || !whole.holds(k.period) {
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
	f := &fetcher{Service: s, job: j, links: exact[0].links, pending: map[cmu.Civil][]part{}}
	for start, p := range parts {
		f.pending[start] = []part{p}
	}
	return f.settle(ctx, nil)
}

const leaseCalendar = "calendar"

// Prove checks the calendar against Adobe, on a settled day of a report like r, and notes the verdict; if r itself has been
// answered whole, its rows are cut into blocks first. An error means
// that nothing was shown either way; what was known then stays.
func (s *Service) Prove(ctx context.Context, r cmu.Request) (Verdict, error) {
	if err := s.Store.Acquire(ctx, leaseCalendar, s.holder, s.Now().Add(proofTime)); err != nil {
		return Verdict{}, err
	}
	defer s.release(ctx, leaseCalendar)
	if err := s.readShared(ctx); err != nil {
		return Verdict{}, err
	}
	before := s.verdict(ctx, nil)
	if s.Now().Sub(before.At) <= verdictLife {
		return before, nil // another process was first
	}
	v, err := s.check(ctx, r)
	if err != nil {
		return before, err
	}
	changed := !before.At.IsZero() && (v.Proven != before.Proven || v.Inclusive != before.Inclusive)
	if before.Unclean || changed {
		if _, err := s.Store.Purge(ctx, func(store.Report) bool { return true }); err != nil {
			return before, err
		}
		s.forget()
	}
	if v.Proven {
		if err := s.cutExact(ctx, r); err != nil {
			return before, err
		}
	}
	s.Log.InfoContext(ctx, "calendar checked", "event", "calendar_checked", "proven", v.Proven, "evidence", v.Evidence)
	return v, s.setVerdict(ctx, v)
}

// contradicted withdraws the verdict: an answer held a row that it cannot hold if the verdict is true. If the row has no
// period, only its report is not cut any more.
func (s *Service) contradicted(ctx context.Context, r cmu.Request, e *errOutside) {
	if e.noPeriod {
		s.Log.WarnContext(ctx, "a report has rows without a period and is not cut", "report", r.Report(), "evidence", e.evidence)
		s.uncut.Store(r.Report(), true)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), proofTime)
	defer cancel()
	s.Log.ErrorContext(ctx, "calendar contradicted: reports are no longer cut",
		"event", "calendar_contradicted", "evidence", e.evidence)
	v := Verdict{At: s.Now(), Evidence: e.evidence, Unclean: true}
	noted := s.setVerdict(ctx, v)
	s.forget()
	_, err := s.Store.Purge(ctx, func(store.Report) bool { return true })
	if err == nil && noted == nil {
		v.Unclean = false
		err = s.setVerdict(ctx, v)
	}
	if err := errors.Join(noted, err); err != nil {
		s.Log.ErrorContext(ctx, "blocks cut under the old verdict may still be stored", "error", err)
	}
}

// errNoProof is returned when the reports asked showed nothing either way.
var errNoProof = errors.New("no report has a settled day with rows from its first to its last hour")

// check asks for a settled day at hour grain, alone and inside a wider window.
func (s *Service) check(ctx context.Context, like cmu.Request) (Verdict, error) {
	last := cmu.Day.Floor(s.Policy.civil(s.Now()).Add(-72 * time.Hour))
	for _, path := range proofPaths(like.Path) {
		for _, day := range []cmu.Civil{last, cmu.Day.Step(last, -7)} {
			narrow, err := s.hours(ctx, path, span{day, cmu.Day.Step(day, 1)})
			if _, refused := refusal(err); refused || errors.Is(err, errNoProof) {
				break
			}
			if err != nil {
				return Verdict{}, err
			}
			wide, err := s.hours(ctx, path, span{cmu.Day.Step(day, -1), cmu.Day.Step(day, 3)})
			if errors.Is(err, errNoProof) {
				break
			}
			if err != nil {
				return Verdict{}, err
			}
			if v, ok := judgeDay(day, narrow, wide); ok {
				v.At = s.Now()
				v.Evidence = fmt.Sprintf("/%s on %s: %s", strings.Join(path, "/"), day, v.Evidence)
				return v, nil
			}
		}
	}
	return Verdict{}, errNoProof
}

// proofPaths returns paths at hour grain to try, the likest first: not every licence has every one.
func proofPaths(like []string) [][]string {
	var paths [][]string
	for _, before := range [][]string{like[:max(0, slices.Index(like, "year"))], {}, {"tenant"}} {
		path := slices.Concat(before, []string{"year", "month", "day", "hour"})
		if !slices.ContainsFunc(paths, func(p []string) bool { return slices.Equal(p, path) }) {
			paths = append(paths, path)
		}
	}
	return paths
}

// hourRow is one row of a check: which hour it claims to be of, and its fields in an order that does not depend on Adobe's.
type hourRow struct {
	hour   cmu.Civil
	bad    error // the hour is no hour of the calendar
	fields string
}

func (s *Service) hours(ctx context.Context, path []string, w span) ([]hourRow, error) {
	r := cmu.Request{Path: path, Start: cmu.BoundAt(w.From), End: cmu.BoundAt(w.To)}
	o := newOrder(r)
	var rows []hourRow
	var k key
	out, err := s.adobe.report(ctx, r, func(row cmu.Row) error {
		bad := o.of(row, &k)
		var fields []string
		row.Each(func(name, value []byte) bool {
			fields = append(fields, fmt.Sprintf("%q:%q", name, value))
			return true
		})
		slices.Sort(fields)
		rows = append(rows, hourRow{k.period, bad, strings.Join(fields, ",")})
		return nil
	})
	if err == nil && (out.full || out.raw != nil) {
		err = fmt.Errorf("%w: the answer is cut or not understood", errNoProof)
	}
	return rows, err
}

// judgeDay compares the rows of a day asked alone with those of a window around it. It is not ok when they show nothing.
func judgeDay(day cmu.Civil, narrow, wide []hourRow) (v Verdict, ok bool) {
	refuted := func(format string, args ...any) (Verdict, bool) {
		return Verdict{Evidence: fmt.Sprintf(format, args...)}, true
	}
	asked := span{day, cmu.Day.Step(day, 1)}
	count := map[string]int{}
	first, last, next := false, false, false
	for _, r := range narrow {
		if r.bad != nil {
			return refuted("%v", r.bad)
		}
		if !asked.holds(r.hour) && r.hour != asked.To {
			return refuted("asked for the day alone, a row is of %s", r.hour)
		}
		first = first || r.hour == asked.From
		last = last || r.hour == cmu.Hour.Step(asked.To, -1)
		next = next || r.hour == asked.To
		count[r.fields]++
	}
	inside, after := 0, false
	for _, r := range wide {
		if r.bad != nil {
			return refuted("%v", r.bad)
		}
		if asked.holds(r.hour) || next && r.hour == asked.To {
			if count[r.fields]--; count[r.fields] < 0 {
				return refuted("a row of %s depends on the window around it", r.hour)
			}
			inside++
		}
		after = after || r.hour == asked.To
	}
	if inside != len(narrow) {
		return refuted("asked for the day alone there are %d rows, inside a wider window %d", len(narrow), inside)
	}
	if !first || !last || !after {
		return Verdict{}, false
	}
	v = Verdict{Proven: true, Inclusive: next, Evidence: fmt.Sprintf("%d rows, the same alone and in a wider window", len(narrow))}
	return v, true
}
