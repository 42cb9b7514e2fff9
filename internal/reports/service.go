// Package reports answers report requests from rows that are already known, and fetches what is missing. Rows are kept by
// calendar period, so that tomorrow's window finds today's rows; see plan.go for what an answer needs, fetch.go for how
// it is had from Adobe, block.go for how it is kept, and service.go for the flow.
package reports

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"

	"golang.org/x/sync/errgroup"
)

// Service is the report cache. Set the fields, then call Start once before anything else. Optional fields say so.
type Service struct {
	Client *cmu.Client
	Store  store.Store
	// Token returns the access token; Refused is called with one that Adobe refused and returns another, or an error.
	Token   func(context.Context) (cmu.Secret, error)
	Refused func(context.Context, cmu.Secret) (cmu.Secret, error)
	Policy  Policy
	// RowLimit is the limit that calls to Adobe name; Parallel is how many may run at once.
	RowLimit, Parallel int
	// Memory bounds what is kept in memory, in bytes.
	Memory int64
	// After runs work once the answer at hand is sent, within a bounded time, or returns false if it cannot. Nil runs a
	// goroutine.
	After func(work func(context.Context)) bool
	// Now is the clock; nil is time.Now. Sleep waits or returns the context's error; nil waits for real.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
	Log   *slog.Logger // nil: slog.Default

	adobe  *adobe
	memory *memory
	locks  locks
	// generation counts purges: what was begun in another is not kept.
	generation atomic.Int64
	// renewing holds what is under way after an answer, by name, and since when.
	renewing sync.Map
	failures failures
	// uncut holds reports with rows that have no period.
	uncut  sync.Map
	shared shared
	holder string
	count  counters
}

// counters count since the process began.
type counters struct {
	memoryHits, storeHits, staleHits, misses atomic.Int64
}

// Start makes the service ready. It does no I/O.
func (s *Service) Start() {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Sleep == nil {
		s.Sleep = sleep
	}
	if s.Log == nil {
		s.Log = slog.Default()
	}
	if s.After == nil {
		s.After = goroutine
	}
	s.holder = rand.Text()
	s.memory = newMemory(s.Memory)
	s.adobe = &adobe{
		client: s.Client, token: s.Token, refused: s.Refused, onPause: s.noteCoolDown, now: s.Now, log: s.Log,
		slots: make(chan struct{}, s.Parallel), limit: s.RowLimit,
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// afterTime bounds work after an answer on a laptop.
const afterTime = 2 * time.Minute

func goroutine(work func(context.Context)) bool {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), afterTime)
		defer cancel()
		work(ctx)
	}()
	return true
}

// Directives are what a caller asks of the cache (RFC 9111 section 5.2.1). The zero value asks nothing.
type Directives struct {
	// NoCache asks for rows that are as new as the floor allows; MaxAge, unless zero, for rows no older than it.
	NoCache bool
	MaxAge  time.Duration
	// OnlyIfCached asks for no call to Adobe.
	OnlyIfCached bool
}

// floor protects Adobe from callers who want everything new.
const floor = 10 * time.Second

func (d Directives) demand() demand {
	switch {
	case d.NoCache:
		return demand{maxAge: floor}
	case d.MaxAge > 0:
		return demand{maxAge: max(d.MaxAge, floor)}
	}
	return demand{}
}

// Source says where an answer came from.
type Source uint8

// The sources. Stale answers come from what is kept, and are renewed after.
const (
	FromMemory Source = iota
	FromStore
	FromAdobe
	Stale
)

// String returns the source in a word.
func (s Source) String() string {
	return [...]string{FromMemory: "memory", FromStore: "store", FromAdobe: "adobe", Stale: "stale"}[s]
}

// ErrNotCached is returned to a caller who wanted no call to Adobe made.
var ErrNotCached = errors.New("not in the cache")

// Unavailable says that no answer can be had for now and when to ask again.
type Unavailable struct {
	RetryAfter time.Duration
	Reason     string
	// Done of Total blocks are there already: the next call goes on. Zero Total: not told.
	Done, Total int
	Cause       error
}

