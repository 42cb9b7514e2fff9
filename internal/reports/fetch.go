package reports

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"cmu-gateway/pkg/cmu"
)

// fetcher gets the missing spans of one job. Adobe may cut an answer or refuse it as too wide; then the span is asked in
// parts, sized by the rows per period that were seen.
type fetcher struct {
	*Service
	job    *job
	blocks []*block // what is known so far
	// generation is the service's when blocks was read: after a purge nothing of it may be stored again.
	generation int64
	links      cmu.Links
	raw        *Raw

	mu sync.Mutex
	// perPeriod is the densest that answers were seen to be; zero: not known.
	perPeriod float64
	// widest is the most periods that a call may ask for, as more was refused; guess what it asks for while the density
	// is not known, as more was cut. Zero: no bound.
	widest, guess int
	pending       map[cmu.Civil][]part // by start of block, not yet in blocks; all of an exact job are under zero
}

// maxFill is which part of an answer's capacity a sized call aims to use, firstCut which part of a span is asked next
// when an answer was cut and nothing tells how much is missing. With these a window of n rows and limit L costs at most
// 1.5 n/L + 2 calls.
const (
	maxFill  = 0.92
	firstCut = 0.45
)

// errOutside is returned when an answer holds a row outside the range asked: what cutting by calendar rests on is wrong.
// With noPeriod the row has no period at all, which tells of its report only.
type errOutside struct {
	evidence string
	noPeriod bool
}

func (e *errOutside) Error() string { return "a row lies outside the range asked for: " + e.evidence }

// run fetches the spans, at most Parallel calls at a time, and returns the blocks with all that arrived, also when it
// fails part of the way. A block is stored as soon as nothing more of it is wanted.
func (f *fetcher) run(ctx context.Context, spans []span) ([]*block, error) {
	if !f.job.exact {
		f.perPeriod = density(f.job.pace.grain, f.blocks)
	}
	f.pending = map[cmu.Civil][]part{}
	queue := slices.Clone(spans)
	var failure error
	for rounds := 0; len(queue) > 0 && failure == nil; rounds++ {
		if failure = f.timeLeft(ctx); failure != nil {
			break
		}
		if rounds > 0 {
			f.extendLease(ctx, f.job)
		}
		batch, rest := f.next(queue)
		var again []span
		again, failure = f.round(ctx, batch)
		queue = append(again, rest...)
		if failure == nil {
			failure = f.settle(ctx, queue)
		}
	}
	return f.blocks, errors.Join(failure, f.settle(ctx, nil))
}

// spans returns what to ask for: what the plan lacks, widened where that saves calls to come.
func (f *fetcher) spans(p plan) []span {
	calls := p.calls()
	if f.job.exact {
		return calls
	}
	dense := density(f.job.pace.grain, f.blocks)
	budget := float64(f.adobe.capacity()) / 2
	var wide []span
	for _, s := range calls {
		wide = appendSpan(wide, widen(f.job.pace, s, rangesOf(f.blocks), dense, budget, f.Now()))
	}
	return wide
}

// next takes the calls of one round off the queue: one while the density is not known, else as many as may run at once.
func (f *fetcher) next(queue []span) (batch, rest []span) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.job.exact {
		return queue, nil
	}
	n := f.perCall()
	if n == 0 {
		return queue[:1], queue[1:]
	}
	most := f.Parallel
	if f.perPeriod == 0 {
		most = 1 // the size is a guess
	}
	grain := f.job.pace.grain
	var joined []span
	for _, s := range queue {
		joined = appendSpan(joined, s) // what an answer was cut into, when nothing told its size
	}
	queue = joined
	for len(queue) > 0 && len(batch) < most {
		s := queue[0]
		if total := periods(grain, s); total > n {
			// Even shares: a remainder of a few periods would cost a call of its own.
			share := int(math.Ceil(float64(total) / math.Ceil(float64(total)/float64(n))))
			cut := grain.Step(s.From, share)
			batch = append(batch, span{s.From, cut})
			queue = append([]span{{cut, s.To}}, queue[1:]...)
			continue
		}
		batch, queue = append(batch, s), queue[1:]
	}
	return batch, queue
}

