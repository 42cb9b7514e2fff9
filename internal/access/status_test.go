package access

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/secrets"
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
			s.Summary != "The access token cannot be read. The client credentials cannot be read." {
			t.Errorf("%+v, %v", s, err)
		}
	})
}