func (e *Unavailable) Error() string {
	text := e.Reason
	if e.Total > 0 {
		text += fmt.Sprintf("; %d of %d blocks are there", e.Done, e.Total)
	}
	return text
}

func (e *Unavailable) Unwrap() error { return e.Cause }

// Get answers r. It waits for Adobe only if nothing usable is kept.
//
// Errors: *cmu.Error for a refusal of Adobe's; *Unavailable when the caller should come back; ErrNotCached; the
// context's own.
func (s *Service) Get(ctx context.Context, r cmu.Request, d Directives) (*Answer, Source, error) {
	r.Format = ""
	name := r.Canonical()
	if a, ok := s.memory.answers.GetIfPresent(name); ok {
		now := s.Now()
		want := d.demand()
		if now.Before(a.Fresh) && (want.maxAge == 0 || now.Sub(a.Fetched) <= want.maxAge) {
			if a.err != nil {
				return nil, FromMemory, a.err
			}
			s.count.memoryHits.Add(1)
			if s.sharedIsOld() {
				s.checkSharedAfter(r)
			}
			return a, FromMemory, nil
		}
	}
	ctx, cancel := s.leaveTime(ctx)
	defer cancel()
	generation := s.generation.Load()
	a, source, err := s.make(ctx, r, d, false)
	_, cuttable := splittable(r, s.Policy, s.Now())
	// What blocks may complete is not kept as an answer.
	if s.generation.Load() == generation && (err != nil || !a.Incomplete || !cuttable) {
		s.remember(name, a, err)
	}
	if s.sharedIsOld() {
		s.checkSharedAfter(r)
	} else if cuttable {
		s.proveAfter(r, s.verdict(ctx, nil))
	}
	return a, source, err
}

// leaveTime ends waiting and fetching somewhat before the caller's deadline, so that it gets a word instead of silence.
func (s *Service) leaveTime(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	left := deadline.Sub(s.Now())
	return context.WithTimeout(ctx, left-min(left/4, 2*time.Second))
}

// refusalLife is how long a refusal of the request itself is remembered.
const refusalLife = time.Minute

// remember keeps an answer, or a refusal for a short while.
func (s *Service) remember(name string, a *Answer, err error) {
	if e, ok := refusal(err); ok && (e.Status == http.StatusBadRequest || e.Status == http.StatusNotFound) {
		now := s.Now()
		a, err = &Answer{err: err, Fetched: now, Fresh: now.Add(refusalLife)}, nil
	}
	if err == nil && a.Raw == nil && a.size() < int(s.Memory/4) {
		s.memory.answers.Set(name, a)
	}
}

// refusal returns Adobe's refusal of a report itself: asking again at once changes nothing.
func refusal(err error) (*cmu.Error, bool) {
	var u *Unavailable
	var e *cmu.Error
	if errors.As(err, &u) || !errors.As(err, &e) || e.Op != "report" || e.Status/100 != 4 {
		return nil, false
	}
	return e, e.Status != http.StatusUnauthorized && e.Status != http.StatusTooManyRequests
}

// make answers r from blocks if they may be cut, else, or if whole is set, from one exact block.
func (s *Service) make(ctx context.Context, r cmu.Request, d Directives, whole bool) (*Answer, Source, error) {
	jobs := []*job{s.Policy.exactJob(r)}
	if !whole {
		jobs = s.jobs(ctx, r)
	}
	views, sources, errs := make([]view, len(jobs)), make([]Source, len(jobs)), make([]error, len(jobs))
	var others sync.WaitGroup
	for i, j := range jobs[1:] {
		others.Go(func() { views[i+1], sources[i+1], errs[i+1] = s.know(ctx, j, d) })
	}
	views[0], sources[0], errs[0] = s.know(ctx, jobs[0], d)
	others.Wait()
	source := slices.Max(sources)
	var outside *errOutside
	if err := errors.Join(errs...); errors.As(err, &outside) {
		s.contradicted(ctx, r, outside)
		return s.make(ctx, r, d, true)
	}
	for i, v := range views {
		if errs[i] != nil {
			return nil, source, errs[i]
		}
		if v.raw != nil && !(v.job.exact && v.job.only.empty()) {
			return s.make(ctx, r, d, true) // it is the answer to another window than the caller's
		}
		if v.raw != nil {
			return &Answer{Request: r, Raw: v.raw, Fetched: s.Now()}, FromAdobe, nil
		}
	}
	switch source {
	case FromMemory:
		s.count.memoryHits.Add(1)
	case FromStore:
		s.count.storeHits.Add(1)
	case Stale:
		s.count.staleHits.Add(1)
	case FromAdobe:
		s.count.misses.Add(1)
	}
	a, err := assemble(r, views)
	return a, source, err
}

