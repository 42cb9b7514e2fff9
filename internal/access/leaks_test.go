package access

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"cmu-gateway/internal/rig"
	"cmu-gateway/pkg/cmu"
)

// said holds all that any test of this package was told: log lines, results, errors. hidden holds what must not be in it.
var said, hidden rig.Transcript

// TestMain also looks for secrets in everything that the tests were told.
func TestMain(m *testing.M) {
	if os.Getenv(childDeployment) != "" {
		os.Exit(child())
	}
	code := m.Run()
	if n := leaks(said.String(), hidden.String()); n > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: secrets were found in %d places of the logs, results and errors\n", n)
		code = 1
	}
	os.Exit(code)
}

// leaks counts the places in text that are the begin or the end of what only one secret has: of a JWT, its signature.
func leaks(text, secrets string) (n int) {
	const size = 16
	pieces := map[string]bool{}
	for _, secret := range strings.Fields(secrets) {
		own := secret[strings.LastIndexByte(secret, '.')+1:]
		if len(own) >= size {
			pieces[own[:size]], pieces[own[len(own)-size:]] = true, true
		}
	}
	for i := range max(len(text)-size+1, 0) {
		if pieces[text[i:i+size]] {
			n++
		}
	}
	return n
}

func TestLeaks(t *testing.T) {
	const secret = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.0123456789abcdefghijklmnopqrstuvwxyz"
	for text, want := range map[string]int{
		"": 0, "nothing": 0, secret: 2, "error: " + secret[:60]: 1, "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0": 0, "…" + secret[len(secret)-20:]: 1,
	} {
		if n := leaks(text, "short "+secret); n != want {
			t.Errorf("%q: %d leaks, want %d", text, n, want)
		}
	}
}

// hide adds the secret text in a stored value to hidden.
func hide(value []byte) {
	value = bytes.TrimPrefix(value, []byte("\ufeff"))
	secret := cmu.Secret(value) // a statement
	if c, err := decodeCredentials(value); err == nil {
		secret = c.ClientSecret
	} else if t, err := decodeToken(value); err == nil {
		secret = t.Value
	}
	fmt.Fprintln(&hidden, secret.Reveal())
}
