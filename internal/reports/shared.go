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
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	purged := string(notes[notePurged].Value)
	if !s.shared.read.IsZero() && (purged != s.shared.purged || s.shared.verdict.Proven && !v.Proven) {
		s.memory.clear()
	}
	s.shared.read, s.shared.verdict, s.shared.purged = s.Now(), v, purged
	return nil
}

// sharedIsOld reports whether the notes should be read again.
func (s *Service) sharedIsOld() bool {
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	return s.Now().Sub(s.shared.read) > sharedAge
}

// checkSharedAfter reads the notes again after the answer at hand, and checks the calendar if that is due.
func (s *Service) checkSharedAfter(r cmu.Request) {
	if _, busy := s.renewing.LoadOrStore(noteCalendar, true); busy {
		return
	}
	if !s.After(func(ctx context.Context) {
		defer s.renewing.Delete(noteCalendar)
		if err := s.readShared(ctx); err != nil {
			s.Log.WarnContext(ctx, "the shared notes cannot be read", "error", err)
			return
		}
		if _, ok := splittable(r, s.Policy, s.Now()); ok {
			s.proveAfter(r, s.verdict(ctx, nil))
		}
	}) {
		s.renewing.Delete(noteCalendar)
	}
}

// setVerdict notes a verdict for all processes.
func (s *Service) setVerdict(ctx context.Context, v Verdict) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.shared.mu.Lock()
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
	if err := s.Store.PutNote(ctx, noteCooldown, store.Note{Value: []byte(until.UTC().Format(time.RFC3339)), Expires: until}); err != nil {
		s.Log.WarnContext(ctx, "the cool-down could not be noted", "error", err)
	}
}
