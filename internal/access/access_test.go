package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/secrets/secretstest"
	"cmu-gateway/internal/store/storetest"
	"cmu-gateway/pkg/cmu"
)

var background = context.Background()

func (w *world) change(f func(*sandbox.Behaviour)) {
	w.t.Helper()
	if err := w.adobe.Change(f); err != nil {
		w.t.Fatal(err)
	}
}

// ready gives the world a client and a token.
func (w *world) ready() {
	w.t.Helper()
	must[RefreshResult](w.t)(w.keeper().Refresh(background, RefreshOptions{}))
	w.counts(1, 1)
}

func (w *world) storedToken() *token {
	w.t.Helper()
	t, err := readToken(background, w.secrets, tokenName)
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

func (w *world) wantAccess() {
	w.t.Helper()
	if err := w.accepted(); err != nil {
		w.t.Error(err)
	}
}

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

// Any number of processes that start at once make one registration and one token.
func TestStorm(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		var renewed, registered atomic.Int32
		var wg sync.WaitGroup
		for i := range 100 {
			k := w.keeper()
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(background, time.Minute)
				defer cancel()
				if i%2 == 0 {
					if r := must[RegisterResult](t)(k.Register(ctx, RegisterOptions{})); r.Outcome == Registered {
						registered.Add(1)
					}
				}
				if r := must[RefreshResult](t)(k.Refresh(ctx, RefreshOptions{})); r.Outcome == Renewed {
					renewed.Add(1)
				}
			})
		}
		wg.Wait()
		w.counts(1, 1)
		if renewed.Load() != 1 || registered.Load() > 1 {
			t.Errorf("%d say that they renewed the token, %d that they registered", renewed.Load(), registered.Load())
		}
		w.wantAccess()
	})
}

// A storm while Adobe is down is a handful of calls, and everybody is told when to come again.
func TestStormWhileDown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		time.Sleep(7 * time.Hour)
		w.setDown(func(string) error { return errDown })
		before := w.calls["/o/client/token"]
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(background, 30*time.Second)
				defer cancel()
				_, err := tell(w.keeper().Refresh(ctx, RefreshOptions{}))
				if err == nil || ctx.Err() != nil {
					t.Errorf("Refresh: %v, after %v", err, ctx.Err())
				}
			})
		}
		wg.Wait()
		if calls := w.calls["/o/client/token"] - before; calls > 8 {
			t.Errorf("%d calls", calls)
		}
		w.setDown(nil)
		time.Sleep(time.Minute)
		must[RefreshResult](t)(w.keeper().Refresh(background, RefreshOptions{}))
		w.wantAccess()
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

// Who waits in vain for another process is told so in time.
func TestHeldForLong(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		time.Sleep(7 * time.Hour)
		if err := w.store.Acquire(background, leaseRefresh, "another", now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(background, 20*time.Second)
		defer cancel()
		_, err := tell(w.keeper().Refresh(ctx, RefreshOptions{}))
		if !errors.Is(err, ErrNoAccess) || ctx.Err() != nil {
			t.Errorf("%v, after %v", err, ctx.Err())
		}
		time.Sleep(time.Hour)
		must[RefreshResult](t)(w.keeper().Refresh(background, RefreshOptions{}))
		w.counts(1, 2)
	})
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

// Credentials that were marked as refused are taken again when Adobe takes them again.
func TestInvalidClientPasses(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		k := w.keeper()
		k.AskRegister = func(context.Context, string) error { return nil } // never comes to it
		time.Sleep(5 * time.Hour)
		w.change(func(b *sandbox.Behaviour) {
			b.Faults = []sandbox.Fault{{On: "token", Kind: "status", Status: 401, Body: `{"error":"invalid_client"}`, Count: 2}}
		})
		if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})); r.Outcome != Asked {
			t.Errorf("%+v", r)
		}
		if s := must[Status](t)(k.Status(background)); s.Credentials.RefusedSince.IsZero() {
			t.Errorf("not marked: %+v", s)
		}
		time.Sleep(5 * time.Minute)
		if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})); r.Outcome != Renewed {
			t.Errorf("%+v", r)
		}
		if s := must[Status](t)(k.Status(background)); !s.Credentials.RefusedSince.IsZero() {
			t.Errorf("still marked: %+v", s)
		}
		w.counts(1, 2)
	})
}

