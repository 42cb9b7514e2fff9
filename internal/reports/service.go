// Package reports answers report requests from rows that are already known, and fetches what is missing. Rows are kept by
// calendar period, so that tomorrow's window finds today's rows.
//
// A request becomes a query (query.go), which is answered in pieces: Get below is the way from one to the other. A piece is
// known from the shelf (shelf.go), or fetched (fetch.go); pieces make an answer (answer.go). Whether an answer may be sliced by
// calendar at all is proven first (proof.go).
package reports

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/fair"
	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

// Options say what a Service is made of. All fields are required unless they say otherwise.
type Options struct {
	Client *cmu.Client
	// Adobe names the Adobe that Client asks: rows of another are never served in its name. Empty is a name like any other.
	Adobe string
	Store store.Store
	// Token returns the access token; Refused is called with one that Adobe refused and returns another, or an error. When
	// there is none, the error is an *upstream.PauseError.
	Token   func(context.Context) (upstream.Token, error)
	Refused func(context.Context, cmu.Secret) (upstream.Token, error)
	// Newer returns what has replaced a token that Adobe takes and gives nothing for (403), if anything has. Nil: nothing ever does.
	Newer func(context.Context, cmu.Secret) (upstream.Token, bool)
	// Licence names the licence in use, which every answer belongs to, at once; false: nothing but a token tells. It is asked with every
	// request. Nil: tokens have no licence.
	Licence func(context.Context) (name string, known bool)
	// Noted is told the notes of the store whenever they are read. Nil: nobody is told.
	Noted func(context.Context, map[string]store.Note)
	// Accepted is told of the token of each call that Adobe answered with a report. Nil: nobody is told.
	Accepted func(context.Context, cmu.Secret)
	Policy   plan.Policy
	// RowLimit is the limit that calls to Adobe name; Parallel is how many may run at once, Total how many of all processes that share
	// the store. Zero Total: that is not bound.
	RowLimit, Parallel, Total int
	// Memory bounds what is kept in memory, in bytes.
	Memory int64
	// After runs work once the answer at hand is sent, within a bounded time, or returns false if it cannot. Nil runs a
	// goroutine.
	After func(work func(context.Context)) bool
	// Now is the clock; nil is clock.Wall. Sleep waits or returns the context's error; nil waits for real.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
	Log   *slog.Logger // nil: slog.Default
}

// Service is the report cache. It may be used by many goroutines at once.
type Service struct {
	options    Options // filled
	policy     plan.Policy
	parallel   int
	now        func() time.Time
	log        *slog.Logger
	adobe      *upstream.Adobe
	shelf      *shelf
	turns      *turns
	background *background
	licences   licences
	count      counters
}

// counters count answers since the process began.
type counters [Stale + 1]atomic.Int64

func (c *counters) answered(from Source, d Directives) {
	if !d.Background {
		c[from].Add(1)
	}
}

// New returns a Service. It does no I/O.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = clock.Wall
	}
	if o.Sleep == nil {
		o.Sleep = clock.Sleep
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.After == nil {
		o.After = goroutine
	}
	o.Store = &patient{o.Store, o.Now, o.Sleep}
	if o.Licence == nil {
		o.Licence = func(context.Context) (string, bool) { return "", true }
	}
	if o.Noted == nil {
		o.Noted = func(context.Context, map[string]store.Note) {}
	}
	s := &Service{
		options: o, policy: o.Policy, parallel: o.Parallel, now: o.Now, log: o.Log,
		background: &background{after: o.After, now: o.Now},
		turns:      &turns{leases: o.Store, holder: rand.Text(), now: o.Now, sleep: o.Sleep, log: o.Log},
	}
	s.shelf = newShelf(o)
	var slot func(context.Context, *fair.Caller) (func(), error)
	if o.Total > 0 {
		slot = slots{s.turns, o.Total}.take
	}
	s.adobe = upstream.New(upstream.Options{
		Client: o.Client, Slot: slot, Token: o.Token, Refused: o.Refused, Newer: o.Newer, Accepted: o.Accepted, RowLimit: o.RowLimit, Parallel: o.Parallel,
		Paused: s.notePause, Now: o.Now, Log: o.Log,
	})
	return s
}

// Parse reads a request as cmu.Parse does, and bounds relative to now besides: see plan.Policy.ParseRequest.
func (s *Service) Parse(path, query string) (cmu.Request, error) {
	p, known := s.policy, func(cmu.Request) nature { return nature{} }
	if l := s.licences.present.Load(); l != nil {
		p, known = l.believed(), l.notebook.nature
	}
	return p.ParseRequest(path, query, s.now(), func(r cmu.Request) []string { return known(r).of(r) })
}

// Get answers r. It waits for Adobe only if nothing usable is kept.
//
// Errors: *cmu.Error for a refusal of Adobe's; *UnavailableError when the caller should come back; ErrNotCached; ErrStore when that is not
// known, or why nothing was found while Adobe cannot be had; the
// context's own.
func (s *Service) Get(ctx context.Context, r cmu.Request, d Directives) (*Answer, Source, error) {
	r.Format = ""
	for range maxReadings {
		l, err := s.licence(ctx)
		if err != nil {
			return nil, FromAdobe, err
		}
		a, source, err := l.get(ctx, r, d)
		if !isOtherLicence(err) {
			return a, source, err
		}
	}
	return nil, FromAdobe, errLicences
}

