package reports

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/rows"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

// Answer is a report. It is shared between callers and must not be changed.
type Answer struct {
	// Request is what the answer is to, with everything that Adobe or the gateway filled in: filters, window and, where
	// Adobe applied one, the limit.
	Request cmu.Request
	// Fragments hold the rows in order, sorted by the path's dimensions.
	Fragments []rows.Fragment
	Rows      int
	// Columns are the names of the rows' fields, in the order in which they first come. None where there are no rows, and where they
	// are not known, as some rows were kept by an earlier release.
	Columns []string
	// RollUp and DrillDown are Adobe's links, with its own base path.
	RollUp, DrillDown []cmu.Link
	// Incomplete tells that rows are missing: Adobe truncated its answer and it could not be asked for in smaller parts.
	Incomplete bool
	// BeforeHorizon is what of the window Adobe no longer had in whole when it was asked, and was not kept from when it had: that rows are
	// missing there is not that nothing was used. Sorted, without spans that touch.
	BeforeHorizon []plan.Span
	// Simulated tells that rows are made up: they come from a simulated Adobe, which said so.
	Simulated bool
	// Licence is the one that the rows belong to, as tokens bear it; empty: not known.
	Licence string
	// Fetched is when the rows that may still change were asked for, or where none may the oldest. Fresh is until when
	// the answer is fresh.
	Fetched, Fresh time.Time
	// SettledUntil is up to where rows are final; absent where there are no time dimensions.
	SettledUntil cmu.Bound
	// Tag tells equal answers from different ones.
	Tag string

	refused error // instead of an answer: a refusal, remembered
}

// Each calls do with every row in order. The row is valid until do returns.
func (a *Answer) Each(do func(cmu.Row) error) error {
	for _, f := range a.Fragments {
		if err := f.Each(do); err != nil {
			return err
		}
	}
	return nil
}

// Gzip returns the segments of one gzip member that holds head, the rows as JSON with commas between them, and tail.
// The rows are not decompressed.
func (a *Answer) Gzip(head, tail []byte) [][]byte { return rows.JoinGzip(head, a.Fragments, tail) }

// size is about the memory that the answer takes.
func (a *Answer) size() int {
	n := 1024
	for _, f := range a.Fragments {
		n += len(f.Deflate)
	}
	return n
}

// newAnswer makes the answer to q from views in the order of time. It waits for memory where it must merge.
func newAnswer(ctx context.Context, q *query, views []view, memory *flight) (*Answer, error) {
	a := &Answer{Request: q.request}
	a.Request.Path = q.path
	var all rows.Lead
	open := slices.ContainsFunc(views, func(v view) bool { return v.plan.Open })
	for _, v := range views {
		if v.plan.Open == open && (a.Fetched.IsZero() || v.plan.Fetched.Before(a.Fetched)) {
			a.Fetched = v.plan.Fetched
		}
		if a.Fresh.IsZero() || v.plan.Fresh.Before(a.Fresh) {
			a.Fresh = v.plan.Fresh
		}
		a.Incomplete = a.Incomplete || v.plan.Truncated
		for _, b := range v.held.own() {
			f, err := b.slice(v.held.piece)
			if err != nil {
				return nil, err
			}
			a.Simulated = a.Simulated || b.simulated
			a.RollUp, a.DrillDown = b.links.RollUp, b.links.DrillDown
			if self, err := upstream.Effective(b.links); err == nil && b.links.Self != "" {
				a.fill(self, !v.held.piece.grid.Divided() && len(views) == 1)
			}
			if f.Rows == 0 {
				continue
			}
			all.Join(b.lead)
			a.Fragments = append(a.Fragments, f)
			a.Rows += f.Rows
		}
	}
	if last := views[len(views)-1]; q.request.End.IsZero() && last.held.piece.grid.Divided() {
		// Adobe's default end is the present. Self links speak of the window that was fetched.
		a.Request.End = q.pace.Policy.Present(a.Fetched)
	}
	// An edge and whole periods may lie in one unit: then rows of both stand between each other if another dimension
	// precedes the grain's.
	if (all.Mixed || len(views) > 1 && q.order.Spread()) && len(a.Fragments) > 1 {
		if err := a.merge(ctx, q.order, memory); err != nil {
			return nil, err
		}
	}
	var err error
	if a.Columns, err = columns(a.Fragments); err != nil {
		return nil, err
	}
	a.SettledUntil = a.settledUntil(q.pace, open)
	a.BeforeHorizon = a.beforeHorizon(q.pace, views)
	a.Tag = a.tag(q.report)
	return a, nil
}

// readerSize is about what reading a fragment takes.
const readerSize = 64 << 10