// jobs takes a request apart into what can be known separately, in the order of time.
func (s *Service) jobs(ctx context.Context, r cmu.Request) []*job {
	all, ok := splittable(r, s.Policy, s.Now())
	if !ok {
		return []*job{s.Policy.exactJob(r)}
	}
	if _, odd := s.uncut.Load(r.Report()); odd {
		return []*job{s.Policy.exactJob(r)}
	}
	grain, _ := r.Grain()
	w := takeApart(grain, all.From, all.To)
	var whole *job
	if !w.whole.empty() {
		whole = s.Policy.periodsJob(r, w.whole)
	}
	verdict := s.verdict(ctx, whole)
	if !verdict.Proven {
		return []*job{s.Policy.exactJob(r)}
	}
	if verdict.Inclusive && grain.Floor(all.To) == all.To {
		loaded := whole != nil && whole.loaded
		whole = s.Policy.periodsJob(r, span{w.whole.From, grain.Step(all.To, 1)})
		whole.loaded = loaded
	}
	var jobs []*job
	for _, e := range w.edges {
		if whole != nil && e.From >= whole.want.To {
			jobs, whole = append(jobs, whole), nil
		}
		jobs = append(jobs, s.Policy.edgeJob(r, e))
	}
	if whole != nil {
		jobs = append(jobs, whole)
	}
	return jobs
}

// know returns a view good enough to answer from: from memory, else from the store, else from Adobe.
func (s *Service) know(ctx context.Context, j *job, d Directives) (view, Source, error) {
	v := s.look(j, s.remembered(j), d)
	source := FromMemory
	if j.loaded {
		source = FromStore
	} else if !v.plan.complete() {
		source = FromStore
		v = s.look(j, s.load(ctx, j), d)
	}
	if v.plan.complete() {
		return v, source, nil
	}
	if len(v.plan.missing) == 0 {
		// Where nothing can run after the answer a caller waits once the copy is stale for long.
		if d.OnlyIfCached || s.renewAfter(j, d) || s.Now().Before(v.plan.fresh.Add(j.pace.tail())) {
			return v, Stale, nil
		}
	} else if d.OnlyIfCached {
		return v, source, ErrNotCached
	}
	fresh, err := s.fetch(ctx, j, d)
	if err == nil {
		return fresh, FromAdobe, nil
	}
	var outside *errOutside
	if _, refused := refusal(err); refused || errors.As(err, &outside) {
		return v, source, err
	}
	// What is known may be good enough while Adobe cannot be had.
	if len(fresh.blocks) == 0 {
		fresh = v
	}
	old := s.lookWith(j, fresh.blocks, demand{}, s.Policy.StaleIfError)
	if len(old.plan.missing) == 0 {
		s.Log.WarnContext(ctx, "answered stale: Adobe cannot be had", "report", j.report, "error", err)
		return old, Stale, nil
	}
	return v, source, s.explain(j, old, err)
}