// round asks for all of a batch at once and returns what must be asked again in other parts.
func (f *fetcher) round(ctx context.Context, batch []span) (again []span, err error) {
	results := make([][]span, len(batch))
	errs := make([]error, len(batch))
	var calls sync.WaitGroup
	for i, s := range batch {
		calls.Go(func() { results[i], errs[i] = f.one(ctx, s) })
	}
	calls.Wait()
	for _, r := range results {
		again = append(again, r...)
	}
	return again, errors.Join(errs...)
}

// one asks for one span. What it yields is kept unless it was cut and can be asked in parts, which are returned.
func (f *fetcher) one(ctx context.Context, s span) ([]span, error) {
	grain := f.job.pace.grain
	c := newCollector(f.job, s)
	out, err := f.adobe.report(ctx, f.job.ask(s), c.add)
	if passing(err) && f.timeLeft(ctx) == nil {
		c = newCollector(f.job, s)
		out, err = f.adobe.report(ctx, f.job.ask(s), c.add)
	}
	if errors.Is(err, cmu.ErrTooWide) && !f.job.exact && periods(grain, s) > 1 {
		f.narrow(periods(grain, s) / 2)
		return []span{s}, nil
	}
	if err != nil {
		return nil, err
	}
	if out.raw != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.raw = out.raw
		return nil, nil
	}
	if !f.job.exact {
		if total := periods(grain, s); !f.learn(total, out, c) && total > 1 {
			f.shrink(total)
			return []span{s}, nil
		}
	}
	parts, err := c.parts(out.at, out.full)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.links = out.links
	for start, p := range parts {
		f.pending[start] = append(f.pending[start], p)
	}
	return nil, nil
}

// passing reports whether a call failed for a reason that a second call may not meet.
func passing(err error) bool {
	var e *cmu.Error
	var u *Unavailable
	var outside *errOutside
	switch {
	case err == nil, errors.As(err, &u), errors.As(err, &outside), errors.Is(err, cmu.ErrTooLarge), ended(err):
		return false
	case errors.As(err, &e):
		return e.Status >= 500
	}
	return true
}

// ended reports whether the caller's context ended.
func ended(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// learn takes the density from an answer over a number of periods, and reports whether the answer is whole.
func (f *fetcher) learn(total int, out reply, c *collector) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case out.full && c.inTime && c.seen > 1:
		f.perPeriod = max(f.perPeriod, float64(out.rows)/float64(c.seen-1))
	case !out.full || f.perPeriod > 0: // a cut answer still tells how dense it is at least
		f.perPeriod = max(f.perPeriod, float64(out.rows)/float64(total))
	}
	return !out.full
}

// shrink makes next ask for less than the total of periods that was cut.
func (f *fetcher) shrink(total int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := f.perCall(); n > 0 && n < total {
		return
	}
	less := max(1, int(firstCut*float64(total)))
	if f.perPeriod == 0 {
		f.guess = less
	} else if f.widest == 0 || less < f.widest {
		f.widest = less // the density that was seen is too small
	}
}

// narrow lets no call ask for more than n periods any more.
func (f *fetcher) narrow(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.widest == 0 || n < f.widest {
		f.widest = n
	}
}

// perCall is how many periods one call may ask for; zero: nothing tells.
func (f *fetcher) perCall() int {
	n := f.guess
	if f.perPeriod > 0 {
		n = int(max(1, maxFill*float64(f.adobe.capacity())/f.perPeriod))
	}
	if f.widest > 0 && (n == 0 || n > f.widest) {
		n = f.widest
	}
	return n
}

// density returns the most rows per period that the blocks hold, or zero where nothing is known.
func density(g cmu.Grain, blocks []*block) (most float64) {
	for _, b := range blocks {
		n := 0
		unit := b.unit(g)
		for _, k := range b.spans {
			n += periods(g, k.overlap(unit))
		}
		if n > 0 {
			most = max(most, float64(b.rows.Rows)/float64(n))
		}
	}
	return most
}

// timeLeft reports an error when the caller's deadline leaves no time for another call.
func (f *fetcher) timeLeft(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	deadline, ok := ctx.Deadline()
	need := min(max(2*time.Duration(f.adobe.latency.Load()), time.Second), maxNeed)
	if ok && f.Now().Add(need).After(deadline) {
		return errNoTime
	}
	return nil
}

