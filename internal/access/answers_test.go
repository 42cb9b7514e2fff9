package access

import (
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
)

// Whatever Adobe says of a token's life, in whatever wrapping, there is a token of about six hours after one call, and it is renewed
// in time.
func TestOddAnswers(t *testing.T) {
	for _, text := range []string{`21600.0`, `21599.7`, `2.16e4`, `"21600.0"`, `"21600"`, `""`, `"soon"`, `1e30`, `-1`, `0`, `null`, `true`, `{}`, `[]`, "absent", `21600000`} {
		for _, behave := range []func(*sandbox.Behaviour){
			func(*sandbox.Behaviour) {},
			func(b *sandbox.Behaviour) { b.AuthMark, b.AuthMediaType = true, "text/plain" },
			func(b *sandbox.Behaviour) { b.TokenBehindSeconds = 25 * 3600 },
			func(b *sandbox.Behaviour) { b.TokenBehindSeconds = -25 * 3600 },
		} {
			inWorld(t, func(t *testing.T, w *world) {
				w.change(func(b *sandbox.Behaviour) {
					b.TokenExpiresIn = text
					behave(b)
				})
				start := now()
				w.ready()
				if got := w.storedToken(); now().Sub(start) > 5*time.Second || got.ExpiresAt.Sub(start) < 359*time.Minute || got.ExpiresAt.Sub(start) > 361*time.Minute {
					t.Errorf("%s: %v after the start, until %v", text, now().Sub(start), got.ExpiresAt)
				}
				for range 16 {
					must[RefreshResult](t)(w.keeper().Refresh(background, RefreshOptions{}))
					w.wantAccess()
					time.Sleep(30 * time.Minute)
				}
				if c := w.adobe.Counts(); c.Issued > 3 {
					t.Errorf("%s: %d tokens in eight hours", text, c.Issued)
				}
			})
		}
	}
}

// The token tells which software its client was registered for, to whoever can read the token alone.
func TestSoftwareID(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		k, tokens := w.keeper(), w.tokens()
		if id := must[string](t)(tokens.SoftwareID(background)); id != "" {
			t.Errorf("without a token: %s", id)
		}
		if id := must[string](t)(k.SoftwareID(background)); id != "" {
			t.Errorf("without a token: %s", id)
		}
		r := must[RegisterResult](t)(k.Register(background, RegisterOptions{}))
		must[RefreshResult](t)(k.Refresh(background, RefreshOptions{}))
		time.Sleep(time.Minute)
		for range 2 { // read, and in memory
			if id := must[string](t)(tokens.SoftwareID(background)); id != r.Statement.SoftwareID || id == "" {
				t.Errorf("%q, want %q", id, r.Statement.SoftwareID)
			}
		}
		if id := must[string](t)(k.SoftwareID(background)); id != r.Statement.SoftwareID {
			t.Errorf("%q, want %q", id, r.Statement.SoftwareID)
		}
		time.Sleep(24 * time.Hour) // a token that has ended tells it still
		if id := must[string](t)(w.tokens().SoftwareID(background)); id != r.Statement.SoftwareID {
			t.Errorf("%q, want %q", id, r.Statement.SoftwareID)
		}
	})
}
