package reports

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// The notes that all processes of a deployment share.
const (
	noteCalendar = "calendar"
	noteCooldown = "cooldown"
	notePurged   = "purged"
)

// sharedAge is how long a process trusts what it last read of the notes.
const sharedAge = time.Minute

// shared is this process's copy of the notes.
type shared struct {
	mu      sync.Mutex
	read    time.Time // zero: never
	verdict Verdict
	purged  string
	tried   time.Time // when this process last began a calendar check
}

// verdict returns what is known of the calendar. A process that has never read the notes reads them now, and beside them,
// in the time of one round trip, the blocks of the job that waits for the verdict.
func (s *Service) verdict(ctx context.Context, waits *job) Verdict {
	s.shared.mu.Lock()
	never, v := s.shared.read.IsZero(), s.shared.verdict
	s.shared.mu.Unlock()
	if !never {
		return v
	}
	var reads sync.WaitGroup
	if waits != nil {
		reads.Go(func() { s.load(ctx, waits) })
		waits.loaded = true
	}
	err := s.readShared(ctx)
	reads.Wait()
	if err != nil {
		s.Log.WarnContext(ctx, "the shared notes cannot be read; nothing is cut", "error", err)
	}
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	return s.shared.verdict
}

// readShared takes over what other processes have noted: the verdict, a cool-down, a purge.
func (s *Service) readShared(ctx context.Context) error {
	notes, err := s.Store.Notes(ctx)
	if err != nil {
		return err
	}
	var v Verdict
	if n, ok := notes[noteCalendar]; ok {
		if err := json.Unmarshal(n.Value, &v); err != nil {
			s.Log.WarnContext(ctx, "the calendar verdict is unreadable", "error", err)
		}
	}
	if n, ok := notes[noteCooldown]; ok {
		s.adobe.coolDown(n.Expires)
	}
	purged := string(notes[notePurged].Value)
	s.shared.mu.Lock()
	before, first := s.shared.verdict, s.shared.read.IsZero()
	unwritten := !before.At.IsZero() && v != before && !v.At.After(before.At)
	if unwritten {
		v = before
	}
	changed := !first && (purged != s.shared.purged || before.Proven != v.Proven || before.Inclusive != v.Inclusive)
	s.shared.read, s.shared.verdict, s.shared.purged = s.Now(), v, purged
	s.shared.mu.Unlock()
	if changed {
		s.forget()
	}
	if unwritten {
		return s.setVerdict(ctx, v)
	}
	return nil
}

// age is how long ago the notes were read.
func (s *shared) age(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Sub(s.read)
}

// sharedIsOld reports whether the notes should be read again.
func (s *Service) sharedIsOld() bool { return s.shared.age(s.Now()) > sharedAge }

// checkSharedAfter reads the notes again after the answer at hand, and checks the calendar if that is due.
func (s *Service) checkSharedAfter(r cmu.Request) {
	s.onceAfter(noteCalendar, func(ctx context.Context) {
		if err := s.readShared(ctx); err != nil {
			s.Log.WarnContext(ctx, "the shared notes cannot be read", "error", err)
			return
		}
		if _, ok := splittable(r, s.Policy, s.Now()); ok {
			s.proveAfter(r, s.verdict(ctx, nil))
		}
	})
}

// setVerdict notes a verdict for all processes.
func (s *Service) setVerdict(ctx context.Context, v Verdict) error {
	v.At = v.At.UTC().Round(0) // as it reads back from the note
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.shared.mu.Lock()
	if v.Proven && !s.shared.verdict.Proven {
		s.memory.answers.InvalidateAll() // blocks may have what a whole answer lacked
	}
	s.shared.verdict = v
	if s.shared.read.IsZero() {
		s.shared.read = s.Now()
	}
	s.shared.mu.Unlock()
	return s.Store.PutNote(ctx, noteCalendar, store.Note{Value: text})
}

// noteCoolDown tells all processes to leave Adobe alone until an instant.
func (s *Service) noteCoolDown(ctx context.Context, until time.Time) {
	until = until.Truncate(time.Second).Add(time.Second)
	note := store.Note{Value: []byte(until.UTC().Format(time.RFC3339)), Expires: until}
	if err := s.Store.PutNote(ctx, noteCooldown, note); err != nil {
		s.Log.WarnContext(ctx, "the cool-down could not be noted", "error", err)
	}
}