// Three functions: refresh has no statement and asks register, which has no token and asks refresh.
func TestAskRegister(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		refreshes, registers := w.keeper(), w.keeper()
		refreshes.Secrets = &denied{w.secrets, statementName}
		registers.Secrets = &denied{w.secrets, tokenName}
		var asked atomic.Int32
		refreshes.AskRegister = func(_ context.Context, reason string) error {
			asked.Add(1)
			go func() {
				time.Sleep(100 * time.Millisecond)
				if _, err := tell(registers.Register(background, RegisterOptions{Reason: reason})); err == nil {
					_, _ = tell(refreshes.Refresh(background, RefreshOptions{}))
				}
			}()
			return nil
		}
		statement := w.adobe.Statement()
		delete(w.secrets.values, statementName)
		for range 12 {
			if _, err := tell(refreshes.Refresh(background, RefreshOptions{})); !errors.Is(err, ErrNoAccess) {
				t.Errorf("without a statement: %v", err)
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

// denied is a secrets.Store that must not read one of them.
type denied struct {
	secrets.Store
	name string
}

func (d *denied) Read(ctx context.Context, name string) ([]byte, error) {
	if name == d.name {
		return nil, fmt.Errorf("%s: %w", name, secrets.ErrDenied)
	}
	return d.Store.Read(ctx, name)
}

// A statement that Adobe refuses is sent once, until it changes or somebody insists.
func TestStatementRefused(t *testing.T) {
	for _, code := range []string{"invalid_software_statement", "unapproved_software_statement", "invalid_redirect_uri", "invalid_request"} {
		inWorld(t, func(t *testing.T, w *world) {
			k := w.keeper()
			refuse := sandbox.Fault{On: "register", Kind: "status", Status: 400, Body: `{"error":"` + code + `"}`}
			w.change(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{refuse} })
			for range 24 * 12 {
				if _, err := tell(k.Refresh(background, RefreshOptions{})); !errors.Is(err, ErrNoAccess) {
					t.Fatalf("%s: %v", code, err)
				}
				time.Sleep(5 * time.Minute)
			}
			if c := w.adobe.Counts(); c.Register != 1 {
				t.Errorf("%s: %d calls in a day", code, c.Register)
			}
			_, err := tell(k.Register(background, RegisterOptions{}))
			if !errors.Is(err, cmu.ErrStatementRefused) || !strings.Contains(err.Error(), code) {
				t.Errorf("%s: %v", code, err)
			}
			s := must[Status](t)(k.Status(background))
			if s.StatementRefusal != code || s.StatementRefused.IsZero() || s.Registrations.Count != 0 {
				t.Errorf("%s: %+v", code, s)
			}
			w.put(statementName, sandbox.New(sandbox.Options{Seed: 7}).Statement())
			if _, err := tell(k.Register(background, RegisterOptions{})); err == nil {
				t.Error("another sandbox's statement was accepted")
			}
			if c := w.adobe.Counts(); c.Register != 2 {
				t.Errorf("%s: %d calls after the statement was replaced", code, c.Register)
			}
			w.put(statementName, w.adobe.Statement())
			w.change(func(b *sandbox.Behaviour) { b.Faults = nil })
			must[RegisterResult](t)(k.Register(background, RegisterOptions{Force: true, Reason: "Adobe has approved it now"}))
			if s := must[Status](t)(k.Status(background)); s.StatementRefusal != "" {
				t.Errorf("%s: %+v", code, s)
			}
		})
	}
}

// Rotation: a new client, then its token; the old token stays until then.
func TestRotation(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		k, old := w.keeper(), w.storedToken()
		if _, err := k.Register(background, RegisterOptions{Force: true, Reason: " "}); err == nil {
			t.Error("forced without a reason")
		}
		var wg sync.WaitGroup
		for range 10 { // delivered more than once
			wg.Go(func() {
				must[RegisterResult](t)(w.keeper().Register(background, RegisterOptions{Force: true, Reason: "yearly rotation"}))
			})
		}
		wg.Wait()
		w.counts(2, 1)
		if w.storedToken().fingerprint() != old.fingerprint() {
			t.Error("the old token is gone before there is a new one")
		}
		w.wantAccess()
		w.adobe.RevokeTokens() // at the worst moment
		if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})); r.Outcome != Renewed || r.ClientID == old.ClientID {
			t.Errorf("%+v", r)
		}
		w.wantAccess()
		w.counts(2, 2)
		if s := must[Status](t)(k.Status(background)); s.Registrations.Reason != "yearly rotation" || s.Registrations.Count != 2 {
			t.Errorf("%+v", s)
		}
		w.adobe.RevokeClients()
		time.Sleep(5 * time.Hour)
		must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})) // the forced one does not count as automatic
		w.counts(3, 3)
	})
}

