package reports

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"cmu-gateway/internal/fair"
	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

// fetcher gets the missing spans of one piece. Adobe may truncate an answer or refuse it as too wide; then the span is asked
// for in parts, sized by the rows per period that were seen.
type fetcher struct {
	adobe    *upstream.Adobe
	licence  string
	notebook *notebook
	held     *holding // grows as blocks become whole
	caller   *fair.Caller
	teller   *teller
	until    time.Time // before which the last call must have ended
	giveWay  func(*fair.Caller) bool
	parallel int
	now      func() time.Time
	sleep    func(context.Context, time.Duration) error

	mu sync.Mutex // guards what follows against the calls of one round
	learnt
	pending map[cmu.Civil][]part // by start of block, not yet in blocks
	links   cmu.Links
	latest  latest
}

// learnt is what answers tell of how much to ask for in one call.
type learnt struct {
	// perPeriod is the densest that answers were seen to be; zero: not known.
	perPeriod float64
	// widest is the most periods that a call may ask for, as more was refused; guess what it asks for while the density
	// is not known, as more was truncated. Zero: no bound.
	widest, guess int
}

// maxFill is which part of an answer's capacity a sized call aims to use, firstShare which part of a span is asked for next
// when an answer was truncated and nothing tells how much is missing. With these a window of n rows and limit L costs at most
// 1.5 n/L + 2 calls.
const (
	maxFill    = 0.92
	firstShare = 0.45
	widenFill  = 0.8 // of a call that is stretched for those to come
)

// maxCalls bounds the calls of one fetch, lest one request have Adobe for itself: what they yielded is kept, and the next goes on.
const maxCalls = 100

// run fetches what a plan lacks. All that arrives becomes known, also when it fails part of the way. A block is saved as soon as
// nothing more of it is wanted.
func (f *fetcher) run(ctx context.Context, lacks plan.Plan) error {
	f.perPeriod = max(f.perPeriod, density(f.held.piece.grid, f.held.blocks))
	f.pending = map[cmu.Civil][]part{}
	memory := f.held.shelf.gathered.begin()
	defer memory.end()
	queue := f.widened(lacks.Calls())
	f.teller.tell(f.held.piece, queue)
	var failure error
	for rounds := 0; len(queue) > 0 && failure == nil; rounds++ {
		if failure = f.goOn(ctx); failure != nil {
			break
		}
		if rounds > 0 && f.giveWay(f.caller) {
			failure = errGaveWay
			break
		}
		if rounds > 0 {
			if failure = memory.hold(ctx, min(f.size(), memory.flight.single)); failure != nil {
				break
			}
		}
		batch, rest := f.next(queue)
		var again []plan.Span
		again, failure = f.round(ctx, batch)
		queue = append(again, rest...)
		if failure == nil {
			failure = f.settle(ctx, queue)
			f.teller.tell(f.held.piece, queue)
		}
	}
	return errors.Join(failure, f.settle(ctx, nil))
}

// size is about the memory that takes what is there already.
func (f *fetcher) size() (n int64) {
	for _, b := range f.held.blocks {
		n += int64(b.size())
	}
	for _, parts := range f.pending {
		for _, p := range parts {
			n += int64(len(p.rows.Deflate))
		}
	}
	return n
}

// widened stretches spans where that saves calls to come.
func (f *fetcher) widened(spans []plan.Span) (wide []plan.Span) {
	if f.held.unread != nil && f.held.piece.pace.Policy.Keep {
		return spans // nobody knows what lies beside them
	}
	known, budget := coverage(f.held.blocks), widenFill*float64(f.adobe.Capacity())
	for _, s := range spans {
		wide = append(wide, known.Widen(f.held.piece.grid, f.held.piece.pace, s, f.perPeriod, budget, f.now()))
	}
	return plan.Joined(wide)
}

// next takes the calls of one round off the queue: one while the density is not known, else as many as may run at once.
func (f *fetcher) next(queue []plan.Span) (batch, rest []plan.Span) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.perCall()
	if n == 0 {
		return queue[:1], queue[1:]
	}
	most := f.parallel
	if f.perPeriod == 0 {
		most = 1 // the size is a guess
	}
	grid := f.held.piece.grid
	queue = plan.Joined(queue) // an answer may have left several, when nothing told its size
	for len(queue) > 0 && len(batch) < most {
		s := queue[0]
		if total := grid.Periods(s); total > n {
			// Even shares: a remainder of a few periods would cost a call of its own.
			share := int(math.Ceil(float64(total) / math.Ceil(float64(total)/float64(n))))
			edge := grid.Grain.Step(s.From, share)
			batch = append(batch, plan.Span{From: s.From, To: edge})
			queue = append([]plan.Span{{From: edge, To: s.To}}, queue[1:]...)
			continue
		}
		batch, queue = append(batch, s), queue[1:]
	}
	return batch, queue
}

// round asks for all of a batch at once and returns what must be asked for again in other parts.
func (f *fetcher) round(ctx context.Context, batch []plan.Span) (again []plan.Span, err error) {
	done, errs := make([]bool, len(batch)), make([]error, len(batch))
	var calls sync.WaitGroup
	for i, s := range batch {
		calls.Go(func() { done[i], errs[i] = f.one(ctx, s) })
	}
	calls.Wait()
	for i, s := range batch {
		if errs[i] == nil && !done[i] {
			again = append(again, s)
		}
	}
	return again, errors.Join(errs...)
}

