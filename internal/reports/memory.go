package reports

import (
	"sync"

	"cmu-gateway/internal/store"

	"github.com/maypok86/otter/v2"
)

// memory keeps what the process has seen, bounded by bytes: answers under their canonical request, blocks under report
// and name. Nothing in it is of value: all of it can be had again.
type memory struct {
	answers *otter.Cache[string, *Answer]
	blocks  *otter.Cache[blockKey, *block]
}

type blockKey struct {
	report store.Report
	name   string
}

func newMemory(bytes int64) *memory {
	half := uint64(max(bytes, 0)) / 2
	return &memory{
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

func (m *memory) clear() {
	m.answers.InvalidateAll()
	m.blocks.InvalidateAll()
}

// locks gives one lock a name, for callers that may give up waiting.
type locks struct {
	mu   sync.Mutex
	held map[string]*heldLock
}

type heldLock struct {
	free chan struct{} // holds a value while nobody has the lock
	refs int
}

// enter returns the lock's channel: receiving from it takes the lock. leave must follow, with whether it was taken.
func (l *locks) enter(name string) *heldLock {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, ok := l.held[name]
	if !ok {
		h = &heldLock{free: make(chan struct{}, 1)}
		h.free <- struct{}{}
		if l.held == nil {
			l.held = map[string]*heldLock{}
		}
		l.held[name] = h
	}
	h.refs++
	return h
}

func (l *locks) leave(name string, h *heldLock, taken bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if taken {
		h.free <- struct{}{}
	}
	if h.refs--; h.refs == 0 {
		delete(l.held, name)
	}
}