// get answers r under a licence.
//
// Errors: those of Get; upstream.ErrOtherLicence when that is not the one in use any more.
func (s *licence) get(ctx context.Context, r cmu.Request, d Directives) (*Answer, Source, error) {
	name := answerKey{s.scope, r.Canonical()}
	if a, ok := s.shelf.answer(name, d, s.now()); ok {
		if a.refused != nil {
			return nil, FromMemory, a.refused
		}
		s.count.answered(FromMemory, d)
		s.upkeep()
		return a, FromMemory, nil
	}
	ctx, cancel := s.leaveTime(withPatience(ctx))
	defer cancel()
	begun := s.shelf.stamp()
	q := s.query(r)
	sliceable := q.sliceable()
	a, source, err := s.answer(ctx, q, d)
	if sliceable && err == nil {
		s.occasion.offer(r)
	}
	// Slices may have all rows, and those that Adobe no longer has.
	lacks := err == nil && sliceable && (a.Incomplete || s.policy.Keep && len(a.BeforeHorizon) > 0)
	if lacks && !d.OnlyIfCached && s.proveNow(ctx, r) {
		a, source, err = s.answer(ctx, s.query(r), d)
	}
	// What slices may complete is not kept as an answer.
	if err != nil || !a.Incomplete || !sliceable {
		s.shelf.keepAnswer(begun, name, a, err)
	}
	s.upkeep()
	return a, source, err
}

// leaveTime ends waiting and fetching somewhat before the caller's deadline, so that it gets a word instead of silence.
func (s *Service) leaveTime(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	left := deadline.Sub(s.now())
	return context.WithTimeout(ctx, left-min(left/4, 2*time.Second))
}

// answer answers q in slices where the calendar is proven, else as a whole.
func (s *licence) answer(ctx context.Context, q *query, d Directives) (*Answer, Source, error) {
	var read *holding
	if s.notebook.blank() {
		read = s.readFirst(ctx, q)
		if n := s.notebook.nature(q.request); !n.equal(q.nature) {
			q, read = s.query(q.request), nil
		}
	}
	for range maxReadings {
		sliced, inclusive := s.notebook.slicing(q.report)
		a, source, err := s.assemble(ctx, q, q.pieces(sliced, inclusive, read), d)
		switch {
		case isNature(err):
			q, read = s.query(q.request), nil // as what it has turned out to be
		case isOutside(err):
			q.window = plan.Window{} // what slices do not yield, the whole may
		default:
			return a, source, err
		}
	}
	return nil, FromAdobe, errUnsteady
}

// maxReadings bounds how often an answer is read anew: as another report, as a whole, and once more.
const maxReadings = 4

// query works out a request as what its path is known to be.
func (s *licence) query(r cmu.Request) *query {
	return newQuery(s.scope, r, s.notebook.nature(r), s.believed(), s.now())
}

// readFirst reads the notes for the first time and beside them, in the time of one round trip, the blocks that q most likely needs.
func (s *licence) readFirst(ctx context.Context, q *query) (read *holding) {
	var reads sync.WaitGroup
	p := q.periods(false)
	if p == nil {
		p = q.pieces(false, false, nil)[0]
	}
	reads.Go(func() { read = s.shelf.load(ctx, p) })
	s.notebook.freshen(ctx)
	reads.Wait()
	return read
}

// assemble makes the answer to q from pieces in the order of time.
func (s *licence) assemble(ctx context.Context, q *query, pieces []*piece, d Directives) (*Answer, Source, error) {
	views, sources, errs := make([]view, len(pieces)), make([]Source, len(pieces)), make([]error, len(pieces))
	var all sync.WaitGroup
	for i, p := range pieces {
		all.Go(func() { views[i], sources[i], errs[i] = s.know(ctx, p, d) })
	}
	all.Wait()
	source := slices.Max(sources)
	for _, first := range []func(error) bool{isOtherLicence, isMisread} {
		if i := slices.IndexFunc(errs, first); i >= 0 {
			return nil, source, errs[i]
		}
	}
	for _, err := range errs {
		if err != nil {
			return nil, source, err
		}
	}
	s.count.answered(source, d)
	a, err := newAnswer(ctx, q, views, s.shelf.flight)
	if err == nil {
		a.Licence = s.name
	}
	return a, source, err
}

