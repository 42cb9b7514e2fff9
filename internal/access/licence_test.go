package access

import (
	"testing"
	"time"

	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/store"
)

func (w *world) licence(tokens *Tokens) string {
	name, known := tokens.Licence(background)
	if !known {
		return "unknown"
	}
	return name
}

// Whose answers are, is told by what the process has in hand, by what was noted, and by the stored token, in this order.
func TestLicence(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		k, tokens := w.keeper(), w.tokens()
		if name := w.licence(tokens); name != "unknown" {
			t.Errorf("without a token: %s", name)
		}
		r := must[RegisterResult](t)(k.Register(background, RegisterOptions{}))
		want := r.Statement.SoftwareID
		if name := w.licence(w.tokens()); name != want || want == "" {
			t.Errorf("registered, without a token: %q, want %q", name, want)
		}
		must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
		time.Sleep(time.Minute)
		reads := &counting{Store: w.secrets}
		tokens = w.tokens(func(o *TokensOptions) { o.Secrets = reads })
		for range 3 {
			if name := w.licence(tokens); name != want {
				t.Errorf("%q, want %q", name, want)
			}
		}
		if n := reads.n.Load(); n != 0 {
			t.Errorf("%d secrets were read", n)
		}
		if got := must[Token](t)(tokens.Token(background)); got.Licence != want {
			t.Errorf("the token is of %q", got.Licence)
		}
		if name := w.licence(w.tokens(func(o *TokensOptions) { o.Secrets = failing{w.secrets, tokenName, secrets.ErrDenied} })); name != want {
			t.Errorf("while no secret can be read: %q", name)
		}
		// A release before this noted nothing. A token that has ended tells it still.
		if err := w.store.DeleteNote(background, noteLicence); err != nil {
			t.Fatal(err)
		}
		time.Sleep(24 * time.Hour)
		if name := w.licence(w.tokens()); name != want {
			t.Errorf("by the stored token: %q", name)
		}
		// The next refresh notes it, also where it does nothing else.
		must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
		if err := w.store.DeleteNote(background, noteLicence); err != nil {
			t.Fatal(err)
		}
		if r := must[RefreshResult](t)(k.Refresh(background, RefreshOptions{})); r.Outcome != Kept {
			t.Fatal(r)
		}
		if name := w.licence(w.tokens(func(o *TokensOptions) { o.Secrets = failing{w.secrets, tokenName, secrets.ErrDenied} })); name != want {
			t.Errorf("after a refresh that kept the token: %q", name)
		}
	})
}

// A process that has a good token learns within a minute that another licence came into use: from the notes, that it reads anyway.
func TestLicenceChangesElsewhere(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		k, tokens := w.keeper(), w.tokens()
		if err := w.use(tokens); err != nil {
			t.Fatal(err)
		}
		before := w.licence(tokens)
		time.Sleep(time.Minute)
		// A new client of the same statement is the same licence.
		must[RegisterResult](t)(k.Register(background, RegisterOptions{Force: true, Reason: "rotation"}))
		must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
		notes := must[map[string]store.Note](t)(w.store.Notes(background))
		tokens.Noted(background, notes)
		if name := w.licence(tokens); name != before {
			t.Errorf("a new client made %q of %q", name, before)
		}
		other := *w.storedToken()
		other.SoftwareID, other.ObtainedAt = "another", time.Now()
		if err := w.secrets.Write(background, tokenName, "t", other.encode()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		k.noteLicence(background, notedLicence{}, "another")
		if name := w.licence(tokens); name != before {
			t.Errorf("nobody has told yet, and the licence is %q", name)
		}
		tokens.Noted(background, must[map[string]store.Note](t)(w.store.Notes(background)))
		if name := w.licence(tokens); name != "another" {
			t.Errorf("the licence is %q still", name)
		}
	})
}

// Where the software is not known the client stands for it: rows of two are never mixed.
func TestLicenceOfHandwrittenCredentials(t *testing.T) {
	for want, given := range map[string][2]string{"s": {"s", "c"}, "client c": {"", "c"}, "": {"", ""}} {
		if got := licenceOf(given[0], given[1]); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}
