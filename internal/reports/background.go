package reports

import (
	"context"
	"sync"
	"time"
)

// background runs work after answers, each under a name once at a time.
type background struct {
	after func(work func(context.Context)) bool
	now   func() time.Time

	mu   sync.Mutex
	busy map[string]time.Time // what is under way, and since when; guarded by mu
}

const (
	// afterTime bounds work after an answer. What was not heard of for so long was lost.
	afterTime = 2 * time.Minute
	maxBusy   = 1000
)

// once runs work after the answer at hand unless work of that name is under way; true either way. It returns false
// if nothing can run now.
func (b *background) once(name string, work func(context.Context)) bool {
	if !b.begin(name) {
		return true
	}
	started := b.after(func(ctx context.Context) {
		defer b.end(name)
		work(ctx)
	})
	if !started {
		b.end(name)
	}
	return started
}

func (b *background) begin(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if since, ok := b.busy[name]; ok && now.Sub(since) < afterTime {
		return false
	}
	if b.busy == nil || len(b.busy) >= maxBusy {
		b.busy = map[string]time.Time{} // mostly lost work; at worst some is done twice
	}
	b.busy[name] = now
	return true
}

func (b *background) end(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.busy, name)
}

// goroutine runs work after an answer on a laptop.
func goroutine(work func(context.Context)) bool {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), afterTime)
		defer cancel()
		work(ctx)
	}()
	return true
}

// upkeep reads the notes again and checks the calendar, after the answer at hand, where either is due.
func (s *licence) upkeep() {
	if s.notebook.age() <= notesAge {
		s.proveAfter()
		return
	}
	s.background.once(noteCalendar+scopeMark+s.scope, func(ctx context.Context) {
		if s.notebook.freshen(ctx) {
			s.proveAfter()
		}
	})
}