// maxNeed bounds the time held to be needed for a call, lest one slow call stop all others.
const maxNeed = 5 * time.Second

var errNoTime = errors.New("no time left for another call")

// settle puts pending parts into their blocks and stores those, but for blocks that the queue still wants more of.
func (f *fetcher) settle(ctx context.Context, queue []span) error {
	var done []*block
	for start, parts := range f.pending {
		name := f.job.first
		if !f.job.exact {
			name = blockName(start)
			unit := span{start, blockUnit(f.job.pace.grain).Step(start, 1)}
			if slices.ContainsFunc(queue, func(s span) bool { return !s.overlap(unit).empty() }) {
				continue
			}
		}
		delete(f.pending, start)
		at, found := slices.BinarySearchFunc(f.blocks, name, func(b *block, name string) int { return strings.Compare(b.name, name) })
		old := &block{name: name}
		if found {
			old = f.blocks[at]
		}
		fresh, err := old.with(f.job, parts, f.links)
		if err != nil {
			return err
		}
		if found {
			f.blocks[at] = fresh
		} else {
			f.blocks = slices.Insert(f.blocks, at, fresh)
		}
		done = append(done, fresh)
	}
	if len(done) > 0 {
		f.save(ctx, f.job, done, f.generation)
	}
	return nil
}

// collector sorts the rows of one answer into blocks.
type collector struct {
	job    *job
	asked  span
	sorted map[cmu.Civil]*blockSorter
	size   int // bytes held uncompressed
	// inTime tells that periods came in order; seen counts them.
	inTime bool
	seen   int
	last   cmu.Civil
	key    key
}

type blockSorter struct {
	sorter
	lead lead
}

// heldRows bounds the bytes of rows that an answer holds uncompressed over all its blocks.
const heldRows = 16 << 20

func newCollector(j *job, s span) *collector {
	return &collector{job: j, asked: s, sorted: map[cmu.Civil]*blockSorter{}, inTime: true}
}

func (c *collector) add(row cmu.Row) error {
	j := c.job
	err := j.order.of(row, &c.key)
	var start cmu.Civil
	if !j.exact {
		if err != nil {
			return &errOutside{err.Error(), true}
		}
		period := c.key.period
		if period == c.asked.To {
			return nil // Adobe's end is inclusive: its period was not asked for
		}
		if !c.asked.holds(period) {
			return &errOutside{evidence: fmt.Sprintf("%s of %s in an answer from %s to %s",
				j.pace.grain, period, c.asked.From, c.asked.To)}
		}
		if c.seen == 0 || period != c.last {
			c.inTime = c.inTime && (c.seen == 0 || period > c.last)
			c.seen++
			c.last = period
		}
		start = blockUnit(j.pace.grain).Floor(period)
	}
	b, ok := c.sorted[start]
	if !ok {
		b = &blockSorter{sorter: sorter{order: j.order}}
		c.sorted[start] = b
	}
	before := b.size()
	b.sorter.add(row, &c.key)
	b.lead.see(c.key.lead)
	c.size += b.size() - before
	if b.size() >= runSize || c.size >= heldRows && b.size() >= runSize/16 {
		c.size -= b.size()
		b.spill()
	}
	return nil
}

// parts returns what each block that the span touches has got: also those without a row, which are known to be empty. That
// the blocks of time to come are empty is told by the last one that is not.
func (c *collector) parts(at time.Time, cut bool) (map[cmu.Civil]part, error) {
	starts := []cmu.Civil{0}
	if !c.job.exact {
		starts = blockStarts(c.job.pace.grain, c.asked)
		for n := len(starts) - 1; n > 0 && c.sorted[starts[n]] == nil && starts[n] > c.job.pace.civil(at); n-- {
			starts = starts[:n]
		}
	}
	out := map[cmu.Civil]part{}
	for i, start := range starts {
		p := part{span: c.asked, at: at, cut: cut}
		if !c.job.exact {
			p.From = max(p.From, start)
			if i < len(starts)-1 {
				p.To = starts[i+1]
			}
		}
		if b, ok := c.sorted[start]; ok {
			var err error
			if p.rows, err = b.fragment(); err != nil {
				return nil, err
			}
			p.lead = b.lead
		}
		out[start] = p
	}
	return out, nil
}
