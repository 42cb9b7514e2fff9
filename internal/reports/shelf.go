package reports

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/errgroup"
)

// shelf keeps what is known: answers in memory, blocks in memory and in the store. Nothing of it is of value, as all can be had
// again; but for blocks that Adobe no longer has, where those are kept. What was begun before a purge is not kept after it, as whatever is read here bears a stamp, and nothing is saved
// without one.
type shelf struct {
	store   store.Blocks
	answers *otter.Cache[answerKey, *Answer]
	blocks  *otter.Cache[blockKey, *block]
	memory  int64 // bytes, for both and for what is under way
	keep    bool  // what Adobe no longer has is kept
	// flight is for calls and merges, gathered for what fetches of many calls have got so far. A call waits for calls alone, and a fetch
	// for fetches while none of its calls is under way.
	flight, gathered *flight
	mu               sync.Mutex // held while a stamp is compared and what bears it is put into memory, and while memory is cleared
	purges           atomic.Int64
	cleared          time.Time // the last time; guarded by mu
	unstored         *unstored
	after            func(func(context.Context)) bool
	now              func() time.Time
	log              *slog.Logger
}

// answerKey names an answer: the scope of its licence, and the canonical request.
type answerKey struct{ scope, request string }

type blockKey struct {
	report store.Report
	name   string
}

// stamp tells between which purges something began.
type stamp int64

func newShelf(o Options) *shelf {
	quarter := uint64(max(o.Memory, 0)) / 4
	return &shelf{
		flight: newFlight(o.Memory), gathered: newFlight(o.Memory), unstored: &unstored{log: o.Log, now: o.Now},
		store: o.Store, memory: o.Memory, keep: o.Policy.Keep, after: o.After, now: o.Now, log: o.Log,
		answers: otter.Must(&otter.Options[answerKey, *Answer]{
			MaximumWeight: quarter,
			Weigher:       func(k answerKey, a *Answer) uint32 { return uint32(min(len(k.request)+a.size(), 1<<31)) },
		}),
		blocks: otter.Must(&otter.Options[blockKey, *block]{
			MaximumWeight: quarter,
			Weigher:       func(k blockKey, b *block) uint32 { return uint32(min(len(k.report)+b.size(), 1<<31)) },
		}),
	}
}

func (s *shelf) stamp() stamp { return stamp(s.purges.Load()) }

// clear forgets what is in memory; what is under way will not be kept.
func (s *shelf) clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cleared = s.now()
	s.purges.Add(1)
	s.answers.InvalidateAll()
	s.blocks.InvalidateAll()
}

// answer returns the answer of that canonical request if it is fresh and as new as wanted.
func (s *shelf) answer(name answerKey, d Directives, now time.Time) (*Answer, bool) {
	a, ok := s.answers.GetIfPresent(name)
	if !ok || !now.Before(a.Fresh) || plan.Ahead(a.Fetched, now) {
		return nil, false
	}
	oldest := d.maxAge()
	return a, oldest == 0 || now.Sub(a.Fetched) <= oldest
}

// refusalLife is how long a refusal of the request itself is remembered.
const refusalLife = time.Minute

// keepAnswer keeps an answer that was begun at a stamp, or a refusal for a short while.
func (s *shelf) keepAnswer(begun stamp, name answerKey, a *Answer, err error) {
	if e, ok := refusal(err); ok && (e.Status == http.StatusBadRequest || e.Status == http.StatusNotFound) {
		now := s.now()
		a, err = &Answer{refused: err, Fetched: now, Fresh: now.Add(refusalLife)}, nil
	}
	if err != nil || a.size() >= int(s.memory/8) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if begun == s.stamp() {
		s.answers.Set(name, a)
	}
}

// remember puts blocks into memory that were read or made at a stamp. It reports whether no purge came between.
func (s *shelf) remember(begun stamp, report store.Report, blocks []*block) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if begun != s.stamp() {
		return false
	}
	for _, b := range blocks {
		s.blocks.Set(blockKey{report, b.name}, b)
	}
	return true
}

// forgetAnswers keeps the blocks: they may have what an answer lacks.
func (s *shelf) forgetAnswers() { s.answers.InvalidateAll() }

// holding is what is held of a piece: blocks in the order of their names, its own and maybe its neighbours'. What is made of it is
// saved through it.
type holding struct {
	shelf  *shelf
	piece  *piece
	stamp  stamp
	blocks []*block
	unread error // the store could not be read: nobody knows what is stored
	stored budgetOfStore
}

