package reports

import (
	"context"
	"sync"
	"time"

	"cmu-gateway/pkg/cmu"
)

// background runs work after answers, each under a name once at a time.
type background struct {
	after func(work func(context.Context)) bool
	now   func() time.Time

	mu sync.Mutex
	// busy holds what is under way, and since when; guarded by mu.
	busy map[string]time.Time
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

// renewAfter refreshes the piece after the answer at hand, unless somebody already does. It returns false where nothing
// can run after the answer.
func (s *Service) renewAfter(p *piece, d Directives) bool {
	now := s.now()
	if s.failures.last(p.lease, now) != nil || now.Before(s.adobe.PausedUntil()) {
		return true
	}
	return s.background.once(p.lease, func(ctx context.Context) {
		_, err := s.fetch(ctx, p, d)
		if err == nil {
			return
		}
		s.log.WarnContext(ctx, "a refresh failed", "report", p.report, "error", err)
		s.contradictedBy(ctx, p.report, err)
	})
}

// upkeep reads the notes again and checks the calendar, after the answer to r at hand, where either is due.
func (s *Service) upkeep(r cmu.Request) {
	if s.notebook.age() > notesAge {
		s.background.once(noteCalendar, func(ctx context.Context) {
			if err := s.notebook.sync(ctx); err != nil {
				s.log.WarnContext(ctx, "the shared notes cannot be read", "error", err)
				return
			}
			s.proveAfter(r)
		})
		return
	}
	s.proveAfter(r)
}
