package reports

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
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
	notePaths    = "paths"
	// noteSimulated says that the Adobe of a licence is a simulated one.
	noteSimulated = "simulated"
)

// notesAge is how long a process trusts what it last read of the notes.
const notesAge = time.Minute

// own is the name of a note about the licence.
func (n *notebook) own(note string) string { return note + scopeMark + n.scope }

// notebook is this process's copy of the notes.
type notebook struct {
	scope string // of the licence that they are about, but for pauses and purges, which are about all
	notes store.Notes
	noted func(context.Context, map[string]store.Note)
	now   func() time.Time
	log   *slog.Logger
	pause func(until time.Time) // told of a pause that another process has met
	shelf *shelf                // cleared when another process has purged, or found another calendar

	mu      sync.Mutex // guards what follows
	read    time.Time  // zero: never
	known   Verdict
	purged  string
	paths   map[string]nature // of paths that are not what they say
	refuted refutedZone
	madeUp  bool // by a simulated Adobe
	// odd holds reports with rows that have no period. It is this process's own.
	odd map[store.Report]bool
}

// blank reports whether the notes have never been read.
func (n *notebook) blank() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.read.IsZero()
}

// verdict returns what was last read, or noted, of the calendar.
func (n *notebook) verdict() Verdict {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known
}

// slicing reports whether answers to a report may be sliced, and whether they hold the period that begins at the window's end.
func (n *notebook) slicing(r store.Report) (ok, inclusive bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known.Proven && !n.odd[r], n.known.Inclusive
}

// nature returns what is known of a request's path.
func (n *notebook) nature(r cmu.Request) nature {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.paths) == 0 {
		return nature{}
	}
	return n.paths[pathName(r)]
}

func pathName(r cmu.Request) string { return cmu.Request{Path: r.Path}.Report() }

// maxPaths bounds the paths that are noted: a note is small.
const maxPaths = 30

// noteNature tells all processes what a path is.
func (n *notebook) noteNature(ctx context.Context, e *natureError) {
	n.mu.Lock()
	paths := maps.Clone(n.paths)
	if paths == nil || len(paths) >= maxPaths {
		paths = map[string]nature{}
	}
	paths[e.path] = e.nature
	n.paths = paths
	n.mu.Unlock()
	text, err := json.Marshal(paths)
	if err == nil {
		err = n.notes.PutNote(ctx, n.own(notePaths), store.Note{Value: text})
	}
	if err != nil {
		n.log.WarnContext(ctx, "what is known of a path could not be noted", "path", e.path, "error", err)
	}
}

// simulated reports whether it is known that rows are made up.
func (n *notebook) simulated() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.madeUp
}

// noteSimulated tells all processes that rows are made up.
func (n *notebook) noteSimulated(ctx context.Context) {
	n.mu.Lock()
	known := n.madeUp
	n.madeUp = true
	n.mu.Unlock()
	if known {
		return
	}
	if err := n.notes.PutNote(ctx, n.own(noteSimulated), store.Note{Value: []byte("?1")}); err != nil {
		n.log.WarnContext(ctx, "it could not be noted that rows are made up", "error", err)
	}
}

const maxOdd = 1000

// noteOdd keeps a report from being sliced, as it has rows without a period.
func (n *notebook) noteOdd(r store.Report) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.odd == nil || len(n.odd) >= maxOdd {
		n.odd = map[store.Report]bool{}
	}
	n.odd[r] = true
}

// age is how long ago the notes were read.
func (n *notebook) age() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.now().Sub(n.read)
}

// sync takes over what other processes have noted: the verdict, a pause, a purge. A verdict of this process that could not be
// noted is noted now.
func (n *notebook) sync(ctx context.Context) error {
	notes, err := n.notes.Notes(ctx)
	if err != nil {
		return err
	}
	n.noted(ctx, notes)
	var v Verdict
	if note, ok := notes[n.own(noteCalendar)]; ok {
		if err := json.Unmarshal(note.Value, &v); err != nil {
			n.log.WarnContext(ctx, "the calendar verdict is unreadable", "error", err)
		}
	}
	if note, ok := notes[noteCooldown]; ok {
		n.pause(pauseEnd(note))
	}
	purged := string(notes[notePurged].Value)
	var paths map[string]nature
	if note, ok := notes[n.own(notePaths)]; ok && json.Unmarshal(note.Value, &paths) != nil {
		n.log.WarnContext(ctx, "what is known of paths is unreadable")
	}
	var refuted refutedZone
	if note, ok := notes[n.own(noteZone)]; ok && json.Unmarshal(note.Value, &refuted) != nil {
		n.log.WarnContext(ctx, "what is known of the zone is unreadable")
	}
	n.mu.Lock()
	before, first := n.known, n.read.IsZero()
	unwritten := !before.At.IsZero() && v != before && !v.At.After(before.At)
	if unwritten {
		v = before
	}
	changed := !first && (purged != n.purged || !before.sameSlices(v))
	n.read, n.known, n.purged, n.paths, n.refuted = n.now(), v, purged, paths, refuted
	_, simulated := notes[n.own(noteSimulated)]
	n.madeUp = n.madeUp || simulated
	if changed {
		n.shelf.clear() // before anyone takes the notes for read
	}
	n.mu.Unlock()
	if unwritten {
		return n.noteVerdict(ctx, v)
	}
	return nil
}

// freshen is sync for those who can go on without. It reports whether the notes could be read.
func (n *notebook) freshen(ctx context.Context) bool {
	err := n.sync(ctx)
	if err != nil {
		n.log.WarnContext(ctx, "the shared notes cannot be read", "error", err)
	}
	return err == nil
}

// noteVerdict notes a verdict for all processes.
func (n *notebook) noteVerdict(ctx context.Context, v Verdict) error {
	v.At = v.At.UTC().Round(0) // as it reads back from the note
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	n.mu.Lock()
	if v.Proven && !n.known.Proven {
		n.shelf.forgetAnswers() // blocks may have what a whole answer lacked
	}
	n.known = v
	if n.read.IsZero() {
		n.read = n.now()
	}
	n.mu.Unlock()
	return n.notes.PutNote(ctx, n.own(noteCalendar), store.Note{Value: text})
}

// notePause tells all processes to leave Adobe alone until an instant.
func (s *Service) notePause(ctx context.Context, until time.Time) {
	note := store.Note{Value: []byte(until.UTC().Format(time.RFC3339Nano)), Expires: until.Truncate(time.Second).Add(time.Second)}
	if err := s.options.Store.PutNote(ctx, noteCooldown, note); err != nil {
		s.log.WarnContext(ctx, "the pause could not be noted", "error", err)
	}
}

// pauseEnd is when a noted pause ends: a note expires by whole seconds.
func pauseEnd(n store.Note) time.Time {
	until, err := time.Parse(time.RFC3339Nano, string(n.Value))
	if err != nil {
		return n.Expires
	}
	return until
}

// notePurge tells all processes to forget what they have in memory.
func (s *Service) notePurge(ctx context.Context) error {
	text := s.now().UTC().Format(time.RFC3339Nano)
	for _, l := range s.licences.all() {
		l.notebook.notePurged(text)
	}
	return s.options.Store.PutNote(ctx, notePurged, store.Note{Value: []byte(text)})
}

// notePurged has a purge of this process count as known.
func (n *notebook) notePurged(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.purged = text
}