// own returns those blocks that are the piece's, not its neighbours'.
func (h *holding) own() (own []*block) {
	for _, b := range h.blocks {
		if names := h.piece.names; names[0] <= b.name && b.name <= names[len(names)-1] {
			own = append(own, b)
		}
	}
	return own
}

// coverage returns what blocks in the order of their names know.
func coverage(blocks []*block) plan.Coverage {
	known := make([]plan.Coverage, len(blocks))
	for i, b := range blocks {
		known[i] = b.coverage
	}
	return plan.Join(known...)
}

// view is what is held of a piece, with the plan that says how good it is.
type view struct {
	held *holding
	plan plan.Plan
}

// view plans at now over the piece's own blocks: what a neighbour knows of time to come is not known here.
func (h *holding) view(d plan.Demand, now time.Time) view {
	return view{held: h, plan: coverage(h.own()).Plan(h.piece.pace, h.piece.want, h.piece.frozen(now), d, now)}
}

// inMemory returns what is in memory of a piece.
func (s *shelf) inMemory(p *piece) *holding {
	h := &holding{shelf: s, piece: p, stamp: s.stamp()}
	for _, name := range p.names {
		if b, ok := s.blocks.GetIfPresent(blockKey{p.report, name}); ok {
			h.blocks = append(h.blocks, b)
		}
	}
	return h
}

// load returns what is in the store of a piece, and puts it into memory. What was written within the last second may be missing. Where
// the store fails, what is in memory is all there is, and the holding says so.
func (s *shelf) load(ctx context.Context, p *piece) *holding {
	if s.undisturbed() {
		ctx = store.Relaxed(ctx)
	}
	return s.loadRange(ctx, p, p.names[0], p.names[len(p.names)-1])
}

// gone tells whether the caller has left: then it is no fault of the store that it gives nothing.
func gone(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

// undisturbed reports whether nothing was purged of late: what is read must not be older than a purge.
func (s *shelf) undisturbed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now().Sub(s.cleared) > notesAge
}

// loadAround is load, with all that was written, and with the neighbours of the piece's blocks.
func (s *shelf) loadAround(ctx context.Context, p *piece) *holding {
	return s.loadRange(ctx, p, p.before, p.after)
}

func (s *shelf) loadRange(ctx context.Context, p *piece, first, last string) *holding {
	h := s.inMemory(p)
	kept, err := s.store.Blocks(ctx, p.report, first, last)
	if err != nil {
		if !gone(ctx) {
			s.log.WarnContext(ctx, "the store cannot be read", "event", "store_unavailable", "report", p.report, "error", err)
		}
		h.unread = fmt.Errorf("%w: %w", ErrStore, err)
		return h
	}
	// What could not be stored is in memory only.
	h.blocks = slices.DeleteFunc(h.blocks, func(b *block) bool {
		return slices.ContainsFunc(kept, func(k store.Block) bool { return k.Name == b.name })
	})
	links := linksReader{report: p.report}
	var expiring []*block
	for _, k := range kept {
		b, err := decodeBlock(k, &links)
		if err != nil {
			s.log.WarnContext(ctx, "a block is unreadable and counts as missing", "report", p.report, "error", err)
			continue
		}
		if p.grid.Divided() {
			b.coverage = b.coverage.Marked(p.pace)
		}
		if m, ok := s.blocks.GetIfPresent(blockKey{p.report, b.name}); ok && m.fetched.After(b.fetched) {
			b = s.united(ctx, p, m, b)
		} else if !k.Expires.IsZero() && p.lasts(b) {
			expiring = append(expiring, b)
		}
		h.blocks = append(h.blocks, b)
	}
	s.remember(h.stamp, p.report, h.blocks)
	s.lift(h, expiring)
	slices.SortFunc(h.blocks, func(a, b *block) int { return strings.Compare(a.name, b.name) })
	return h
}

// lift takes the expiry off blocks that were stored before what is settled was kept.
func (s *shelf) lift(h *holding, expiring []*block) {
	if len(expiring) == 0 {
		return
	}
	lasting := make([]*block, len(expiring))
	for i, b := range expiring {
		again := *b
		again.fetched = b.fetched.Add(time.Millisecond) // or it would not replace itself
		lasting[i] = &again
	}
	s.after(func(ctx context.Context) {
		if h.stamp == s.stamp() {
			h.put(ctx, lasting, false, saveTime)
		}
	})
}

