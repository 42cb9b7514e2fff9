package access

import (
	"strings"
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

// A page that answers in Adobe's place, with a status of success, is no trouble that passes while somebody waits: a few seconds tell, and
// the error says what it may be and where.
func TestAPageInAdobesPlace(t *testing.T) {
	page := sandbox.Fault{Kind: "status", Status: 200, Body: "<!doctype html><title>Wi-Fi</title><form>"}
	for _, on := range []string{"register", "token"} {
		inWorld(t, func(t *testing.T, w *world) {
			if on == "token" {
				w.ready()
			}
			page.On = on
			w.change(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{page} })
			if on == "token" {
				w.adobe.RevokeTokens()
				time.Sleep(7 * time.Hour)
			}
			begun := now()
			var err error
			if on == "token" {
				_, err = w.keeper().Refresh(background, RefreshOptions{})
			} else {
				_, err = w.keeper().Register(background, RegisterOptions{})
			}
			if took := now().Sub(begun); took > 5*time.Second || err == nil {
				t.Errorf("%s: %v after %v", on, err, took)
			} else if !strings.Contains(err.Error(), "login page of a network") || !strings.Contains(err.Error(), "CMU_AUTH_URL") {
				t.Errorf("%s: %v", on, err)
			}
		})
	}
}
