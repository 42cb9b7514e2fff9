package access

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// TokensOptions say what Tokens works with. Secrets, Name and Notes are required.
type TokensOptions struct {
	Secrets secrets.Store
	Name    string      // that of the token's secret
	Notes   store.Notes // what a Keeper notes, and Accepted
	// Keeper is the one of this process: what it gets is used at once, stored or not. Nil: the token is kept valid elsewhere.
	Keeper *Keeper
	// AskRefresh makes the token be refreshed elsewhere, and may return before that is done. refused is the fingerprint of the token
	// that Adobe refused, or empty. Nil: Keeper is asked, if there is one.
	AskRefresh func(ctx context.Context, refused string) error
	Now        func() time.Time // the clock; nil is clock.Wall
	Log        *slog.Logger     // nil is slog.Default at the time of NewTokens
}

// Tokens hands out the access token that a Keeper, in this process or another, keeps valid. It may be used by many
// goroutines at once.
type Tokens struct {
	o TokensOptions

	mu        sync.Mutex
	token     *token
	adopted   *obtained    // of Keeper
	began     time.Time    // when the look that is under way began; zero: none is
	notes     notes        // as the last look that found no token read them
	accepted  string       // fingerprint of the token last noted as accepted
	everSaid  string       // fingerprint of the token last said to be refused
	noted     notedLicence // as it was last read
	readAt    time.Time
	readErr   error // of the last read
	askedAt   time.Time
	askedFor  string // fingerprint
	refused   string // fingerprint
	refusedAt time.Time
	finding   singleflight.Group
}

// NewTokens returns Tokens. It reads and calls nothing yet.
func NewTokens(o TokensOptions) *Tokens {
	if o.Now == nil {
		o.Now = clock.Wall
	}
	o.Log = cmp.Or(o.Log, slog.Default())
	if o.AskRefresh == nil && o.Keeper != nil {
		o.AskRefresh = func(ctx context.Context, refused string) error {
			_, err := o.Keeper.Refresh(ctx, RefreshOptions{Refused: refused})
			return err
		}
	}
	return &Tokens{o: o}
}

func (t *Tokens) now() time.Time { return t.o.Now() }

const (
	// nearEnd is the remaining life at which a renewed token is looked for: renewal was due long before.
	nearEnd = 5 * time.Minute
	// readEvery and refreshEvery are the least times between two reads, and two requests to refresh, of one process.
	readEvery    = 3 * time.Second
	refreshEvery = 5 * time.Second
	// refusedFor is how long a refused token is not handed out again: the refusal may have been a passing fault.
	refusedFor = time.Minute
	// findTime bounds a look with the refresh that it asks for, callerTime what a caller waits for it.
	findTime   = time.Minute
	callerTime = 5 * time.Second
)

// Token returns a token that is valid now. It waits for at most five seconds; a renewal under way goes on.
//
// Errors: *NoAccessError when there is none; it tells when to ask again, and a refresh has been asked for.
func (t *Tokens) Token(ctx context.Context) (Token, error) {
	if held, ok := t.valid(nearEnd); ok {
		return held, nil
	}
	return t.renewed(ctx)
}

// Refused tells that Adobe refused a token (401) and returns another to try. A refresh is asked for if there is none.
//
// Errors: as of Token.
func (t *Tokens) Refused(ctx context.Context, refused cmu.Secret) (Token, error) {
	fingerprint := Fingerprint(refused)
	t.mu.Lock()
	if (t.token == nil || t.token.fingerprint() == fingerprint) && t.refusedNow() != fingerprint {
		t.refused, t.refusedAt, t.everSaid, t.accepted = fingerprint, t.now(), fingerprint, ""
	}
	t.mu.Unlock()
	if held, ok := t.valid(0); ok {
		return held, nil
	}
	return t.renewed(ctx)
}

// valid returns the token in memory if it is good for longer than that.
func (t *Tokens) valid(longer time.Duration) (Token, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.adopt()
	if !usable(t.token, t.refusedNow(), t.now().Add(longer)) {
		return Token{}, false
	}
	return Token{t.token.Token, t.token.licence()}, true
}

// refusedNow is the fingerprint of the token that is not handed out. t.mu is held.
func (t *Tokens) refusedNow() string {
	if t.refused == "" || t.now().Sub(t.refusedAt) > refusedFor {
		return ""
	}
	return t.refused
}

