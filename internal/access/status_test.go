package access

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/store/storetest"
	"cmu-gateway/pkg/cmu"
)

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
		other := must[Status](t)(w.tokens().Status(background))
		if other.Credentials = s.Credentials; !reflect.DeepEqual(other, s) {
			t.Errorf("%+v, want %+v", other, s)
		}
		time.Sleep(4 * time.Hour)
		if s := must[Status](t)(k.Status(background)); s.Token.Valid || !strings.HasPrefix(s.Summary, "The access token expired at 2026-03-01T06:00:0") {
			t.Errorf("%+v", s)
		}
	})
}

// Who asks for the status while Adobe refuses the stored token is told so, and is told when that is over.
func TestStatusOfRefusedToken(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		w.refuseReports(true)
		status := func() Status {
			s := must[Status](t)(w.keeper().Status(background))
			if other := must[Status](t)(w.tokens().Status(background)); other.Token != s.Token || other.Summary != s.Summary {
				t.Fatalf("another process that only reads the token says %+v, want %+v", other, s)
			}
			return s
		}
		known := 0
		for range 40 {
			if err := w.use(w.tokens()); err == nil { // each is a new process
				t.Fatal("a refused token was good")
			}
			switch s := status(); {
			case strings.HasPrefix(s.Summary, "Adobe has refused ") && strings.Contains(s.Summary, "access tokens in a row") && !s.Token.Valid && len(s.Problems) == 1:
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
		for _, status := range []func(context.Context) (Status, error){k.Status, w.tokens().Status} {
			if s := must[Status](t)(status(background)); s.Token.Valid || !strings.HasPrefix(s.Summary, "Adobe refuses the access token since 2026-03-01T00:0") ||
				s.Token.Summary != "Adobe refused the access token." {
				t.Errorf("%+v", s)
			}
		}
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
		k := w.keeper(func(o *KeeperOptions) {
			o.Secrets, o.CredentialsName, o.TokenName, o.StatementName = files, "credentials", "token", "statement"
		})
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
			s.Summary != "The access token cannot be read. The client credentials cannot be read." || s.Credentials != nil {
			t.Errorf("%+v, %v", s, err)
		}
		tokens := w.tokens(func(o *TokensOptions) { o.Secrets, o.Name = files, "token" })
		for range 2 { // the second does not read again
			s, err = tell(tokens.Status(background))
			if !errors.Is(err, errUnreadable) || s.Summary != "The access token cannot be read." || s.Registrations.Count != 1 {
				t.Errorf("%+v, %v", s, err)
			}
		}
	})
}

// A process that must not read the credentials knows from the notes that Adobe refuses them, until there is a token again.
func TestStatusOfRefusedClient(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		w.ready()
		time.Sleep(5 * time.Hour)
		w.adobe.RevokeClients()
		k := w.keeper(func(o *KeeperOptions) { o.AskRegister = func(context.Context, string) error { return nil } })
		_, _ = tell(k.Refresh(background, RefreshOptions{}))
		all := must[Status](t)(k.Status(background))
		if !strings.Contains(all.Summary, "succeeding. Adobe refuses the client credentials since 2026-03-01T05:00:0") ||
			!strings.Contains(all.Summary, "To end it now: cmu register --force --reason TEXT") || all.Credentials.RefusedSince.IsZero() {
			t.Errorf("%+v", all)
		}
		s := must[Status](t)(w.tokens().Status(background))
		if s.Summary != all.Summary || s.Token != all.Token || s.Registrations != all.Registrations || s.Credentials != nil {
			t.Errorf("%+v, want %+v", s, all)
		}
		time.Sleep(time.Hour)
		if _, err := tell(w.tokens(func(o *TokensOptions) {
			o.Notes = &storetest.Faulty{Store: w.store, Hook: func(string) storetest.Fault { return storetest.Failed }}
		}).Status(background)); !errors.Is(err, storetest.ErrFault) {
			t.Errorf("without notes: %v", err)
		}
		c := credentials{Credentials: must[cmu.Credentials](t)(w.client.Register(background,
			must[cmu.Statement](t)(cmu.ParseStatement([]byte(w.adobe.Statement())))))}
		w.put(credentialsName, string(c.encode())) // by hand: the note stays
		must[RefreshResult](t)(w.keeper().Refresh(background, RefreshOptions{}))
		if s := must[Status](t)(w.tokens().Status(background)); !strings.HasSuffix(s.Summary, "without any call succeeding.") {
			t.Errorf("%+v", s)
		}
	})
}

// The names in the document of GET /status are stable.
func TestStatusNames(t *testing.T) {
	at := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	text, err := json.Marshal(Status{
		Credentials:      &CredentialsStatus{ClientID: "c", SoftwareID: "s", Since: at, ExpiresAt: at, Scopes: []string{"cmu"}, RefusedSince: at},
		Token:            TokenStatus{Fingerprint: "f", IssuedAt: at, ExpiresAt: at},
		Registrations:    RegistrationsStatus{Last: at, Reason: "r", FailedAt: at},
		StatementRefused: at, StatementRefusal: "code",
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"summary":"","credentials":{"present":false,"client_id":"c","software_id":"s","since":"2026-03-01T00:00:00Z",` +
		`"expires_at":"2026-03-01T00:00:00Z","scopes":["cmu"],"grants_reports":false,"refused_since":"2026-03-01T00:00:00Z"},` +
		`"token":{"valid":false,"fingerprint":"f","issued_at":"2026-03-01T00:00:00Z","expires_at":"2026-03-01T00:00:00Z",` +
		`"age_seconds":0,"remaining_seconds":0,"summary":""},"registrations":{"count":0,"orphans":0,"last":"2026-03-01T00:00:00Z",` +
		`"reason":"r","failed":0,"failed_at":"2026-03-01T00:00:00Z"},"statement_refused":"2026-03-01T00:00:00Z","statement_refusal":"code"}`
	if string(text) != want {
		t.Errorf("got %s, want %s", text, want)
	}
	if text, err = json.Marshal(Status{}); err != nil || strings.Contains(string(text), "credentials") {
		t.Errorf("unknown credentials: %s, %v", text, err)
	}
}
