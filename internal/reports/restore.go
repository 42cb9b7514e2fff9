package reports

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"cmu-gateway/internal/fair"
	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/rows"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

// Elsewhere is what was kept elsewhere of a report: all rows of some whole periods, as Adobe gave them.
type Elsewhere struct {
	Request cmu.Request // the report, without a window
	// Effective is the request with the filters and metrics that Adobe filled in, Links are Adobe's others.
	Effective cmu.Request
	Links     cmu.Links
	Span      plan.Span
	Rows      func(do func(cmu.Row) error) error // it may be called more than once
	Fetched   time.Time
	Truncated bool   // rows are missing
	Licence   string // as in Answer
	Simulated bool
}

// ErrNotKept is returned by Restore where what Adobe no longer has is not kept.
var ErrNotKept = errors.New("what Adobe no longer has is kept only with CMU_KEEP=true: without, it would be asked of Adobe again")

// Restore puts back what is missing here: periods that nothing is known of, or that Adobe had dropped when they were asked for. What is kept
// stays where it is as much. It returns the time that was put back; dryRun: that would be. Processes have it once Restored was called.
//
// Errors: ErrNotKept; upstream.ErrOtherLicence; ErrStore, when nothing is changed or all is; those of Rows and of a licence that is not known.
func (s *Service) Restore(ctx context.Context, e Elsewhere, dryRun bool) ([]plan.Span, error) {
	l, err := s.licence(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case !s.policy.Keep:
		return nil, ErrNotKept
	case e.Licence != l.name:
		return nil, fmt.Errorf("%w: they are of %q, in use is %q", upstream.ErrOtherLicence, e.Licence, l.name)
	case plan.Ahead(e.Fetched, s.now()):
		return nil, fmt.Errorf("they were fetched at %s, which is not yet", e.Fetched.UTC().Format(time.RFC3339))
	}
	if l.notebook.blank() {
		l.notebook.freshen(ctx)
	}
	return l.restore(ctx, e, dryRun)
}

func (s *licence) restore(ctx context.Context, e Elsewhere, dryRun bool) ([]plan.Span, error) {
	r := e.Request
	r.Start, r.End = cmu.BoundAt(e.Span.From), cmu.BoundAt(e.Span.To)
	p := newQuery(s.scope, r, s.notebook.nature(r), s.believed(), s.now()).periods(false)
	if p == nil || p.want != e.Span {
		return nil, fmt.Errorf("%s is not kept by calendar period", r.Report())
	}
	wait, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	turn, err := s.turns.begin(wait, p.lease, new(fair.Caller))
	if err != nil {
		return nil, err
	}
	defer turn.end()
	if err := turn.lease(wait); err != nil {
		return nil, err
	}
	held := s.shelf.loadRange(ctx, p, p.names[0], p.names[len(p.names)-1])
	if held.unread != nil {
		return nil, held.unread
	}
	// What was not final when it was fetched may have been restated since.
	final := e.Span.Overlap(plan.Span{From: e.Span.From, To: p.settled(e.Fetched)})
	lacks := coverage(held.own()).Lacks(final, e.Truncated)
	if dryRun || len(lacks) == 0 {
		return lacks, nil
	}
	var restored []*block
	for _, span := range lacks {
		more, err := s.restoreSpan(ctx, held, e, span)
		if err != nil {
			return nil, err
		}
		restored = append(restored, more...)
	}
	// A block that several spans touch counts as it is last.
	slices.Reverse(restored)
	seen := map[string]bool{}
	restored = slices.DeleteFunc(restored, func(b *block) bool {
		again := seen[b.name]
		seen[b.name] = true
		return again
	})
	if failed := held.put(ctx, restored, false, saveTime); len(failed) > 0 {
		return nil, fmt.Errorf("%w: %d of %d blocks could not be written", ErrStore, len(failed), len(restored))
	}
	// A put gives way to one that is newer, of a process that has lost its lease or had none.
	written := s.shelf.loadRange(ctx, p, p.names[0], p.names[len(p.names)-1])
	if written.unread != nil {
		return nil, written.unread
	}
	if left := coverage(written.own()).Lacks(final, e.Truncated); len(left) > 0 {
		return nil, fmt.Errorf("%w: what was written is not there: another process wrote the same meanwhile, or CMU_DISK leaves no room", ErrStore)
	}
	return lacks, nil
}

// restoreSpan adds the rows of a span to the blocks that it touches, which it returns.
func (s *licence) restoreSpan(ctx context.Context, held *holding, e Elsewhere, span plan.Span) (changed []*block, err error) {
	memory := s.shelf.flight.begin()
	defer memory.end()
	p := held.piece
	c := newCollector(p, span, func(bytes int64) error { return memory.hold(ctx, bytes) })
	var k rows.Key
	err = e.Rows(func(row cmu.Row) error {
		if err := p.order.Read(row, &k); err != nil || !span.Holds(k.Period) {
			return err
		}
		return c.add(row)
	})
	if err != nil {
		return nil, err
	}
	parts, err := c.parts(e.Fetched, e.Truncated)
	if err != nil {
		return nil, err
	}
	links := e.Links
	links.Self = cmu.Request{Filters: e.Effective.Filters, Metrics: e.Effective.Metrics}.Report()
	if links.Self == "" {
		links.Self = "?"
	}
	for start, got := range parts {
		got.restored, got.simulated = true, e.Simulated
		b, err := held.add(start, []part{got}, links)
		if err != nil {
			return nil, err
		}
		changed = append(changed, b)
	}
	return changed, nil
}

// Restored has all processes read anew what is kept, after Restore.
func (s *Service) Restored(ctx context.Context) error {
	err := s.notePurge(ctx)
	s.shelf.clear()
	return err
}
