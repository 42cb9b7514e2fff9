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
	nature   nature   // of its path
	path     []string // of the rows
	report   store.Report
	order    *rows.Order
	pace     plan.Pace
	calendar plan.Grid   // of the report's grain
	window   plan.Window // empty: the answer cannot be sliced
}

// newQuery works out a request, which has no format, at an instant, for the licence of a scope. n is what is known of its path.
func newQuery(scope string, r cmu.Request, n nature, p plan.Policy, now time.Time) *query {
	if n.NoWindow {
		r.Start, r.End = cmu.Bound{}, cmu.Bound{}
	}
	q := &query{nature: n, path: n.of(r), report: scoped(r.Report(), scope)}
	named := r
	r.Path = q.path
	grain, _ := r.Grain()
	q.pace = plan.Pace{Policy: p, Grain: grain, Level: r.LevelReport()}
	q.request = calendarBounds(named, q.pace, now)
	q.calendar = plan.Grid{Grain: grain}
	q.order = rows.NewOrder(r, grain, q.calendar.Unit())
	q.window = q.calendar.TakeApart(q.sliceableSpan(now))
	return q
}

// maxBlocks bounds the blocks of one window: 25 months of hours, 33 days of minutes. Where what Adobe no longer has is kept, a window that
// begins past the horizon may have as many as maxHistory: eleven years of hours.
const (
	maxBlocks  = 800
	maxHistory = 4000
)

// sliceableSpan returns the window in civil time if rows can be told apart by calendar period: the path has a grain, the window
// is in civil time and not left to Adobe, no limit is given, and no filter is on a time dimension. Else it is empty.
func (q *query) sliceableSpan(now time.Time) (none plan.Span) {
	from, started := q.request.Start.Civil()
	onTime := func(f cmu.Filter) bool { return cmu.TimeDimension(f.Dimension) != cmu.NoGrain }
	if !q.calendar.Divided() || !started || q.request.Limit > 0 || slices.ContainsFunc(q.request.Filters, onTime) {
		return none
	}
	to, ended := q.request.End.Civil()
	if q.request.End.IsZero() {
		to, ended = q.pace.Grain.Ceil(plan.Latest(now)), true
	}
	w := plan.Span{From: from, To: to}
	unit, most := plan.Grid{Grain: q.calendar.Unit()}, maxBlocks
	if q.pace.Policy.Keep && from <= plan.Horizon(now) {
		most = maxHistory
	}
	if !ended || w.Empty() || unit.Periods(plan.Span{From: unit.Grain.Floor(from), To: unit.Grain.Ceil(to)}) > most {
		return none
	}
	return w
}

func (q *query) sliceable() bool { return !q.window.Whole.Empty() || len(q.window.Edges) > 0 }

// piece is one thing to know for a query: the rows of whole periods, or those of one request exactly as it is. The grid of the
// latter is undivided.
type piece struct {
	*query
	grid plan.Grid
	want plan.Span   // on the grid
	ask  cmu.Request // what Adobe is asked; where the grid is divided, without the window
	// only are the periods whose rows are wanted; empty: all.
	only  plan.Span
	names []string // of the blocks, in their order
	// What is read before a fetch lies between before and after: the blocks, and those beside them that a fetch may reach.
	before, after string
	lease         string // the name under which it is fetched
	// read is what the store has just been found to hold; nil: nobody looked.
	read *holding
}

// width is how many blocks of the calendar the piece touches at a time, at least one: about how much it asks of Adobe.
func (p *piece) width(now time.Time) int {
	from, started := p.ask.Start.Civil()
	to, ended := p.ask.End.Civil()
	if p.grid.Divided() {
		from, to, started, ended = p.want.From, p.want.To, true, true
	}
	if !ended {
		to = p.pace.Policy.Civil(now)
	}
	if !p.calendar.Divided() || !started || to <= from {
		return 1
	}
	unit := plan.Grid{Grain: p.calendar.Unit()}
	return unit.Periods(plan.Span{From: unit.Grain.Floor(from), To: unit.Grain.Ceil(to)})
}

// exact returns the rows of r, of which those of some periods are wanted; empty: all.
func (q *query) exact(r cmu.Request, only plan.Span) *piece {
	hash := shortHash(r.Canonical())
	name := exactPrefix + hash
	return &piece{
		query: q, want: plan.Undivided(), ask: r, only: only, names: []string{name}, before: name, after: name,
		lease: q.leaseName() + "/" + hash,
	}
}

