package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/secrets/secretstest"
	"cmu-gateway/pkg/cmu"
)

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
			r.Statement.RegistersAt != "https://adobe.test" || r.Statement.AgeDays < 800 {
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

func TestHandWrittenCredentials(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		c, err := readCredentials(background, w.secrets, credentialsName)
		if err != nil {
			t.Fatal(err)
		}
		w.put(credentialsName, fmt.Sprintf("\ufeff"+`{"client_id": %q, "client_secret": %q}`, c.ClientID, c.ClientSecret.Reveal()))
		delete(w.secrets.values, tokenName)
		if r := must[RegisterResult](t)(w.keeper().Register(background, RegisterOptions{})); r.Outcome != Kept || !r.Since.IsZero() {
			t.Errorf("%+v", r)
		}
		must[RefreshResult](t)(w.keeper().Refresh(background, RefreshOptions{}))
		w.counts(1, 2)
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

// faultyWrites makes the writes of secrets suffer what fault says for a name.
func faultyWrites(s secrets.Store, fault func(name string) secretstest.Fault) func(*KeeperOptions) {
	return func(o *KeeperOptions) {
		o.Secrets = &secretstest.Faulty{Store: s, Hook: func(op, name string) secretstest.Fault {
			if op == "Write" {
				return fault(name)
			}
			return secretstest.None
		}}
	}
}

// The client secret exists once: storing it is tried for as long as there is time, also when the caller is gone.
func TestStoringIsTriedHard(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		until := now().Add(90 * time.Second)
		k := w.keeper(faultyWrites(w.secrets, func(string) secretstest.Fault {
			if now().Before(until) {
				return secretstest.Failed
			}
			return secretstest.None
		}))
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
		broken := true
		k := w.keeper(faultyWrites(w.secrets, func(string) secretstest.Fault {
			if broken {
				return secretstest.Failed
			}
			return secretstest.None
		}))
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
		k := w.keeper(faultyWrites(w.secrets, func(name string) secretstest.Fault {
			if name == credentialsName {
				return secretstest.FailedButWritten
			}
			return secretstest.None
		}))
		if r := must[RegisterResult](t)(k.Register(background, RegisterOptions{})); r.Outcome != Registered {
			t.Errorf("%+v", r)
		}
	})
}

// A reason is shown to others, in status and in logs: nothing in it steers their terminals, and no statement pasted into it stays.
func TestReasonIsCleaned(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		k := w.keeper()
		r := must[RegisterResult](t)(k.Register(background, RegisterOptions{Force: true, Reason: "new\u202e \x1b[2Jone eyJhbGciOiJSUzI1NiJ9.eyJzdWIi.c2ln"}))
		s := must[Status](t)(k.Status(background))
		if want := "new [2Jone [redacted]"; s.Registrations.Reason != want || !strings.Contains(r.Message, want) {
			t.Errorf("%q, %q", s.Registrations.Reason, r.Message)
		}
	})
}
