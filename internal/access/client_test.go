package access

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/pkg/cmu"
)

// A client that Adobe no longer knows is replaced once, and not again within a day even if it is revoked every hour.
func TestRevokedClient(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		k := w.keeper()
		time.Sleep(time.Hour)
		w.adobe.RevokeClients()
		w.adobe.RevokeTokens()
		r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{Refused: w.storedToken().fingerprint()}))
		if r.Outcome != Renewed {
			t.Errorf("%+v", r)
		}
		w.counts(2, 2)
		w.wantAccess()
		if w.events(eventInvalidClient) != 1 {
			t.Errorf("%d alarms", w.events(eventInvalidClient))
		}
		s := must[Status](t)(k.Status(background))
		if s.Registrations.Count != 2 || s.Registrations.Reason != "Adobe refused the client credentials" || !s.Credentials.RefusedSince.IsZero() {
			t.Errorf("%+v", s)
		}
		before := w.adobe.Counts().Token
		for range 3 * 24 * 12 {
			if now().Minute() < 5 {
				w.adobe.RevokeClients()
				w.adobe.RevokeTokens()
			}
			_, _ = tell(k.Refresh(background, RefreshOptions{Refused: w.storedToken().fingerprint()}))
			time.Sleep(5 * time.Minute)
		}
		if c := w.adobe.Counts(); c.Registered > 5 || c.Registered < 4 {
			t.Errorf("%d registrations in three days", c.Registered)
		}
		if calls := w.adobe.Counts().Token - before; calls > 3*24*12*2 {
			t.Errorf("%d calls for a token in three days", calls)
		}
		if s, _ := k.Status(background); s.Credentials.RefusedSince.IsZero() {
			t.Errorf("%+v", s)
		}
	})
}

// A passing invalid_client costs no registration.
func TestInvalidClientIsConfirmed(t *testing.T) {
	for _, test := range []struct{ times, registered int }{{1, 1}, {2, 2}} {
		inWorld(t, func(t *testing.T, w *world) {
			w.ready()
			time.Sleep(5 * time.Hour)
			w.change(func(b *sandbox.Behaviour) {
				b.Faults = []sandbox.Fault{{On: "token", Kind: "status", Status: 400, Body: `{"error":"invalid_client"}`, Count: test.times}}
			})
			start := now()
			must[RefreshResult](t)(w.keeper().Refresh(background, RefreshOptions{}))
			if took := now().Sub(start); took < time.Second {
				t.Errorf("asked again after %s", took)
			}
			w.counts(int64(test.registered), 2)
			w.wantAccess()
		})
	}
}

// Credentials that another process has just written are used before any are registered.
func TestInvalidClientReadsAgain(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		time.Sleep(5 * time.Hour)
		w.adobe.RevokeClients()
		fresh, err := w.client.Register(background, must[cmu.Statement](t)(cmu.ParseStatement([]byte(w.adobe.Statement()))))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Second) // the call with the old ones is under way, or answered
			c := credentials{Credentials: fresh}
			w.put(credentialsName, string(c.encode()))
		}()
		if r := must[RefreshResult](t)(w.keeper().Refresh(background, RefreshOptions{})); r.ClientID != fresh.ClientID {
			t.Errorf("%+v", r)
		}
		w.counts(2, 2)
	})
}

// Credentials that were noted as refused are taken again when Adobe takes them again.
func TestInvalidClientPasses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		k := w.keeper(func(o *KeeperOptions) {
			o.AskRegister = func(context.Context, string) error { return nil } // never comes to it
		})
		time.Sleep(5 * time.Hour)
		w.change(func(b *sandbox.Behaviour) {
			b.Faults = []sandbox.Fault{{On: "token", Kind: "status", Status: 401, Body: `{"error":"invalid_client"}`, Count: 2}}
		})
		if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})); r.Outcome != Asked {
			t.Errorf("%+v", r)
		}
		if s := must[Status](t)(k.Status(background)); s.Credentials.RefusedSince.IsZero() {
			t.Errorf("not noted: %+v", s)
		}
		time.Sleep(5 * time.Minute)
		if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})); r.Outcome != Renewed {
			t.Errorf("%+v", r)
		}
		if s := must[Status](t)(k.Status(background)); !s.Credentials.RefusedSince.IsZero() {
			t.Errorf("still noted: %+v", s)
		}
		w.counts(1, 2)
	})
}

