package reports

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cmu-gateway/internal/store"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/errgroup"
)

// shelf keeps what is known: answers in memory, blocks in memory and in the store. Nothing of it is of value: all can be had
// again. What was begun before a purge is not kept after it, as whatever is read here bears a stamp, and nothing is saved
// without one.
type shelf struct {
	store   store.Blocks
	answers *otter.Cache[string, *Answer]
	blocks  *otter.Cache[blockKey, *block]
	memory  int64 // bytes, for both
	purges  atomic.Int64
	// catchUp is called before blocks are saved: another process may have purged.
	catchUp func(context.Context)
	after   func(func(context.Context)) bool
	now     func() time.Time
	log     *slog.Logger
}

type blockKey struct {
	report store.Report
	name   string
}

// stamp tells between which purges something began.
type stamp int64

func newShelf(o Options, catchUp func(context.Context)) *shelf {
	half := uint64(max(o.Memory, 0)) / 2
	return &shelf{
		store: o.Store, memory: o.Memory, catchUp: catchUp, after: o.After, now: o.Now, log: o.Log,
		answers: otter.Must(&otter.Options[string, *Answer]{
			MaximumWeight: half,
			Weigher:       func(k string, a *Answer) uint32 { return uint32(min(len(k)+a.size(), 1<<31)) },
		}),
		blocks: otter.Must(&otter.Options[blockKey, *block]{
			MaximumWeight: half,
			Weigher:       func(k blockKey, b *block) uint32 { return uint32(min(len(k.report)+b.size(), 1<<31)) },
		}),
	}
}

func (s *shelf) stamp() stamp { return stamp(s.purges.Load()) }

// clear forgets what is in memory; what is under way will not be kept.
func (s *shelf) clear() {
	s.purges.Add(1)
	s.answers.InvalidateAll()
	s.blocks.InvalidateAll()
}

// answer returns the answer of that canonical request if it is fresh and as new as wanted.
func (s *shelf) answer(name string, d Directives, now time.Time) (*Answer, bool) {
	a, ok := s.answers.GetIfPresent(name)
	if !ok || !now.Before(a.Fresh) {
		return nil, false
	}
	oldest := d.maxAge()
	return a, oldest == 0 || now.Sub(a.Fetched) <= oldest
}

// refusalLife is how long a refusal of the request itself is remembered.
const refusalLife = time.Minute

// keepAnswer keeps an answer that was begun at a stamp, or a refusal for a short while.
func (s *shelf) keepAnswer(begun stamp, name string, a *Answer, err error) {
	if e, ok := refusal(err); ok && (e.Status == http.StatusBadRequest || e.Status == http.StatusNotFound) {
		now := s.now()
		a, err = &Answer{refused: err, Fetched: now, Fresh: now.Add(refusalLife)}, nil
	}
	if err == nil && begun == s.stamp() && a.Raw == nil && a.size() < int(s.memory/4) {
		s.answers.Set(name, a)
	}
}

// forgetAnswers keeps the blocks: they may have what an answer lacks.
func (s *shelf) forgetAnswers() { s.answers.InvalidateAll() }

// holding is what was read of a report: blocks in the order of their names, and when.
type holding struct {
	blocks []*block
	stamp  stamp
}

// own returns those blocks that are the piece's, not its neighbours'.
func (h *holding) own(p *piece) (own []*block) {
	for _, b := range h.blocks {
		if p.first <= b.name && b.name <= p.last {
			own = append(own, b)
		}
	}
	return own
}

// inMemory returns the piece's blocks that are in memory.
func (s *shelf) inMemory(p *piece) (blocks []*block) {
	for _, span := range p.grid.Blocks(p.want) {
		if b, ok := s.blocks.GetIfPresent(blockKey{p.report, p.blockName(span.From)}); ok {
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// load returns the piece's blocks from the store, and puts them into memory. A store that fails is one that holds nothing.
func (s *shelf) load(ctx context.Context, p *piece) *holding {
	return s.loadRange(ctx, p, p.first, p.last)
}

// loadAround returns the piece's blocks and their neighbours.
func (s *shelf) loadAround(ctx context.Context, p *piece) *holding {
	if !p.grid.Divided() {
		return s.load(ctx, p)
	}
	around := p.grid.Around(p.want)
	return s.loadRange(ctx, p, blockName(around.From), blockName(around.To-1))
}

func (s *shelf) loadRange(ctx context.Context, p *piece, first, last string) *holding {
	h := &holding{stamp: s.stamp()}
	kept, err := s.store.Blocks(ctx, p.report, first, last)
	if err != nil {
		s.log.WarnContext(ctx, "the store cannot be read", "report", p.report, "error", err)
		h.blocks = s.inMemory(p)
		return h
	}
	// What could not be stored is in memory only.
	h.blocks = slices.DeleteFunc(s.inMemory(p), func(b *block) bool {
		return slices.ContainsFunc(kept, func(k store.Block) bool { return k.Name == b.name })
	})
	for _, k := range kept {
		b, err := decodeBlock(k)
		if err != nil {
			s.log.WarnContext(ctx, "a block is unreadable and counts as missing", "report", p.report, "error", err)
			continue
		}
		key := blockKey{p.report, b.name}
		if m, ok := s.blocks.GetIfPresent(key); ok && m.fetched.After(b.fetched) {
			b = m
		} else {
			s.blocks.Set(key, b)
		}
		h.blocks = append(h.blocks, b)
	}
	slices.SortFunc(h.blocks, func(a, b *block) int { return strings.Compare(a.name, b.name) })
	return h
}

const (
	// saveTime bounds a write to the store.
	saveTime   = 10 * time.Second
	putsAtOnce = 8
)

// save keeps blocks that were made of what was read at a stamp, in memory and in the store. A store that fails is tried once more
// after the answer; then it costs another fetch later.
func (s *shelf) save(ctx context.Context, begun stamp, p *piece, blocks []*block) {
	s.catchUp(ctx)
	if begun != s.stamp() {
		return
	}
	for _, b := range blocks {
		s.blocks.Set(blockKey{p.report, b.name}, b)
	}
	limit := saveTime
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, max(deadline.Sub(s.now()), time.Second))
	}
	if failed := s.put(ctx, p, blocks, limit); len(failed) > 0 {
		s.after(func(ctx context.Context) {
			if begun == s.stamp() {
				s.put(ctx, p, failed, saveTime)
			}
		})
	}
}

// put stores blocks and returns those that could not be stored.
func (s *shelf) put(ctx context.Context, p *piece, blocks []*block, limit time.Duration) (failed []*block) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	var puts errgroup.Group
	puts.SetLimit(putsAtOnce)
	var mu sync.Mutex
	for _, b := range blocks {
		puts.Go(func() error {
			kept := b.encode()
			kept.Expires = s.now().Add(p.life())
			if err := s.store.Put(ctx, p.report, kept); err != nil && !errors.Is(err, store.ErrNewer) {
				s.log.WarnContext(ctx, "a block could not be stored", "report", p.report, "block", b.name, "error", err)
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

// purge deletes the blocks of reports and clears the memory. It returns how many were deleted.
func (s *shelf) purge(ctx context.Context, match func(store.Report) bool) (int, error) {
	s.clear() // nothing that is under way may be saved any more
	n, err := s.store.Purge(ctx, match)
	s.clear() // what was read meanwhile
	return n, err
}

// purgeAll deletes all blocks.
func (s *shelf) purgeAll(ctx context.Context) error {
	_, err := s.purge(ctx, func(store.Report) bool { return true })
	return err
}

func (s *shelf) size(ctx context.Context) (store.Size, error) { return s.store.Size(ctx) }