// explain turns a failure into what a caller can act on, with the progress made.
func (s *Service) explain(j *job, v view, err error) error {
	u := &Unavailable{RetryAfter: 2 * time.Second, Reason: "Adobe could not be asked in time", Cause: err}
	var given *Unavailable
	switch {
	case errors.As(err, &given):
		*u = *given
	case !errors.Is(err, errNoTime) && !errors.Is(err, context.DeadlineExceeded):
		return err
	}
	if !j.exact && len(v.blocks) > 0 {
		for _, start := range blockStarts(j.pace.grain, j.want) {
			part := span{start, blockUnit(j.pace.grain).Step(start, 1)}.overlap(j.want)
			if u.Total++; len(makePlan(v.job.pace, part, rangesOf(v.blocks), demand{}, s.Now()).missing) == 0 {
				u.Done++
			}
		}
	}
	return u
}

func (p plan) complete() bool { return len(p.missing) == 0 && len(p.refresh) == 0 }

// look plans over blocks at the present.
func (s *Service) look(j *job, blocks []*block, d Directives) view {
	return s.lookWith(j, blocks, d.demand(), s.Policy.Stale)
}

func (s *Service) lookWith(j *job, blocks []*block, d demand, stale time.Duration) view {
	p := j.pace
	p.Stale = stale
	return view{job: j, blocks: blocks, plan: makePlan(p, j.want, rangesOf(blocks), d, s.Now())}
}

// names returns the names of the job's blocks.
func (j *job) names() []string {
	if j.exact {
		return []string{j.first}
	}
	starts := blockStarts(j.pace.grain, j.want)
	names := make([]string, len(starts))
	for i, at := range starts {
		names[i] = blockName(at)
	}
	return names
}

// remembered returns the job's blocks that are in memory.
func (s *Service) remembered(j *job) (blocks []*block) {
	for _, name := range j.names() {
		if b, ok := s.memory.blocks.GetIfPresent(blockKey{j.report, name}); ok {
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// load returns the job's blocks from the store, and puts them into memory. A store that fails is one that holds nothing.
func (s *Service) load(ctx context.Context, j *job) (blocks []*block) {
	return s.loadRange(ctx, j, j.first, j.last)
}

func (s *Service) loadRange(ctx context.Context, j *job, first, last string) (blocks []*block) {
	kept, err := s.Store.Blocks(ctx, j.report, first, last)
	if err != nil {
		s.Log.WarnContext(ctx, "the store cannot be read", "report", j.report, "error", err)
		return s.remembered(j)
	}
	// What could not be stored is in memory only.
	blocks = slices.DeleteFunc(s.remembered(j), func(b *block) bool {
		return slices.ContainsFunc(kept, func(k store.Block) bool { return k.Name == b.name })
	})
	for _, k := range kept {
		b, err := decodeBlock(k)
		if err != nil {
			s.Log.WarnContext(ctx, "a block is unreadable and counts as missing", "report", j.report, "error", err)
			continue
		}
		key := blockKey{j.report, b.name}
		if m, ok := s.memory.blocks.GetIfPresent(key); ok && m.fetched.After(b.fetched) {
			b = m
		} else {
			s.memory.blocks.Set(key, b)
		}
		blocks = append(blocks, b)
	}
	slices.SortFunc(blocks, func(a, b *block) int { return strings.Compare(a.name, b.name) })
	return blocks
}

// save keeps blocks in memory and in the store, unless there was a purge since they were begun. A store that fails is
// tried once more after the answer; then it costs another fetch later.
func (s *Service) save(ctx context.Context, j *job, blocks []*block, generation int64) {
	if s.shared.age(s.Now()) > time.Second {
		if err := s.readShared(ctx); err != nil {
			s.Log.WarnContext(ctx, "the shared notes cannot be read", "error", err)
		}
	}
	if s.generation.Load() != generation {
		return
	}
	for _, b := range blocks {
		s.memory.blocks.Set(blockKey{j.report, b.name}, b)
	}
	limit := saveTime
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, max(deadline.Sub(s.Now()), time.Second))
	}
	failed := s.put(ctx, j, blocks, limit)
	if len(failed) > 0 {
		s.After(func(ctx context.Context) {
			if s.generation.Load() == generation {
				s.put(ctx, j, failed, saveTime)
			}
		})
	}
}

// put stores blocks and returns those that could not be stored.
func (s *Service) put(ctx context.Context, j *job, blocks []*block, limit time.Duration) (failed []*block) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	life := keepBlocks
	if j.exact {
		life = s.Policy.Settled + s.Policy.StaleIfError
	}
	var puts errgroup.Group
	puts.SetLimit(putsAtOnce)
	var mu sync.Mutex
	for _, b := range blocks {
		puts.Go(func() error {
			kept := b.encode()
			kept.Expires = s.Now().Add(life)
			if err := s.Store.Put(ctx, j.report, kept); err != nil && !errors.Is(err, store.ErrNewer) {
				s.Log.WarnContext(ctx, "a block could not be stored", "report", j.report, "block", b.name, "error", err)
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, b)
			}
			return nil
		})
	}
	puts.Wait()
	return failed
}