// Three functions: refresh has no statement and asks register, which has no token and asks refresh.
func TestAskRegister(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var asked atomic.Int32
		var refreshes *Keeper
		registers := w.keeper(func(o *KeeperOptions) { o.Secrets = failing{w.secrets, tokenName, secrets.ErrDenied} })
		refreshes = w.keeper(func(o *KeeperOptions) {
			o.Secrets = failing{w.secrets, statementName, secrets.ErrDenied}
			o.AskRegister = func(_ context.Context, reason string) error {
				asked.Add(1)
				go func() {
					time.Sleep(100 * time.Millisecond)
					if _, err := tell(registers.Register(background, RegisterOptions{Reason: reason})); err == nil {
						_, _ = tell(refreshes.Refresh(background, RefreshOptions{}))
					}
				}()
				return nil
			}
		})
		statement := w.adobe.Statement()
		delete(w.secrets.values, statementName)
		for range 12 {
			if r, err := tell(refreshes.Refresh(background, RefreshOptions{})); err != nil || r.Outcome != Asked && r.Outcome != Waiting {
				t.Errorf("without a statement: %+v, %v", r, err)
			}
			time.Sleep(5 * time.Minute)
		}
		if n := asked.Load(); n > 4 {
			t.Errorf("asked %d times in an hour", n)
		}
		w.put(statementName, statement)
		time.Sleep(15 * time.Minute)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { _, _ = tell(refreshes.Refresh(background, RefreshOptions{})) })
		}
		wg.Wait()
		time.Sleep(10 * time.Second)
		w.counts(1, 1)
		w.wantAccess()

		w.adobe.RevokeClients()
		time.Sleep(5 * time.Hour)
		if r := must[RefreshResult](t)(refreshes.Refresh(background, RefreshOptions{})); r.Outcome != Asked {
			t.Errorf("%+v", r)
		}
		time.Sleep(10 * time.Second)
		w.counts(2, 2)
		if r := must[RefreshResult](t)(refreshes.Refresh(background, RefreshOptions{})); r.Outcome != Kept {
			t.Errorf("%+v", r)
		}
		if _, err := tell(registers.Status(background)); !errors.Is(err, secrets.ErrDenied) {
			t.Errorf("the status of one that must not read the token: %v", err)
		}
	})
}

// Registration that was asked for before there was a statement is no reason not to ask when the client that came is lost.
func TestAskRegisterAgainForAnotherClient(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		asked := 0
		registers := w.keeper()
		refreshes := w.keeper(func(o *KeeperOptions) {
			o.AskRegister = func(context.Context, string) error { asked++; return nil }
		})
		_, _ = tell(refreshes.Refresh(background, RefreshOptions{}))
		time.Sleep(time.Minute)
		must[RegisterResult](t)(registers.Register(background, RegisterOptions{}))
		w.adobe.RevokeClients()
		time.Sleep(time.Minute)
		if _, _ = tell(refreshes.Refresh(background, RefreshOptions{})); asked != 2 {
			t.Errorf("asked %d times", asked)
		}
	})
}

func TestCredentialsThatExpire(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.change(func(b *sandbox.Behaviour) { b.ClientLifeSeconds = 36 * 3600 })
		k := w.keeper()
		for range 7 * 24 * 12 {
			must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
			w.wantAccess()
			time.Sleep(5 * time.Minute)
		}
		if c := w.adobe.Counts(); c.Registered != 5 {
			t.Errorf("%d registrations in seven days", c.Registered)
		}
	})
}