func TestDryRun(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		k := w.keeper()
		r := must[RegisterResult](t)(k.Register(background, RegisterOptions{DryRun: true}))
		if r.Outcome != Checked || r.Statement == nil || r.Statement.SoftwareID == "" || r.Statement.Issuer != "auth.adobe.com" ||
			r.Statement.RegistersAt != "http://adobe.test" || r.Statement.AgeDays < 800 {
			t.Errorf("%+v %+v", r, r.Statement)
		}
		if _, err := tell(k.Register(background, RegisterOptions{DryRun: true, Statement: []byte("nonsense")})); !errors.Is(err, cmu.ErrStatement) {
			t.Errorf("nonsense: %v", err)
		}
		delete(w.secrets.values, statementName)
		if _, err := tell(k.Register(background, RegisterOptions{DryRun: true})); !errors.Is(err, ErrNoStatement) || !strings.Contains(err.Error(), statementName) {
			t.Errorf("none: %v", err)
		}
		if len(w.calls) > 0 {
			t.Errorf("calls: %v", w.calls)
		}
		r = must[RegisterResult](t)(k.Register(background, RegisterOptions{Statement: []byte(" " + w.adobe.Statement() + "\r\n")}))
		if r.Outcome != Registered {
			t.Errorf("from the event: %+v", r)
		}
	})
}

// Nothing but absence leads to a registration.
func TestSecretsThatCannotBeRead(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		for _, cause := range []error{secrets.ErrDenied, secrets.ErrThrottled, secretstest.ErrFault} {
			k := w.keeper()
			k.Secrets = failing{w.secrets, credentialsName, cause}
			if _, err := tell(k.Register(background, RegisterOptions{Force: true, Reason: "test"})); !errors.Is(err, cause) {
				t.Errorf("Register: %v, want %v", err, cause)
			}
			if r, err := tell(k.Refresh(background, RefreshOptions{})); !errors.Is(err, cause) || r.Fingerprint != w.storedToken().fingerprint() {
				t.Errorf("Refresh: %+v, %v, want %v", r, err, cause)
			}
			k.Secrets = failing{w.secrets, tokenName, cause}
			if _, err := tell(k.Refresh(background, RefreshOptions{})); !errors.Is(err, cause) {
				t.Errorf("Refresh without the token: %v, want %v", err, cause)
			}
		}
		k := w.keeper()
		for _, text := range []string{"nonsense", "{}", `{"client_id":"a"}`, `{"version":2,"client_id":"a","client_secret":"b"}`, `["client_secret"]`} {
			w.put(credentialsName, text)
			for range 2 {
				if _, err := tell(k.Register(background, RegisterOptions{})); !errors.Is(err, errUnreadable) || !strings.Contains(err.Error(), credentialsName) {
					t.Errorf("Register with %s: %v", text, err)
				}
				if _, err := tell(k.Refresh(background, RefreshOptions{})); !errors.Is(err, errUnreadable) {
					t.Errorf("Refresh with %s: %v", text, err)
				}
			}
		}
		w.counts(1, 1)
		must[RegisterResult](t)(k.Register(background, RegisterOptions{Force: true, Reason: "the credentials were spoilt"}))
		w.counts(2, 1)
		w.put(tokenName, `{"version":2}`)
		if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})); r.Outcome != Renewed {
			t.Errorf("an unreadable token: %+v", r)
		}
		w.counts(2, 2)
	})
}

type failing struct {
	secrets.Store
	name  string
	cause error
}

func (f failing) Read(ctx context.Context, name string) ([]byte, error) {
	if name == f.name {
		return nil, fmt.Errorf("%s: %w", name, f.cause)
	}
	return f.Store.Read(ctx, name)
}