const (
	saveTime   = 10 * time.Second
	putsAtOnce = 8
	// keepBlocks is past Adobe's own 25 months of data, and how long past that a block that nobody refreshes is of use.
	keepBlocks = 400 * 24 * time.Hour
)

// renewAfter refreshes the job after the answer at hand, unless somebody already does. It returns false where nothing
// can run after the answer.
func (s *Service) renewAfter(j *job, d Directives) bool {
	name, now := j.leaseName(), s.Now()
	if s.failures.last(name, now) != nil || now.Before(s.adobe.coolUntil()) {
		return true
	}
	return s.onceAfter(name, func(ctx context.Context) {
		if _, err := s.fetch(ctx, j, d); err != nil {
			s.Log.WarnContext(ctx, "a refresh failed", "report", j.report, "error", err)
			var outside *errOutside
			if errors.As(err, &outside) {
				s.contradicted(ctx, j.req, outside)
			}
		}
	})
}

// onceAfter runs work after the answer at hand unless work of that name is under way; true either way. It returns false
// if nothing can run now. Work that was lost is taken to be over after a while.
func (s *Service) onceAfter(name string, work func(context.Context)) bool {
	now := s.Now()
	if since, busy := s.renewing.LoadOrStore(name, now); busy {
		if now.Sub(since.(time.Time)) < afterTime {
			return true
		}
		s.renewing.Store(name, now)
	}
	started := s.After(func(ctx context.Context) {
		defer s.renewing.Delete(name)
		work(ctx)
	})
	if !started {
		s.renewing.Delete(name)
	}
	return started
}

// leaseTime is how long a fetch may go without a word before another process takes over; pollTime is how often those who
// wait look again.
const (
	leaseTime = 30 * time.Second
	pollTime  = 200 * time.Millisecond
)

// fetch gets from Adobe what the job's plan lacks: one fetch at a time of a report, in the process by a lock and across
// processes by a lease. Who had to wait looks again first.
func (s *Service) fetch(ctx context.Context, j *job, d Directives) (view, error) {
	name := j.leaseName()
	lock, taken := s.locks.enter(name), false
	defer func() { s.locks.leave(name, lock, taken) }()
	select {
	case <-lock.free:
		taken = true
	case <-ctx.Done():
		return view{}, ctx.Err()
	}
	if v := s.look(j, s.remembered(j), d); v.plan.complete() {
		return v, nil
	}
	if err := s.failures.last(name, s.Now()); err != nil {
		return view{}, err
	}
	for {
		err := s.Store.Acquire(ctx, name, s.holder, s.Now().Add(leaseTime))
		var held *store.HeldError
		if err == nil {
			defer s.release(ctx, name)
			break
		}
		if ctx.Err() != nil {
			return view{}, ctx.Err()
		}
		if !errors.As(err, &held) {
			s.Log.WarnContext(ctx, "no lease can be had; fetching without", "error", err)
			break
		}
		if err := s.Sleep(ctx, pollTime); err != nil {
			return view{}, err
		}
	}
	if err := s.readShared(ctx); err != nil {
		s.Log.WarnContext(ctx, "the shared notes cannot be read", "error", err)
	}
	generation := s.generation.Load()
	around := s.loadAround(ctx, j)
	v := s.look(j, j.own(around), d)
	if v.plan.complete() {
		return v, nil
	}
	f := &fetcher{Service: s, job: j, blocks: around, generation: generation}
	blocks, err := f.run(ctx, f.spans(v.plan))
	s.failures.note(name, err, s.Now())
	v = s.look(j, j.own(blocks), Directives{})
	v.raw = f.raw
	return v, err
}