// add puts parts into the block that begins at start, which it returns.
func (h *holding) add(start cmu.Civil, parts []part, links cmu.Links) (*block, error) {
	name := h.piece.blockName(start)
	at, found := slices.BinarySearchFunc(h.blocks, name, func(b *block, name string) int { return strings.Compare(b.name, name) })
	old := &block{name: name}
	if found {
		old = h.blocks[at]
	}
	b, err := old.with(h.piece, parts, h.piece.lasting(links))
	if err != nil {
		return nil, err
	}
	if found {
		h.blocks[at] = b
	} else {
		h.blocks = slices.Insert(h.blocks, at, b)
	}
	return b, nil
}

const (
	// saveTime bounds a write to the store.
	saveTime   = 10 * time.Second
	putsAtOnce = 8
)

// save keeps blocks that were added, in memory and in the store. A store that fails is tried once more after the answer; then it
// costs another fetch later.
func (h *holding) save(ctx context.Context, n *notebook, added []*block) {
	s := h.shelf
	if h.unread != nil && h.piece.pace.Policy.Keep {
		// Nobody knows what is kept of these: it would be replaced.
		added = slices.DeleteFunc(slices.Clone(added), func(b *block) bool { return historic(b.name, s.now()) })
	}
	if n.age() > time.Second { // another process may have purged
		n.freshen(ctx)
	}
	if !s.remember(h.stamp, h.piece.report, added) {
		return
	}
	limit := saveTime
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, max(deadline.Sub(s.now()), time.Second))
	}
	barren := !slices.ContainsFunc(h.blocks, func(b *block) bool { return b.rows.Rows > 0 })
	within := h.stored.within(added, barren)
	if left := len(added) - len(within); left > 0 && !barren {
		s.log.WarnContext(ctx, "a report is too large to be stored whole", "report", h.piece.report, "blocks", left)
	}
	if failed := h.put(ctx, within, barren, limit); len(failed) > 0 {
		s.after(func(ctx context.Context) {
			if h.stamp == s.stamp() {
				h.put(ctx, failed, barren, saveTime)
			}
		})
	}
	if h.stamp != s.stamp() { // a purge came while they were written
		s.forget(ctx, h.piece.report)
	}
}

// forget deletes the blocks of a report that were written while it was purged.
func (s *shelf) forget(ctx context.Context, report store.Report) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	if _, err := s.store.Purge(ctx, func(r store.Report) bool { return r == report }, s.spares(nil)); err != nil {
		s.log.WarnContext(ctx, "blocks written during a purge may still be stored", "report", report, "error", err)
	}
}

// put stores blocks and returns those that could not be stored: nothing that is kept is overwritten by less. Barren ones are of a report in
// which no row was found.
func (h *holding) put(ctx context.Context, blocks []*block, barren bool, limit time.Duration) (failed []*block) {
	s, p := h.shelf, h.piece
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	if h.unread != nil {
		whole, err := h.reread(ctx, blocks)
		if err != nil {
			s.unstored.note(ctx, p.report, len(blocks), err)
			return blocks
		}
		blocks = whole
	}
	var puts errgroup.Group
	puts.SetLimit(putsAtOnce)
	var mu sync.Mutex
	for _, b := range blocks {
		puts.Go(func() error {
			kept := b.encode(p.report)
			if !p.lasts(b) {
				kept.Expires = s.now().Add(p.life(b, barren))
			}
			if err := s.store.Put(ctx, p.report, kept); err != nil && !errors.Is(err, store.ErrNewer) {
				s.unstored.note(ctx, p.report, 1, err)
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, b)
			}
			return nil
		})
	}
	_ = puts.Wait() // failures are in failed
	return failed
}

// Purged is how many blocks a purge deleted, and how many it left as Adobe no longer has what they hold.
type Purged struct {
	Deleted int `json:"deleted"`
	Kept    int `json:"kept,omitempty"`
}

// purge deletes the blocks of reports and clears the memory; with history also what Adobe no longer has.
func (s *shelf) purge(ctx context.Context, match func(store.Report) bool, history bool) (out Purged, err error) {
	s.clear() // nothing that is under way may be saved any more
	spare := s.spares(&out.Kept)
	if history {
		spare = nil
	}
	out.Deleted, err = s.store.Purge(ctx, match, spare)
	s.clear() // what was read meanwhile
	return out, err
}

// spares tells which blocks a purge leaves, by their names, and counts them; nil: it leaves none.
func (s *shelf) spares(count *int) func(name string) bool {
	if !s.keep {
		return nil
	}
	return func(name string) bool {
		stays := historic(name, s.now())
		if stays && count != nil {
			*count++
		}
		return stays
	}
}

func (s *shelf) size(ctx context.Context) (store.Size, error) { return s.store.Size(ctx) }
