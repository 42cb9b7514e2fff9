package access

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/secrets/secretstest"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// refuseReports makes Adobe's reports refuse every token, or none.
func (w *world) refuseReports(refuse bool) {
	w.change(func(b *sandbox.Behaviour) {
		b.Faults = nil
		if refuse {
			b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: 401}}
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

// Who asks for the status while Adobe refuses the stored token is told so, and is told when that is over.
func TestStatusOfRefusedToken(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		w.refuseReports(true)
		status := func() Status { return must[Status](t)(w.keeper().Status(background)) }
		known := 0
		for range 40 {
			if err := w.use(w.tokens()); err == nil { // each is a new process
				t.Fatal("a refused token was good")
			}
			switch s := status(); {
			case strings.HasPrefix(s.Summary, "Adobe refused the access token and, in a row,") && !s.Token.Valid:
				known++
			case !strings.HasSuffix(s.Summary, "Adobe refused the token before this one, and may refuse this one too."): // just renewed
				t.Fatalf("%s: %+v", now(), s)
			}
			time.Sleep(30 * time.Second)
		}
		if known < 30 {
			t.Errorf("the refusal was known in %d of 40 cases", known)
		}
		w.refuseReports(false)
		if err := w.use(w.tokens()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if s := status(); !s.Token.Valid || !strings.HasSuffix(s.Summary, "without any call succeeding.") {
			t.Errorf("%+v", s)
		}
	})
}

// A token that was refused and could not be replaced is one that status names.
func TestStatusWhileDown(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		w.setDown(func(string) error { return errDown })
		k := w.keeper()
		_, _ = tell(k.Refresh(background, RefreshOptions{Refused: Fingerprint("another")}))
		if s := must[Status](t)(k.Status(background)); !s.Token.Valid {
			t.Errorf("another was refused: %+v", s)
		}
		if _, err := tell(k.Refresh(background, RefreshOptions{Refused: w.storedToken().fingerprint()})); !errors.Is(err, ErrNoAccess) {
			t.Errorf("%v", err)
		}
		if s := must[Status](t)(k.Status(background)); s.Token.Valid || s.Summary != "Adobe refused the access token." {
			t.Errorf("%+v", s)
		}
	})
}

// When a process ends in the middle of a registration, the next one says that it waits, until when, and registers by itself.
func TestRegisterAfterCrash(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		dead := w.keeper()
		dead.Client = &cmu.Client{AuthURL: w.client.AuthURL, Now: now, Transport: mortalTransport{&mortal{left: 1}, w}}
		func() {
			defer func() { _ = recover() }()
			_, _ = dead.Register(background, RegisterOptions{})
		}()
		// The deferred release ran, as it does not after a kill.
		if err := w.store.Acquire(background, leaseRegister, "dead", now().Add(dead.lease(leaseRegister, beyondRegistration).life)); err != nil {
			t.Fatal(err)
		}
		k, start := w.keeper(), now()
		var told []string
		k.Waits = func(message string) { told = append(told, message) }
		must[RegisterResult](t)(k.Register(background, RegisterOptions{}))
		if waited := now().Sub(start); waited < time.Minute || waited > 95*time.Second {
			t.Errorf("registered after %s", waited)
		}
		want := "another process is registering: this one goes on when that is done, at 00:01:30 UTC at the latest"
		if len(told) != 1 || told[0] != want {
			t.Errorf("told %q, want %q", told, want)
		}
		ctx, cancel := context.WithTimeout(background, 10*time.Second)
		defer cancel()
		if err := w.store.Acquire(background, leaseRegister, "another", now().Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		_, err := tell(w.keeper().Register(ctx, RegisterOptions{Force: true, Reason: "test"}))
		if err == nil || !strings.HasPrefix(err.Error(), "register: another process is registering, until 2026-03-01T01:01:") || !errors.As(err, new(*store.HeldError)) {
			t.Errorf("%v", err)
		}
		w.counts(2, 0) // the dead one's answer is lost
	})
}

// However slowly the calls fail, nobody else may register while credentials are being stored.
func TestLeaseOutlastsStoring(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		k := w.keeper()
		w.setDown(func(string) error { time.Sleep(59 * time.Second); return nil })
		first := now()
		k.Secrets = &secretstest.Faulty{Store: hanging{w.secrets, 150 * time.Second, first}}
		done := make(chan struct{})
		go func() {
			defer close(done)
			must[RegisterResult](t)(k.Register(background, RegisterOptions{}))
		}()
		time.Sleep(time.Second)
		for running := true; running; {
			select {
			case <-done:
				running = false
			case <-time.After(time.Second):
				w.store.mu.Lock()
				until := w.store.leases[leaseRegister].until
				w.store.mu.Unlock()
				if !until.IsZero() && until.Sub(now()) < 10*time.Second {
					t.Errorf("%s after the start the lease lasts only %s", now().Sub(first), until.Sub(now()))
				}
			}
		}
		w.counts(1, 0)
	})
}