// one asks for one span. It is done unless what came is not the whole and the span can be asked for in parts.
func (f *fetcher) one(ctx context.Context, s plan.Span) (done bool, err error) {
	memory := f.held.shelf.flight.begin()
	defer memory.end()
	out, c, err := f.call(ctx, s, memory)
	if passing(err) && f.sleep(ctx, firstPause) == nil {
		if stop := f.goOn(ctx); stop == nil {
			out, c, err = f.call(ctx, s, memory)
		} else if errors.Is(stop, fair.ErrGone) {
			err = stop // who comes next need not suffer for it
		}
	}
	if done, err := f.judge(s, out, c, err); !done {
		return false, err
	}
	parts, err := c.parts(out.At, out.Truncated) // beside those of the other calls of the round: it sorts and compresses
	if err != nil {
		return false, err
	}
	if out.Simulated {
		f.notebook.noteSimulated(ctx) // before anything of it is kept
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.links = out.Links
	if c.latest > f.latest.period {
		f.latest = latest{c.latest, out.At}
	}
	for start, p := range parts {
		p.simulated = out.Simulated
		f.pending[start] = append(f.pending[start], p)
	}
	return true, nil
}

// judge learns from the outcome of a call, and reports whether it is to be kept.
func (f *fetcher) judge(s plan.Span, out upstream.Reply, c *collector, err error) (keep bool, failure error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.held.piece
	total := p.grid.Periods(s)
	switch {
	case errors.Is(err, cmu.ErrTooWide) && total > 1:
		f.narrow(total / 2)
		return false, nil
	case err != nil:
		return false, err
	}
	if n := natureOf(p.ask, p.nature, out.Links, c.fields.Names()); !n.equal(p.nature) {
		return false, &natureError{pathName(p.ask), n}
	}
	if f.learn(total, out, c); out.Truncated && total > 1 {
		f.shrink(total)
		return false, nil
	}
	return true, nil
}

func (f *fetcher) call(ctx context.Context, s plan.Span, memory *share) (upstream.Reply, *collector, error) {
	c := newCollector(f.held.piece, s, func(bytes int64) error { return memory.hold(ctx, bytes) })
	out, err := f.adobe.Report(ctx, f.caller, f.licence, f.held.piece.call(s), c.add)
	return out, c, err
}

// learn takes the density from an answer over a number of periods. f.mu is held.
func (f *fetcher) learn(total int, out upstream.Reply, c *collector) {
	switch {
	case out.Truncated && c.inTime && c.seen > 1:
		f.perPeriod = max(f.perPeriod, float64(out.Rows)/float64(c.seen-1))
	case !out.Truncated || f.perPeriod > 0: // a truncated answer still tells how dense it is at least
		f.perPeriod = max(f.perPeriod, float64(out.Rows)/float64(total))
	}
}

// shrink makes next ask for less than the total of periods that was truncated. f.mu is held.
func (f *fetcher) shrink(total int) {
	if n := f.perCall(); n > 0 && n < total {
		return
	}
	less := max(1, int(firstShare*float64(total)))
	if f.perPeriod == 0 {
		f.guess = less
	} else {
		f.narrow(less) // the density that was seen is too small
	}
}

// narrow lets no call ask for more than n periods any more. f.mu is held.
func (f *fetcher) narrow(n int) {
	if f.widest == 0 || n < f.widest {
		f.widest = n
	}
}

// perCall is how many periods one call may ask for; zero: nothing tells. f.mu is held.
func (f *fetcher) perCall() int {
	n := f.guess
	if f.perPeriod > 0 {
		n = int(max(1, maxFill*float64(f.adobe.Capacity())/f.perPeriod))
	}
	if f.widest > 0 && (n == 0 || n > f.widest) {
		n = f.widest
	}
	return n
}

// goOn reports an error when no more calls are to be made. The first is made however little time is left: it is kept, and the next fetch
// has less to do.
func (f *fetcher) goOn(ctx context.Context) error {
	calls := f.caller.Had()
	switch {
	case f.caller.HasGone():
		return fair.ErrGone
	case ctx.Err() != nil:
		return ctx.Err()
	case calls >= maxCalls:
		return errManyCalls
	case calls > 0 && f.now().Add(f.adobe.CallTime()).After(f.until):
		return errNoTime
	}
	return nil
}

// settle puts pending parts into their blocks and saves those, but for blocks that the queue still wants more of.
func (f *fetcher) settle(ctx context.Context, queue []plan.Span) error {
	var done []*block
	for start, parts := range f.pending {
		own := f.held.piece.grid.Block(start)
		if slices.ContainsFunc(queue, func(s plan.Span) bool { return !s.Overlap(own).Empty() }) {
			continue
		}
		delete(f.pending, start)
		b, err := f.held.add(start, parts, f.links)
		if err != nil {
			return err
		}
		done = append(done, b)
	}
	if len(done) > 0 {
		f.held.save(ctx, f.notebook, done)
	}
	return nil
}