// extendLease keeps the lease while a fetch of many calls goes on.
func (s *Service) extendLease(ctx context.Context, j *job) {
	if err := s.Store.Acquire(ctx, j.leaseName(), s.holder, s.Now().Add(leaseTime)); err != nil {
		s.Log.WarnContext(ctx, "the lease could not be extended", "error", err)
	}
}

func (s *Service) release(ctx context.Context, lease string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTime)
	defer cancel()
	if err := s.Store.Release(ctx, lease, s.holder); err != nil {
		s.Log.WarnContext(ctx, "a lease could not be released and runs out", "lease", lease, "error", err)
	}
}

// loadAround returns the job's blocks and their neighbours.
func (s *Service) loadAround(ctx context.Context, j *job) []*block {
	if j.exact {
		return s.load(ctx, j)
	}
	unit := blockUnit(j.pace.grain)
	return s.loadRange(ctx, j, blockName(unit.Step(j.want.From, -1)), blockName(unit.Step(j.want.To-1, 1)))
}

// own returns those blocks that are the job's, not its neighbours'.
func (j *job) own(blocks []*block) (own []*block) {
	for _, b := range blocks {
		if j.first <= b.name && b.name <= j.last {
			own = append(own, b)
		}
	}
	return own
}

// Purge forgets what is kept: all reports if r is the root; all reports of r's path if r has neither filters nor metrics;
// else that report. Every process follows within a minute. It returns how many blocks were deleted.
func (s *Service) Purge(ctx context.Context, r cmu.Request) (int, error) {
	path := cmu.Request{Path: r.Path}.Report()
	exact := len(r.Filters) > 0 || len(r.Metrics) > 0
	n, err := s.Store.Purge(ctx, func(report store.Report) bool {
		if exact {
			return string(report) == r.Report()
		}
		own, _, _ := strings.Cut(string(report), "?")
		return path == "" || own == path
	})
	s.forget()
	if err != nil {
		return n, err
	}
	stamp := s.Now().UTC().Format(time.RFC3339Nano)
	s.shared.mu.Lock()
	s.shared.purged = stamp
	s.shared.mu.Unlock()
	return n, s.Store.PutNote(ctx, notePurged, store.Note{Value: []byte(stamp)})
}

// forget clears the memory; what is under way is not kept.
func (s *Service) forget() {
	s.generation.Add(1)
	s.memory.clear()
}

// Status is what the service knows of itself. Counts are since the process began.
type Status struct {
	Calendar                         Verdict
	Cooldown                         time.Time // zero: none
	Stored                           store.Size
	MemoryHits, StoreHits, StaleHits int64
	Misses, Calls, Failures          int64
}

// Status reads what all processes share and adds this process's counts.
func (s *Service) Status(ctx context.Context) (Status, error) {
	if err := s.readShared(ctx); err != nil {
		return Status{}, err
	}
	size, err := s.Store.Size(ctx)
	out := Status{
		Calendar: s.verdict(ctx, nil), Stored: size,
		MemoryHits: s.count.memoryHits.Load(), StoreHits: s.count.storeHits.Load(), StaleHits: s.count.staleHits.Load(),
		Misses: s.count.misses.Load(), Calls: s.adobe.calls.Load(), Failures: s.adobe.failures.Load(),
	}
	if until := s.adobe.coolUntil(); until.After(s.Now()) {
		out.Cooldown = until
	}
	return out, err
}