// adopt takes what Keeper got last. t.mu is held.
func (t *Tokens) adopt() {
	if t.o.Keeper == nil {
		return
	}
	if l, _ := t.o.Keeper.lastGot(); l != nil && l != t.adopted {
		t.adopted, t.token = l, l.token
	}
}

// renewed looks for a better token than the one in memory. The caller waits for it only if that one is not valid, and not longer
// than any other who waits for the same look.
func (t *Tokens) renewed(ctx context.Context) (Token, error) {
	found := t.finding.DoChan("", func() (any, error) {
		t.setBegan(t.now())
		defer t.setBegan(time.Time{})
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), findTime)
		defer cancel()
		return t.find(ctx)
	})
	timeout := time.NewTimer(t.patience())
	defer timeout.Stop()
	for {
		var news <-chan struct{}
		if t.o.Keeper != nil {
			_, news = t.o.Keeper.lastGot()
		}
		if held, ok := t.valid(0); ok {
			return held, nil
		}
		select {
		case r := <-found:
			held, _ := r.Val.(Token)
			return held, r.Err
		case <-news:
		case <-timeout.C:
			return Token{}, t.without("access is being renewed", nil)
		case <-ctx.Done():
			return Token{}, t.without("access is being renewed", ctx.Err())
		}
	}
}

func (t *Tokens) setNotes(n notes) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notes = n
}

func (t *Tokens) setBegan(at time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.began = at
}

// patience is how long a caller waits for the look that is under way.
func (t *Tokens) patience() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.began.IsZero() {
		return callerTime
	}
	return min(max(callerTime-t.now().Sub(t.began), 0), callerTime)
}

// without is the error for a caller who gets no token.
func (t *Tokens) without(reason string, cause error) *NoAccessError {
	t.mu.Lock()
	defer t.mu.Unlock()
	return noAccess(t.state(t.notes), reason, t.now().Add(refreshEvery), cause, t.now())
}

// state is what is known here, which is nothing of the credentials. t.mu is held.
func (t *Tokens) state(n notes) state {
	refused := n.refusedToken()
	if own := t.refusedNow(); t.token != nil && own == t.token.fingerprint() {
		refused = own
	}
	return state{token: t.token, refused: refused, notes: n}
}

// find reads the token, and asks for a refresh if that yields none that is good for a while.
func (t *Tokens) find(ctx context.Context) (Token, error) {
	if err := t.read(ctx, false); err != nil {
		if held, ok := t.valid(0); ok {
			return held, nil
		}
		return Token{}, t.without("the stored one cannot be read", err)
	}
	if held, ok := t.valid(nearEnd); ok {
		t.setNotes(notes{})
		return held, nil
	}
	asked, err := t.ask(ctx)
	if asked && err == nil {
		err = t.read(ctx, true)
	}
	if held, ok := t.valid(0); ok {
		t.setNotes(notes{})
		return held, nil
	}
	var why *NoAccessError
	if errors.As(err, &why) && why.Outage == nil {
		return Token{}, why
	}
	if n, err := readNotes(ctx, t.o.Notes, t.o.Log); err == nil {
		t.setNotes(n)
	}
	if why != nil {
		return Token{}, why
	}
	return Token{}, t.without("access is being renewed", err)
}

// read reads the secret, unless that was done a moment ago and no token was refused since.
func (t *Tokens) read(ctx context.Context, force bool) error {
	t.mu.Lock()
	recent := t.now().Sub(t.readAt).Abs() < readEvery && t.readAt.After(t.refusedAt)
	if !recent || force {
		t.readAt = t.now()
	}
	t.mu.Unlock()
	if recent && !force {
		return nil
	}
	stored, err := readToken(ctx, t.o.Secrets, t.o.Name)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.readErr = err
	t.adopt()
	if err != nil && !errors.Is(err, errUnreadable) {
		return err
	}
	// What Keeper got may not be stored yet, or was after this read began.
	if t.adopted == nil || stored != nil && stored.ObtainedAt.After(t.adopted.token.ObtainedAt) {
		t.token = stored
	}
	return nil
}

// ask asks for a refresh, unless that was done a moment ago for the same reason.
func (t *Tokens) ask(ctx context.Context) (asked bool, err error) {
	t.mu.Lock()
	refused := t.refusedNow()
	recent := t.now().Sub(t.askedAt).Abs() < refreshEvery && refused == t.askedFor
	if !recent {
		t.askedAt, t.askedFor = t.now(), refused
	}
	t.mu.Unlock()
	if recent || t.o.AskRefresh == nil {
		return false, nil
	}
	return true, t.o.AskRefresh(ctx, refused)
}