// merge makes one fragment of all.
func (a *Answer) merge(ctx context.Context, order *rows.Order, memory *flight) error {
	size := int64(0)
	for _, f := range a.Fragments {
		size += readerSize + int64(len(f.Deflate))
	}
	share := memory.begin()
	defer share.end()
	if err := share.hold(ctx, min(size, memory.single)); err != nil {
		return err
	}
	f, err := order.MergeAll(a.Fragments)
	a.Fragments = []rows.Fragment{f}
	return err
}

// columns joins those of fragments. None: those of one are not known.
func columns(fragments []rows.Fragment) ([]string, error) {
	var all rows.Fields
	var last rows.Columns
	for _, f := range fragments {
		switch f.Columns {
		case rows.Columns{}:
			return nil, nil
		case last:
			continue
		}
		if all.Join(f.Columns); len(all.Names()) > cmu.MaxColumns {
			return nil, errColumns
		}
		last = f.Columns
	}
	return all.Names(), nil
}

// beforeHorizon returns what of the window was asked of Adobe when it was past the horizon.
func (a *Answer) beforeHorizon(p plan.Pace, views []view) (all []plan.Span) {
	window := plan.Span{From: math.MinInt64, To: math.MaxInt64}
	if start, ok := civil(p.Policy, a.Request.Start); ok {
		window.From = start
	}
	if end, ok := civil(p.Policy, a.Request.End); ok {
		window.To = end
	}
	for _, v := range views {
		past := v.plan.Past
		if piece := v.held.piece; !piece.grid.Divided() {
			own := window
			if start, ok := piece.ask.Start.Civil(); ok {
				own.From = start
			}
			if end, ok := piece.ask.End.Civil(); ok {
				own.To = end
			}
			past = nil
			// A request without any start is for what Adobe has.
			if own.From != math.MinInt64 && own.From <= plan.Horizon(v.plan.Fetched) {
				past = []plan.Span{own.Overlap(plan.Span{From: own.From, To: p.Retained(v.plan.Fetched)})}
			}
		}
		for _, s := range past {
			if s = s.Overlap(window); !s.Empty() {
				all = append(all, s)
			}
		}
	}
	return plan.Joined(all)
}

// civil is what Adobe's wall clock shows at a bound, as far as known.
func civil(p plan.Policy, b cmu.Bound) (cmu.Civil, bool) {
	if at, ok := b.Instant(); ok {
		return p.Civil(at), true
	}
	return b.Civil()
}

// settledUntil is the end of the window where nothing is open, else what was settled when the open rows were fetched; never past the
// window.
func (a *Answer) settledUntil(p plan.Pace, open bool) cmu.Bound {
	if p.Grain == cmu.NoGrain {
		return cmu.Bound{}
	}
	until := p.Settled(a.Fetched)
	if end, ok := a.Request.End.Civil(); ok && (!open || end < until) {
		until = end
	}
	if start, ok := a.Request.Start.Civil(); ok && until < start {
		until = start
	}
	return cmu.BoundAt(until)
}

// fill takes from Adobe's self link what the caller left to Adobe, and of a whole answer all that Adobe made of the request.
func (a *Answer) fill(self cmu.Request, whole bool) {
	a.Request.Filters = slices.Clone(self.Filters)
	if len(self.Metrics) > 0 {
		a.Request.Metrics = self.Metrics
	}
	if !self.Start.IsZero() && (whole || a.Request.Start.IsZero()) {
		a.Request.Start = self.Start
	}
	if !self.End.IsZero() && (whole || a.Request.End.IsZero()) {
		a.Request.End = self.End
	}
	if a.Request.Limit > 0 && self.Limit > 0 {
		a.Request.Limit = min(a.Request.Limit, self.Limit) // a row more was asked for
	}
}

// tag hashes all that a representation is made of.
func (a *Answer) tag(report store.Report) string {
	h := sha256.New()
	h.Write([]byte(report)) // with its licence
	h.Write([]byte(a.Request.Canonical()))
	for _, links := range [][]cmu.Link{a.RollUp, a.DrillDown} {
		for _, l := range links {
			h.Write([]byte("\x00" + l.Href + "\x00" + l.Name))
		}
		h.Write([]byte{1})
	}
	for _, f := range a.Fragments {
		h.Write(f.Digest[:])
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(f.Len)))
	}
	if a.Incomplete {
		h.Write([]byte{2})
	}
	if a.Simulated {
		h.Write([]byte{3})
	}
	for _, s := range a.BeforeHorizon {
		h.Write([]byte("\x04" + s.From.String() + "\x00" + s.To.String()))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:15])
}
