package reports

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/rows"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// query is a request with all that follows from it, worked out once.
type query struct {
	request  cmu.Request
	report   store.Report
	order    *rows.Order
	pace     plan.Pace
	calendar plan.Grid // of the report's grain
	window   plan.Span // in civil time; empty: the answer cannot be sliced
}

// newQuery works out a request, which has no format, at an instant.
func newQuery(r cmu.Request, p plan.Policy, now time.Time) *query {
	pace := p.Of(r)
	calendar := plan.Grid{Grain: pace.Grain}
	return &query{
		request: r, report: store.Report(r.Report()), pace: pace, calendar: calendar,
		order: rows.NewOrder(r, calendar.Unit()), window: sliceableWindow(r, p, calendar, now),
	}
}

// maxBlocks bounds the blocks of one window: 25 months of hours, 33 days of minutes.
const maxBlocks = 800

// sliceableWindow returns the window of r in civil time if its rows can be told apart by calendar period: the path has a
// grain, the window is in civil time and not left to Adobe, no limit is given, and no filter is on a time dimension. Else it
// is empty.
func sliceableWindow(r cmu.Request, p plan.Policy, g plan.Grid, now time.Time) plan.Span {
	from, started := r.Start.Civil()
	onTime := func(f cmu.Filter) bool { return cmu.TimeDimension(f.Dimension) != cmu.NoGrain }
	if !g.Divided() || !started || r.Limit > 0 || slices.ContainsFunc(r.Filters, onTime) {
		return plan.Span{}
	}
	to, ended := r.End.Civil()
	if r.End.IsZero() {
		to, ended = g.Grain.Ceil(p.Latest(now)), true
	}
	w := plan.Span{From: from, To: to}
	unit := plan.Grid{Grain: g.Unit()}
	if !ended || w.Empty() || unit.Periods(plan.Span{From: unit.Grain.Floor(from), To: unit.Grain.Ceil(to)}) > maxBlocks {
		return plan.Span{}
	}
	return w
}

func (q *query) sliceable() bool { return !q.window.Empty() }

// piece is one thing to know for a query: the rows of whole periods, or those of one request exactly as it is. The grid of the
// latter is undivided.
type piece struct {
	*query
	grid plan.Grid
	want plan.Span   // on the grid
	ask  cmu.Request // what Adobe is asked; where the grid is divided, without the window
	// only are the periods whose rows are wanted; empty: all.
	only  plan.Span
	first string // the names of the first and last block
	last  string
	lease string // the name under which it is fetched
	// read is what the store has just been found to hold; nil: nobody looked.
	read *holding
}

// whole returns q's request as it is.
func (q *query) whole() *piece { return q.exact(q.request, plan.Span{}) }

// exact returns the rows of r, of which those of some periods are wanted; empty: all.
func (q *query) exact(r cmu.Request, only plan.Span) *piece {
	hash := shortHash(r.Canonical())
	name := exactPrefix + hash
	return &piece{query: q, want: plan.Whole, ask: r, only: only, first: name, last: name, lease: q.leaseName() + "/" + hash}
}

// periods returns the whole periods of q's window, with inclusive also the one that begins at its end; nil if there are none.
func (q *query) periods(inclusive bool) *piece {
	if !q.sliceable() {
		return nil
	}
	whole := q.calendar.TakeApart(q.window).Whole
	if g := q.calendar.Grain; inclusive && g.Floor(q.window.To) == q.window.To {
		whole.To = g.Step(q.window.To, 1)
	}
	if whole.Empty() {
		return nil
	}
	r := q.request
	r.Start, r.End = cmu.Bound{}, cmu.Bound{}
	blocks := q.calendar.Blocks(whole)
	return &piece{
		query: q, grid: q.calendar, want: whole, ask: r, only: whole, lease: q.leaseName(),
		first: blockName(blocks[0].From), last: blockName(blocks[len(blocks)-1].From),
	}
}

// slices returns the pieces of a sliceable query in the order of time: its whole periods and, each exactly, the parts of periods
// at its edges. read is what has been read of the periods; nil: nothing.
func (q *query) slices(inclusive bool, read *holding) (pieces []*piece) {
	whole := q.periods(inclusive)
	if whole != nil {
		whole.read = read
	}
	g := q.calendar.Grain
	for _, e := range q.calendar.TakeApart(q.window).Edges {
		if whole != nil && e.From >= whole.want.To {
			pieces, whole = append(pieces, whole), nil
		}
		r := q.request
		r.Start, r.End = cmu.BoundAt(e.From), cmu.BoundAt(e.To)
		pieces = append(pieces, q.exact(r, plan.Span{From: g.Floor(e.From), To: g.Ceil(e.To)}))
	}
	if whole != nil {
		pieces = append(pieces, whole)
	}
	return pieces
}

// call returns the request to Adobe for the rows of s.
func (p *piece) call(s plan.Span) cmu.Request {
	r := p.ask
	if p.grid.Divided() {
		r.Start, r.End = cmu.BoundAt(s.From), cmu.BoundAt(s.To)
	}
	return r
}

// blockName names the block that begins at start.
func (p *piece) blockName(start cmu.Civil) string {
	if !p.grid.Divided() {
		return p.first
	}
	return blockName(start)
}

// settled returns the instant on the grid before which the rows will not change any more, if fetched at a time.
func (p *piece) settled(at time.Time) cmu.Civil {
	if p.grid.Divided() {
		return p.pace.Settled(at)
	}
	_, started := p.ask.Start.Civil()
	end, ended := p.ask.End.Civil()
	if started && ended && p.pace.Grain != cmu.NoGrain && end <= p.pace.Settled(at) {
		return plan.Whole.To
	}
	return plan.Whole.From
}

// keepPeriods is past Adobe's own 25 months of data, and how long past that a block that nobody refreshes is of use.
const keepPeriods = 400 * 24 * time.Hour

// life is how long the piece's blocks are stored.
func (p *piece) life() time.Duration {
	if p.grid.Divided() {
		return keepPeriods
	}
	return p.pace.Policy.Settled + p.pace.Policy.StaleIfError
}

// exactPrefix begins the names of blocks that hold an exact answer.
const exactPrefix = "x"

// GoesFirst reports whether the stored block of that name may go before others when space is short: it holds the answer to one
// request, where others hold periods that many requests need.
func GoesFirst(name string) bool { return strings.HasPrefix(name, exactPrefix) }

// blockName names the block of a calendar unit that begins at start. The names sort as the calendar does.
func blockName(start cmu.Civil) string { return "b" + start.String() }

func (q *query) leaseName() string { return "fetch/" + shortHash(string(q.report)) }

func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

// matching returns which reports a purge of r is about.
func matching(r cmu.Request) func(store.Report) bool {
	path := cmu.Request{Path: r.Path}.Report()
	exact := len(r.Filters) > 0 || len(r.Metrics) > 0
	return func(report store.Report) bool {
		if exact {
			return string(report) == r.Report()
		}
		own, _, _ := strings.Cut(string(report), "?")
		return path == "" || own == path
	}
}