// hanging does not answer writes until so long after start.
type hanging struct {
	secrets.Store
	wait  time.Duration
	start time.Time
}

func (h hanging) Write(ctx context.Context, name, id string, value []byte) error {
	if now().Sub(h.start) < h.wait {
		<-ctx.Done()
		return ctx.Err()
	}
	return h.Store.Write(ctx, name, id, value)
}

// Errors are one line, say nothing twice, and name what to check.
func TestErrorsAreSentences(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		k := w.keeper()
		want := func(err error, is error, texts ...string) {
			t.Helper()
			if err == nil || strings.Contains(err.Error(), "\n") || is != nil && !errors.Is(err, is) {
				t.Errorf("%q", err)
				return
			}
			for _, text := range texts {
				if strings.Count(err.Error(), text) != 1 {
					t.Errorf("%q has not once %q", err, text)
				}
			}
		}
		check := "http://adobe.test was asked: check CMU_AUTH_URL and CMU_ENVIRONMENT"
		w.setDown(func(string) error { return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED} })
		_, err := tell(k.Register(background, RegisterOptions{}))
		want(err, syscall.ECONNREFUSED, check)
		w.setDown(nil)
		time.Sleep(time.Minute)
		nowhere := *w.client
		nowhere.AuthURL = "http://adobe.test/nowhere"
		k.Client = &nowhere
		_, err = tell(k.Register(background, RegisterOptions{}))
		want(err, nil, "adobe register: status 404", "http://adobe.test/nowhere was asked: check CMU_AUTH_URL and CMU_ENVIRONMENT")
		k.Client = w.client
		time.Sleep(time.Minute)
		w.change(func(b *sandbox.Behaviour) {
			b.Faults = []sandbox.Fault{{On: "register", Kind: "status", Status: 400, Body: `{"error":"invalid_software_statement"}`}}
		})
		_, err = tell(k.Register(background, RegisterOptions{}))
		want(err, cmu.ErrStatementRefused, "invalid_software_statement")
		if strings.Contains(err.Error(), "CMU_AUTH_URL") {
			t.Errorf("%v", err)
		}
		_, err = tell(k.Register(background, RegisterOptions{}))
		want(err, cmu.ErrStatementRefused, "software statement refused", "refused", "invalid_software_statement", "register with force")
		w.change(func(b *sandbox.Behaviour) { b.Faults = nil })
		must[RegisterResult](t)(k.Register(background, RegisterOptions{Force: true, Reason: "approved now"}))
		k.Client = &nowhere
		_, err = tell(k.Refresh(background, RefreshOptions{}))
		want(err, ErrNoAccess, "there is no valid access token", "nowhere was asked")
	})
}

// A status says why a file cannot be read, with the way out, and tells the rest.
func TestStatusOfUnreadableFiles(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		dir := t.TempDir()
		files, err := secrets.NewFiles(dir)
		if err != nil {
			t.Fatal(err)
		}
		k := w.keeper()
		k.Secrets, k.CredentialsName, k.TokenName, k.StatementName = files, "credentials", "token", "statement"
		if err := files.Write(background, "statement", "", []byte(w.adobe.Statement())); err != nil {
			t.Fatal(err)
		}
		must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
		for _, name := range []string{"credentials", "token"} { // for the search for leaks
			value, err := files.Read(background, name)
			if err != nil {
				t.Fatal(err)
			}
			hide(value)
		}
		path := filepath.Join(dir, "credentials")
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
		s, err := tell(k.Status(background))
		if !errors.Is(err, secrets.ErrDenied) || !strings.Contains(err.Error(), "run chmod 600 "+path) || errors.Unwrap(err) == nil || !s.Token.Valid ||
			!strings.HasSuffix(s.Summary, "The client credentials cannot be read.") {
			t.Errorf("%+v, %v", s, err)
		}
		if err := os.WriteFile(filepath.Join(dir, "token"), []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err = tell(k.Status(background))
		if !errors.Is(err, secrets.ErrDenied) || !errors.Is(err, errUnreadable) || strings.Contains(err.Error(), "\n") ||
			s.Summary != "The access token cannot be read. The client credentials cannot be read." {
			t.Errorf("%+v, %v", s, err)
		}
	})
}