func TestHandWrittenCredentials(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		c, err := readCredentials(background, w.secrets, credentialsName)
		if err != nil {
			t.Fatal(err)
		}
		w.put(credentialsName, fmt.Sprintf(`{"client_id": %q, "client_secret": %q}`, c.ClientID, c.ClientSecret.Reveal()))
		delete(w.secrets.values, tokenName)
		if r := must[RegisterResult](t)(w.keeper().Register(background, RegisterOptions{})); r.Outcome != Kept || !r.Since.IsZero() {
			t.Errorf("%+v", r)
		}
		must[RefreshResult](t)(w.keeper().Refresh(background, RefreshOptions{}))
		w.counts(1, 2)
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

func TestNoReportScope(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.change(func(b *sandbox.Behaviour) { b.Scopes = []string{"config:client"} })
		if r := must[RegisterResult](t)(w.keeper().Register(background, RegisterOptions{})); len(r.Warnings) != 1 {
			t.Errorf("%+v", r)
		}
		if w.events(eventNoReportScope) != 1 {
			t.Error("not logged")
		}
	})
}

// The client secret exists once: storing it is tried for as long as there is time, also when the caller is gone.
func TestStoringIsTriedHard(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		k := w.keeper()
		until := now().Add(90 * time.Second)
		k.Secrets = &secretstest.Faulty{Store: w.secrets, Hook: func(op, _ string) secretstest.Fault {
			if op == "Write" && now().Before(until) {
				return secretstest.Failed
			}
			return secretstest.None
		}}
		ctx, cancel := context.WithCancel(background)
		go func() {
			time.Sleep(5 * time.Second)
			cancel()
		}()
		if r := must[RegisterResult](t)(k.Register(ctx, RegisterOptions{})); r.Outcome != Registered {
			t.Errorf("%+v", r)
		}
		if s := must[Status](t)(k.Status(background)); s.Registrations.Count != 1 || s.Registrations.Orphans != 0 || !s.Credentials.Present {
			t.Errorf("%+v", s)
		}
	})
}

// When storing fails for good, the error says what is lost; the same process can still save it.
func TestStoringFails(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		k := w.keeper()
		broken := true
		k.Secrets = &secretstest.Faulty{Store: w.secrets, Hook: func(op, _ string) secretstest.Fault {
			if op == "Write" && broken {
				return secretstest.Failed
			}
			return secretstest.None
		}}
		ctx, cancel := context.WithTimeout(background, 40*time.Second)
		defer cancel()
		_, err := tell(k.Register(ctx, RegisterOptions{}))
		if err == nil || !strings.Contains(err.Error(), "CREDENTIALS NOT STORED") || ctx.Err() != nil {
			t.Errorf("%v, %v", err, ctx.Err())
		}
		if w.events(eventOrphan) != 1 {
			t.Error("no alarm")
		}
		if s := must[Status](t)(k.Status(background)); s.Registrations.Count != 1 || s.Registrations.Orphans != 1 {
			t.Errorf("%+v", s)
		}
		broken = false
		must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
		w.counts(1, 1)
		if s := must[Status](t)(k.Status(background)); s.Registrations.Count != 1 || s.Registrations.Orphans != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A write that fails after it has written is no loss.
func TestStoredButFailed(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		k := w.keeper()
		k.Secrets = &secretstest.Faulty{Store: w.secrets, Hook: func(op, name string) secretstest.Fault {
			if op == "Write" && name == credentialsName {
				return secretstest.FailedButWritten
			}
			return secretstest.None
		}}
		if r := must[RegisterResult](t)(k.Register(background, RegisterOptions{})); r.Outcome != Registered {
			t.Errorf("%+v", r)
		}
	})
}

// Passing faults of the stores, at every odd call of a kind, cost time and nothing else.
func TestPassingFaults(t *testing.T) {
	for _, fault := range []int{1, 2} { // failed, failed but written
		inWorld(t, func(t *testing.T, w *world) {
			calls := map[string]int{}
			faultOf := func(call string) int {
				calls[call]++
				return calls[call] % 2 * fault
			}
			k := w.keeper()
			k.Secrets = &secretstest.Faulty{Store: w.secrets, Hook: func(op, name string) secretstest.Fault {
				return secretstest.Fault(faultOf(op + name))
			}}
			k.Store = &storetest.Faulty{Store: w.store, Hook: func(op string) storetest.Fault {
				return storetest.Fault(faultOf(op))
			}}
			must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
			w.counts(1, 1)
			w.wantAccess()
			time.Sleep(5 * time.Hour)
			must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
			w.counts(1, 2)
			if w.store.held() != 0 {
				t.Error("a lease is still held")
			}
		})
	}
}