// periods returns the whole periods of q's window, with inclusive also the one that begins at its end; nil if there are none.
func (q *query) periods(inclusive bool) *piece {
	whole := q.window.Whole
	if inclusive && q.window.Even {
		whole.To = q.pace.Grain.Step(whole.To, 1)
	}
	if whole.Empty() {
		return nil
	}
	p := &piece{query: q, grid: q.calendar, want: whole, ask: q.request, only: whole, lease: q.leaseName()}
	p.ask.Start, p.ask.End = cmu.Bound{}, cmu.Bound{}
	around := q.calendar.Around(whole)
	p.names, p.before, p.after = q.calendar.Names(whole), plan.Name(around.From), plan.Name(around.To-1)
	return p
}

// pieces returns what makes the answer to q, in the order of time: if it may be sliced its whole periods and, each exactly, the
// parts of periods at its edges; else the one exact piece. read is what has been read of one of them; nil: nothing.
func (q *query) pieces(sliced, inclusive bool, read *holding) (pieces []*piece) {
	if !sliced || !q.sliceable() {
		whole := q.exact(q.request, plan.Span{})
		whole.adopt(read)
		return append(pieces, whole)
	}
	whole := q.periods(inclusive)
	if whole != nil {
		whole.adopt(read)
	}
	for _, e := range q.window.Edges {
		if whole != nil && e.Part.From >= whole.want.To {
			pieces, whole = append(pieces, whole), nil
		}
		r := q.request
		r.Start, r.End = cmu.BoundAt(e.Part.From), cmu.BoundAt(e.Part.To)
		pieces = append(pieces, q.exact(r, e.Period))
	}
	if whole != nil {
		pieces = append(pieces, whole)
	}
	return pieces
}

// adopt takes over what has been read of a piece that begins with the same block; nil: nothing.
func (p *piece) adopt(read *holding) {
	if read != nil && read.piece.names[0] == p.names[0] {
		p.read = &holding{shelf: read.shelf, piece: p, stamp: read.stamp, blocks: read.blocks, unread: read.unread}
	}
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
		return p.names[0]
	}
	return plan.Name(start)
}

// settled returns the instant on the grid before which the rows will not change any more, if fetched at a time.
func (p *piece) settled(at time.Time) cmu.Civil {
	if p.grid.Divided() {
		return p.pace.Settled(at)
	}
	_, started := p.ask.Start.Civil()
	end, ended := p.ask.End.Civil()
	if started && ended && p.pace.Grain != cmu.NoGrain && end <= p.pace.Settled(at) {
		return plan.Undivided().To
	}
	return plan.Undivided().From
}

// retained returns the instant on the grid from which on Adobe surely had the rows in whole, if fetched at a time. For what is asked exactly
// as it is, the window tells: see Answer.BeforeHorizon.
func (p *piece) retained(at time.Time) cmu.Civil {
	if !p.grid.Divided() {
		return 0
	}
	return p.pace.Retained(at)
}

// frozen returns the instant on the grid before which what is settled stays as it is at a time.
func (p *piece) frozen(at time.Time) cmu.Civil {
	if !p.grid.Divided() {
		return 0
	}
	return p.pace.FrozenBefore(at)
}

// reachesBack reports whether one of the spans touches a block that begins past Adobe's horizon at a time, so that what is kept of it cannot be
// had again.
func (p *piece) reachesBack(spans []plan.Span, at time.Time) bool {
	return p.pace.Policy.Keep && p.grid.Divided() && slices.ContainsFunc(spans, func(s plan.Span) bool {
		return p.grid.Block(s.From).From <= plan.Horizon(at)
	})
}

// historic reports whether the block of a name begins past Adobe's horizon at a time.
func historic(name string, at time.Time) bool {
	start, ok := plan.BlockStart(name)
	return ok && start <= plan.Horizon(at)
}

// exactPrefix begins the names of blocks that hold an exact answer.
const exactPrefix = "x"

// GoesFirst reports whether the stored block of that name may go before others when space is short: it holds the answer to one
// request, where others hold periods that many requests need.
func GoesFirst(name string) bool { return strings.HasPrefix(name, exactPrefix) }

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
			return unscoped(report) == r.Report()
		}
		own, _, _ := strings.Cut(unscoped(report), "?")
		return path == "" || own == path
	}
}
