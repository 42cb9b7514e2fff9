package access

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/secrets/secretstest"
	"cmu-gateway/internal/store/storetest"
)

// fullDisk is a secrets.Store whose writes of the token fail as long as it is full.
type fullDisk struct {
	secrets.Store
	full atomic.Bool
}

func (d *fullDisk) Write(ctx context.Context, name, id string, value []byte) error {
	if name == tokenName && d.full.Load() {
		hide(value)
		return &secretError{syscall.ENOSPC}
	}
	return d.Store.Write(ctx, name, id, value)
}

type secretError struct{ error }

func (e *secretError) Unwrap() error { return e.error }

// sameProcess returns a Keeper, and the Tokens that use it.
func (w *world) sameProcess(kept secrets.Store) (*Keeper, *Tokens) {
	k := w.keeper(func(o *KeeperOptions) { o.Secrets = kept })
	return k, w.tokens(func(o *TokensOptions) { o.Secrets, o.Keeper, o.AskRefresh = kept, k, nil })
}

// A token that cannot be stored is used all the same, no other is taken for it, it is told, and it is stored when that can be done.
func TestTokenThatCannotBeStored(t *testing.T) {
	for _, first := range []bool{true, false} { // the very first token, or a renewal
		inWorld(t, func(t *testing.T, w *world) {
			disk := &fullDisk{Store: w.secrets}
			k, tokens := w.sameProcess(disk)
			issued := int64(1)
			if !first {
				w.ready()
				time.Sleep(7 * time.Hour)
				issued = 2
			}
			disk.full.Store(true)
			start := now()
			if err := w.use(tokens); err != nil || now().Sub(start) > 6*time.Second {
				t.Errorf("after %v: %v", now().Sub(start), err)
			}
			for range 60 {
				if err := w.use(tokens); err != nil {
					t.Fatal(err)
				}
				_, err := tell(k.Refresh(background, RefreshOptions{}))
				if !errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrNoAccess) {
					t.Fatalf("Refresh: %v", err)
				}
				time.Sleep(time.Minute)
			}
			w.counts(1, issued)
			for _, status := range []func(context.Context) (Status, error){k.Status, w.tokens().Status} {
				s := must[Status](t)(status(background))
				if len(s.Problems) != 1 || !strings.HasPrefix(s.Problems[0], "The new access token could not be stored since 2026-03-01T") ||
					!strings.HasSuffix(s.Problems[0], ": the disk is full.") {
					t.Errorf("%q", s.Problems)
				}
			}
			if s := must[Status](t)(k.Status(background)); !s.Token.Valid {
				t.Errorf("%+v", s)
			}
			disk.full.Store(false)
			if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})); r.Outcome != Renewed {
				t.Errorf("%+v", r)
			}
			w.counts(1, issued)
			w.wantAccess()
			if s := must[Status](t)(k.Status(background)); len(s.Problems) > 0 || !s.Token.Valid {
				t.Errorf("%+v", s)
			}
			if err := w.use(tokens); err != nil {
				t.Error(err)
			}
		})
	}
}

// It lasts as long as any other token, is replaced in time, and is refused like any other.
func TestTokenInHandEndsLikeAnyOther(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		disk := &fullDisk{Store: w.secrets}
		k, tokens := w.sameProcess(disk)
		disk.full.Store(true)
		for range 24 * 12 {
			if err := w.use(tokens); err != nil {
				t.Fatal(err)
			}
			_, _ = tell(k.Refresh(background, RefreshOptions{}))
			time.Sleep(5 * time.Minute)
		}
		if c := w.adobe.Counts(); c.Registered != 1 || c.Issued > 7 {
			t.Errorf("%d registrations, %d tokens in a day", c.Registered, c.Issued)
		}
		w.adobe.RevokeTokens()
		if err := w.use(tokens); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute) // the writing ends
	})
}

// Where another process has stored a better one meanwhile, that is used.
func TestTokenInHandGivesWay(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		disk := &fullDisk{Store: w.secrets}
		k, _ := w.sameProcess(disk)
		disk.full.Store(true)
		_, _ = tell(k.Refresh(background, RefreshOptions{}))
		time.Sleep(time.Hour)
		must[RefreshResult](t)(w.keeper().Refresh(background, RefreshOptions{}))
		if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})); r.Outcome != Kept || r.Fingerprint != w.storedToken().fingerprint() {
			t.Errorf("%+v", r)
		}
		w.counts(1, 2)
	})
}

// That the stored token cannot be read, or nothing be noted, while one is renewed does not lose what Adobe gave.
func TestStoresDownWhileTokenIsRenewed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		time.Sleep(7 * time.Hour)
		var down atomic.Bool
		w.setDown(func(path string) error {
			down.Store(true) // from the call to Adobe on
			return nil
		})
		k, tokens := w.sameProcess(&secretstest.Faulty{Store: w.secrets, Hook: func(string, string) secretstest.Fault {
			if down.Load() {
				return secretstest.Failed
			}
			return secretstest.None
		}})
		k.o.Notes = &storetest.Faulty{Store: w.store, Hook: func(string) storetest.Fault {
			if down.Load() {
				return storetest.Failed
			}
			return storetest.None
		}}
		if err := w.use(tokens); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		if err := w.use(tokens); err != nil {
			t.Error(err)
		}
		down.Store(false)
		w.setDown(nil)
		must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
		w.wantAccess()
		w.counts(1, 2)
	})
}

// What this process registers and renews is used at once, though the token before it is good for hours.
func TestTokenOfNewClientIsUsedAtOnce(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		k, tokens := w.sameProcess(w.secrets)
		if err := w.use(tokens); err != nil {
			t.Fatal(err)
		}
		must[RegisterResult](t)(k.Register(background, RegisterOptions{Force: true, Reason: "another statement"}))
		must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
		got, err := tokens.Token(background)
		if err != nil || Fingerprint(got.Value) != w.storedToken().fingerprint() {
			t.Errorf("the old token is still in use: %v", err)
		}
		// Another process learns of it when the old one is of no use.
		other := w.tokens(func(o *TokensOptions) { o.AskRefresh = nil })
		old, err := other.Token(background)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := other.Newer(background, old.Value); ok {
			t.Error("the stored token has been replaced by itself")
		}
		must[RegisterResult](t)(k.Register(background, RegisterOptions{Force: true, Reason: "another statement"}))
		must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
		time.Sleep(5 * time.Second)
		if newer, ok := other.Newer(background, old.Value); !ok || Fingerprint(newer.Value) != w.storedToken().fingerprint() {
			t.Error("the new token is not found")
		}
	})
}
