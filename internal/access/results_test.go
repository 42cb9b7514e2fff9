package access

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"
)

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
		check := "https://adobe.test was asked: check CMU_AUTH_URL and CMU_ENVIRONMENT"
		w.setDown(func(string) error { return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED} })
		_, err := tell(k.Register(background, RegisterOptions{}))
		want(err, syscall.ECONNREFUSED, check)
		w.setDown(nil)
		time.Sleep(time.Minute)
		client := *w.client
		client.AuthURL = "https://adobe.test/nowhere"
		nowhere := w.keeper(func(o *KeeperOptions) { o.Client = &client })
		_, err = tell(nowhere.Register(background, RegisterOptions{}))
		want(err, nil, "adobe register: status 404", "https://adobe.test/nowhere was asked: check CMU_AUTH_URL and CMU_ENVIRONMENT")
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
		want(err, cmu.ErrStatementRefused, "software statement refused", "refused", "invalid_software_statement", "cmu register --force --reason TEXT")
		w.change(func(b *sandbox.Behaviour) { b.Faults = nil })
		must[RegisterResult](t)(k.Register(background, RegisterOptions{Force: true, Reason: "approved now"}))
		_, err = tell(nowhere.Refresh(background, RefreshOptions{}))
		want(err, ErrNoAccess, "there is no valid access token", "nowhere was asked")
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
