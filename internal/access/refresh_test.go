package access

import (
	"context"
	"errors"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
)

func TestFirstStart(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		k := w.keeper()
		registered := must[RegisterResult](t)(k.Register(background, RegisterOptions{}))
		if registered.Outcome != Registered || registered.ClientID == "" || len(registered.Warnings) > 0 {
			t.Errorf("first: %+v", registered)
		}
		kept := must[RegisterResult](t)(k.Register(background, RegisterOptions{}))
		if kept.Outcome != Kept || kept.ClientID != registered.ClientID || !kept.Since.Equal(registered.Since) {
			t.Errorf("second: %+v", kept)
		}
		if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})); r.Outcome != Renewed || r.ClientID != registered.ClientID {
			t.Errorf("first refresh: %+v", r)
		}
		if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})); r.Outcome != Kept {
			t.Errorf("second refresh: %+v", r)
		}
		w.wantAccess()
		w.counts(1, 1)
		if w.store.held() != 0 {
			t.Error("a lease is still held")
		}
	})
}

// Adobe's page for too many calls names no wait: a second is its pace.
func TestThrottled(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.change(func(b *sandbox.Behaviour) {
			b.LatencyMS = 0
			b.Faults = []sandbox.Fault{{Kind: "status", Status: 429, Body: "<html><body><h1>Too Many Requests</h1></body></html>", Count: 3}}
		})
		ctx, cancel := context.WithTimeout(background, 30*time.Second)
		defer cancel()
		start := now()
		must[RefreshResult](t)(w.keeper().Refresh(ctx, RefreshOptions{}))
		if took := now().Sub(start); took < 3*time.Second || took > 10*time.Second {
			t.Errorf("took %s", took)
		}
		w.counts(1, 1)
	})
}

func TestDeadline(t *testing.T) {
	for _, kind := range []string{"hang", "lost"} {
		inWorld(t, func(t *testing.T, w *world) {
			w.ready()
			time.Sleep(7 * time.Hour)
			w.change(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{{Kind: kind}} })
			ctx, cancel := context.WithTimeout(background, 20*time.Second)
			defer cancel()
			start := now()
			_, err := tell(w.keeper().Refresh(ctx, RefreshOptions{}))
			var refused *NoAccessError
			if !errors.Is(err, ErrNoAccess) || !errors.As(err, &refused) || refused.RetryAfter < time.Second {
				t.Errorf("%s: %v", kind, err)
			}
			if took := now().Sub(start); took > 19*time.Second {
				t.Errorf("%s: took %s", kind, took)
			}
			if w.store.held() != 0 {
				t.Errorf("%s: a lease is still held", kind)
			}
		})
	}
}

// While the token is good, a failure is reported and the token left alone.
func TestDownEarly(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		time.Sleep(5 * time.Hour)
		w.setDown(func(string) error { return errDown })
		stored := w.storedToken()
		if r, err := tell(w.keeper().Refresh(background, RefreshOptions{})); err == nil || r.Fingerprint != stored.fingerprint() || errors.Is(err, ErrNoAccess) {
			t.Errorf("%+v, %v", r, err)
		}
		if r := must[RefreshResult](t)(w.keeper().Refresh(background, RefreshOptions{})); r.Outcome != Waiting || !r.Next.After(now()) {
			t.Errorf("in the pause: %+v", r)
		}
	})
}

// A token whose life is hardly longer than leastLife is not renewed all the time.
func TestShortLife(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.change(func(b *sandbox.Behaviour) { b.TokenLifeSeconds = 15 * 60 })
		k := w.keeper()
		for range 24 * 60 {
			must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
			w.wantAccess()
			time.Sleep(time.Minute)
		}
		if c := w.adobe.Counts(); c.Issued > 24*60/8 {
			t.Errorf("%d tokens in a day", c.Issued)
		}
		if w.events(eventTokenLifeShort) == 0 {
			t.Error("no warning")
		}
	})
}

// Adobe may give the same token again, or one that ends sooner.
func TestWorseTokens(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		k := w.keeper()
		time.Sleep(4 * time.Hour)
		w.change(func(b *sandbox.Behaviour) { b.TokenLifeSeconds = 60 })
		old := w.storedToken()
		if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})); r.Outcome != Kept || r.Fingerprint != old.fingerprint() {
			t.Errorf("a token of one minute: %+v", r)
		}
		if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{Refused: old.fingerprint()})); r.Outcome != Renewed {
			t.Errorf("refused: %+v", r)
		}
		if w.storedToken().Refusals != 1 {
			t.Error("the refusal was not counted")
		}
	})
}

// A better token that was written during the call to Adobe stays.
func TestBetterTokenMeanwhile(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		k, better := w.keeper(), *w.storedToken()
		time.Sleep(5 * time.Hour)
		better.Value, better.ObtainedAt, better.ExpiresAt = "header.claims.better-signature", now(), now().Add(6*time.Hour+time.Minute)
		w.setDown(func(string) error {
			w.put(tokenName, string(better.encode()))
			return nil
		})
		r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
		if r.Outcome != Kept || r.Fingerprint != better.fingerprint() || w.storedToken().fingerprint() != better.fingerprint() {
			t.Errorf("%+v", r)
		}
	})
}

// While Adobe refuses new tokens too, a new client heals at once: refusals count for one client.
func TestNewClientHealsRefusals(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		k := w.keeper()
		refused := func() RefreshOptions { return RefreshOptions{Refused: w.storedToken().fingerprint()} }
		must[RefreshResult](t)(k.Refresh(background, refused()))
		if _, err := tell(k.Refresh(background, refused())); !errors.Is(err, ErrNoAccess) {
			t.Fatalf("refused twice at once: %v", err)
		}
		last := refused()
		must[RegisterResult](t)(k.Register(background, RegisterOptions{Force: true, Reason: "tokens are refused"}))
		if r := must[RefreshResult](t)(k.Refresh(background, last)); r.Outcome != Renewed {
			t.Errorf("%+v", r)
		}
		if n := w.storedToken().Refusals; n != 0 {
			t.Errorf("the new client begins with %d refusals", n)
		}
		if r := must[RefreshResult](t)(k.Refresh(background, refused())); r.Outcome != Renewed {
			t.Errorf("its first token refused: %+v", r)
		}
		w.counts(2, 4)
	})
}
