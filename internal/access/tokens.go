package access

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// TokensOptions say what Tokens works with. Secrets, Name and Notes are required.
type TokensOptions struct {
	Secrets secrets.Store
	Name    string      // that of the token's secret
	Notes   store.Notes // what a Keeper notes; only Status reads them
	// AskRefresh makes the token be refreshed, here or elsewhere, and may return before that is done. refused is the fingerprint of
	// the token that Adobe refused, or empty. Nil: nothing can be asked for.
	AskRefresh func(ctx context.Context, refused string) error
	Now        func() time.Time // the clock; nil is time.Now
	Log        *slog.Logger     // nil is slog.Default at the time of NewTokens
}

// Tokens hands out the access token that a Keeper, in this process or another, keeps valid. It may be used by many
// goroutines at once.
type Tokens struct {
	o TokensOptions

	mu        sync.Mutex
	token     *token
	readAt    time.Time
	readErr   error // of the last read
	askedAt   time.Time
	refused   string // fingerprint
	refusedAt time.Time
	finding   singleflight.Group
}

// NewTokens returns Tokens. It reads and calls nothing yet.
func NewTokens(o TokensOptions) *Tokens {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Log = cmp.Or(o.Log, slog.Default())
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
	// callerWaits is how long a caller waits for a token.
	callerWaits = 5 * time.Second
	// findTime bounds a look with the refresh that it asks for.
	findTime = time.Minute
)

// Token returns a token that is valid now.
//
// Errors: *NoAccessError when there is none; it tells when to ask again, and a refresh has been asked for.
func (t *Tokens) Token(ctx context.Context) (cmu.Token, error) {
	if held, ok := t.valid(nearEnd); ok {
		return held, nil
	}
	return t.renewed(ctx)
}

// Refused tells that Adobe refused a token (401) and returns another to try. A refresh is asked for if there is none.
//
// Errors: as of Token.
func (t *Tokens) Refused(ctx context.Context, refused cmu.Token) (cmu.Token, error) {
	fingerprint := Fingerprint(refused.Value)
	t.mu.Lock()
	if (t.token == nil || t.token.fingerprint() == fingerprint) && t.refusedNow() != fingerprint {
		t.refused, t.refusedAt = fingerprint, t.now()
	}
	t.mu.Unlock()
	if held, ok := t.valid(0); ok {
		return held, nil
	}
	return t.renewed(ctx)
}

// valid returns the token in memory if it is good for longer than that.
func (t *Tokens) valid(longer time.Duration) (cmu.Token, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !usable(t.token, t.refusedNow(), t.now().Add(longer)) {
		return cmu.Token{}, false
	}
	return t.token.Token, true
}

// refusedNow is the fingerprint of the token that is not handed out. t.mu is held.
func (t *Tokens) refusedNow() string {
	if t.refused == "" || t.now().Sub(t.refusedAt) > refusedFor {
		return ""
	}
	return t.refused
}

// renewed looks for a better token than the one in memory. The caller waits for it, a while, only if that one is not valid; the look goes
// on without it.
func (t *Tokens) renewed(ctx context.Context) (cmu.Token, error) {
	found := t.finding.DoChan("", func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), findTime)
		defer cancel()
		return t.find(ctx)
	})
	if held, ok := t.valid(0); ok {
		return held, nil
	}
	ctx, cancel := context.WithTimeout(ctx, callerWaits)
	defer cancel()
	select {
	case r := <-found:
		held, _ := r.Val.(cmu.Token)
		return held, r.Err
	case <-ctx.Done():
		return cmu.Token{}, &NoAccessError{"it is being renewed", refreshEvery, ctx.Err()}
	}
}

// find reads the token, and asks for a refresh if that yields none that is good for a while.
func (t *Tokens) find(ctx context.Context) (cmu.Token, error) {
	if err := t.read(ctx, false); err != nil {
		if held, ok := t.valid(0); ok {
			return held, nil
		}
		return cmu.Token{}, &NoAccessError{"the stored one cannot be read", refreshEvery, err}
	}
	if held, ok := t.valid(nearEnd); ok {
		return held, nil
	}
	asked, err := t.ask(ctx)
	if asked && err == nil {
		err = t.read(ctx, true)
	}
	if held, ok := t.valid(0); ok {
		return held, nil
	}
	var why *NoAccessError
	if errors.As(err, &why) {
		return cmu.Token{}, why
	}
	return cmu.Token{}, &NoAccessError{"access is being renewed", refreshEvery, err}
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
	if err != nil && !errors.Is(err, errUnreadable) {
		return err
	}
	t.token = stored
	return nil
}

// ask asks for a refresh, unless that was done a moment ago.
func (t *Tokens) ask(ctx context.Context) (asked bool, err error) {
	t.mu.Lock()
	recent := t.now().Sub(t.askedAt).Abs() < refreshEvery
	if !recent {
		t.askedAt = t.now()
	}
	refused := t.refusedNow()
	t.mu.Unlock()
	if recent || t.o.AskRefresh == nil {
		return false, nil
	}
	return true, t.o.AskRefresh(ctx, refused)
}