// know returns a view good enough to answer from: of what is in memory, else in the store, else at Adobe.
func (s *licence) know(ctx context.Context, p *piece, d Directives) (view, Source, error) {
	v, source := s.find(ctx, p, d)
	if v.plan.Complete() {
		return v, source, nil
	}
	if len(v.plan.Missing) == 0 {
		// Where nothing can run after the answer a caller waits once the copy is stale for long.
		if d.OnlyIfCached || s.renewAfter(p, d) || s.now().Before(v.plan.Grace) {
			return v, Stale, nil
		}
	} else if d.OnlyIfCached {
		return v, source, cmp.Or(v.held.unread, ErrNotCached)
	}
	fetched, err := s.fetch(ctx, p, d)
	if err == nil {
		return fetched, FromAdobe, nil
	}
	if _, refused := refusal(err); refused || isMisread(err) || isOtherLicence(err) {
		return v, source, err
	}
	if d.Fresh {
		return v, source, s.explain(v.held, err)
	}
	// What is known may be good enough while Adobe cannot be had.
	if fetched.held != nil && len(fetched.held.own()) > 0 {
		v = fetched
	}
	old := v.held.view(plan.Demand{Stale: s.policy.StaleIfError}, s.now())
	if len(old.plan.Missing) == 0 {
		s.log.WarnContext(ctx, "answered stale: Adobe cannot be had", "report", p.report, "error", err)
		return old, Stale, nil
	}
	return v, source, s.explain(v.held, err)
}

// find returns what is known without Adobe.
func (s *licence) find(ctx context.Context, p *piece, d Directives) (view, Source) {
	if p.read != nil {
		return p.read.view(d.demand(s.policy), s.now()), FromStore
	}
	if v := s.shelf.inMemory(p).view(d.demand(s.policy), s.now()); v.plan.Complete() {
		return v, FromMemory
	}
	return s.shelf.load(ctx, p).view(d.demand(s.policy), s.now()), FromStore
}

// renewAfter refreshes the piece after the answer at hand, unless somebody already does. It returns false where nothing
// can run after the answer.
func (s *licence) renewAfter(p *piece, d Directives) bool {
	if s.turns.failing(p.lease) || s.now().Before(s.adobe.PausedUntil()) {
		return true
	}
	return s.background.once(p.lease, func(ctx context.Context) {
		if _, err := s.fetch(ctx, p, d); err != nil {
			s.log.WarnContext(ctx, "a refresh failed", "report", p.report, "error", err)
		}
	})
}

// Purge forgets what is kept: all reports if r is the root; all reports of r's path if r has neither filters nor metrics;
// else that report; of every licence. Every process follows within a minute. Where what Adobe no longer has is kept, blocks that reach past
// its horizon stay unless history says that they are to be deleted too, for good.
func (s *Service) Purge(ctx context.Context, r cmu.Request, history bool) (Purged, error) {
	// Noted before, so that no other process saves what it read before; and after, so that all forget what they read meanwhile.
	noted := s.notePurge(ctx)
	out, err := s.shelf.purge(ctx, matching(r), history)
	if err != nil {
		return out, err
	}
	return out, errors.Join(noted, s.notePurge(ctx))
}

// Simulated reports whether it is known that Adobe is a simulated one, as its answers said. Each Answer tells of itself besides.
func (s *Service) Simulated() bool {
	l := s.licences.present.Load()
	return l != nil && l.notebook.simulated()
}

// PausedUntil is until when Adobe is not asked, as far as this process knows; past: it is.
func (s *Service) PausedUntil() time.Time { return s.adobe.PausedUntil() }

// Status is what the service knows of itself. Counts are since the process began.
type Status struct {
	Calendar                         Verdict
	Cooldown                         time.Time // zero: none
	Stored                           store.Size
	MemoryHits, StoreHits, StaleHits int64
	Misses, Calls, Failures          int64
	// SettledUntil is up to where rows are final, by the grain of reports.
	SettledUntil map[string]cmu.Bound
	// Zone says, in a sentence, why the zone that is set is not believed; empty: it is, or there is none.
	Zone string
}

// Status reads what all processes share and adds this process's counts. What it says of the calendar is of the licence in use.
func (s *Service) Status(ctx context.Context) (Status, error) {
	ctx = withPatience(ctx)
	out := Status{
		SettledUntil: map[string]cmu.Bound{},
		MemoryHits:   s.count[FromMemory].Load(), StoreHits: s.count[FromStore].Load(), StaleHits: s.count[Stale].Load(),
		Misses: s.count[FromAdobe].Load(),
	}
	out.Calls, out.Failures = s.adobe.Calls()
	p := s.policy
	var unread error
	if l := s.known(ctx); l != nil {
		unread = l.notebook.sync(ctx)
		out.Calendar, p = l.notebook.verdict(), l.believed()
		if s.policy.Zone != nil && p.Zone == nil {
			out.Zone = fmt.Sprintf("CMU_REPORT_ZONE=%s is not Adobe's zone, and is left out of account: %s.", s.policy.Zone, l.notebook.zone().Evidence)
		}
	}
	for g := cmu.Year; g <= cmu.Minute; g++ {
		out.SettledUntil[g.String()] = cmu.BoundAt(plan.Pace{Policy: p, Grain: g}.Settled(s.now()))
	}
	if until := s.adobe.PausedUntil(); until.After(s.now()) {
		out.Cooldown = until
	}
	size, err := s.shelf.size(ctx)
	out.Stored = size
	return out, errors.Join(unread, err)
}