// A lease outlives the longest call.
func TestLeaseLife(t *testing.T) {
	for timeout, want := range map[time.Duration]time.Duration{0: 70 * time.Second, 5 * time.Second: 15 * time.Second} {
		k := &Keeper{Client: &cmu.Client{Timeout: timeout}}
		if l := k.lease(leaseRefresh, beyondCall); l.life != want {
			t.Errorf("%s: %s, want %s", timeout, l.life, want)
		}
	}
}

// An answer that was lost on the way may have made a client: that call is not repeated at once.
func TestLostAnswer(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.change(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{{On: "register", Kind: "lost", Count: 1}} })
		k := w.keeper()
		if _, err := tell(k.Register(background, RegisterOptions{})); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v", err)
		}
		_, err := tell(k.Register(background, RegisterOptions{}))
		if tooEarly := new(WaitError); !errors.As(err, &tooEarly) || tooEarly.Until.Sub(now()) > 10*time.Second {
			t.Errorf("at once: %v", err)
		}
		time.Sleep(10 * time.Second)
		must[RegisterResult](t)(k.Register(background, RegisterOptions{}))
		w.counts(2, 0)
	})
}

// Without the store of leases a token is renewed when it has to be, and nothing is registered.
func TestNoLeases(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		k := w.keeper()
		k.Store = &storetest.Faulty{Store: w.store, Hook: func(string) storetest.Fault { return storetest.Failed }}
		time.Sleep(5 * time.Hour)
		if r, err := tell(k.Refresh(background, RefreshOptions{})); !errors.Is(err, storetest.ErrFault) || r.Outcome == Renewed {
			t.Errorf("in good time: %+v, %v", r, err)
		}
		time.Sleep(55 * time.Minute)
		if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})); r.Outcome != Renewed {
			t.Errorf("at the last moment: %+v", r)
		}
		w.counts(1, 2)
		time.Sleep(7 * time.Hour)
		w.adobe.RevokeClients()
		if _, err := tell(k.Refresh(background, RefreshOptions{})); !errors.Is(err, cmu.ErrInvalidClient) {
			t.Errorf("revoked: %v", err)
		}
		w.counts(1, 2)
	})
}

// A token whose life is shorter than the floor is not renewed all the time.
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

func TestStatus(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		k := w.keeper()
		if s := must[Status](t)(k.Status(background)); s.Summary != "There is no access token. There are no client credentials." {
			t.Errorf("%+v", s)
		}
		start := now()
		w.ready()
		time.Sleep(start.Add(2*time.Hour + 48*time.Minute + 30*time.Second).Sub(now()))
		s := must[Status](t)(k.Status(background))
		if !s.Token.Valid || s.Token.Summary != "Access lasts 3 h 11 min without any call succeeding." || s.Token.AgeSeconds < 10100 || s.Token.AgeSeconds > 10110 {
			t.Errorf("%+v", s.Token)
		}
		if !s.Credentials.Present || !s.Credentials.GrantsReports || len(s.Credentials.Scopes) != 7 || s.Credentials.SoftwareID == "" ||
			s.Registrations.Count != 1 || s.Registrations.Reason != "there are no client credentials" || s.Registrations.Failed != 0 {
			t.Errorf("%+v", s)
		}
		tokens := &Tokens{Secrets: &denied{w.secrets, credentialsName}, Name: tokenName, Now: now}
		if other := must[TokenStatus](t)(tokens.Status(background)); other != s.Token {
			t.Errorf("%+v, want %+v", other, s.Token)
		}
		time.Sleep(4 * time.Hour)
		if s := must[Status](t)(k.Status(background)); s.Token.Valid || !strings.HasPrefix(s.Summary, "The access token expired at 2026-03-01T06:00:0") {
			t.Errorf("%+v", s)
		}
	})
}

func TestWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Hour: "less than a minute", 59 * time.Second: "less than a minute", time.Minute: "1 min", 3*time.Hour + 12*time.Minute: "3 h 12 min",
	} {
		if got := words(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}
