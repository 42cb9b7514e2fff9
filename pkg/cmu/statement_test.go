package cmu

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
)

// unprintable are names that must not reach a terminal.
var unprintable = map[string]string{
	"ESC": "a\x1b[31mred", "newline": "a\nb", "NUL": "a\x00", "DEL": "a\x7f", "C1": "a\u009b31m", "line separator": "a\u2028b",
	"right-to-left override": "a\u202eb", "long": strings.Repeat("a", 257),
}

func TestStatementNames(t *testing.T) {
	longest := strings.Repeat("a", 256)
	for _, name := range []string{"a b", "Fernsehen für alle", "放送", longest} {
		if s, err := ParseStatement([]byte(sign(t, jwt.MapClaims{"sub": name, "iss": name}))); err != nil || s.SoftwareID != name || s.Issuer != name {
			t.Errorf("%q: %+v, %v", name, s, err)
		}
	}
	for what, name := range unprintable {
		for _, claims := range []jwt.MapClaims{{"sub": name, "iss": "iss"}, {"sub": "sub", "iss": name}} {
			s, err := ParseStatement([]byte(sign(t, claims)))
			if !errors.Is(err, ErrStatement) || !strings.Contains(err.Error(), "printable text of up to 256 bytes") || strings.Contains(err.Error(), name) {
				t.Errorf("%s: %+v, %v", what, s, err)
			}
		}
	}
	part := base64.RawURLEncoding.EncodeToString
	raw := part([]byte(`{"alg":"RS256"}`)) + "." + part([]byte("{\"sub\":\"a\xff\",\"iss\":\"iss\"}")) + "." + part(make([]byte, minSignature))
	if s, err := ParseStatement([]byte(raw)); !errors.Is(err, ErrStatement) {
		t.Errorf("invalid UTF-8: %+v, %v", s, err)
	}
}

func TestRegisteredNames(t *testing.T) {
	var answer map[string]any
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(answer)
	})
	for what, name := range unprintable {
		answer = map[string]any{"client_id": name, "client_secret": "s3cret"}
		if got, err := c.Register(t.Context(), Statement{}); err == nil || !strings.Contains(err.Error(), "client_id is not printable") ||
			strings.Contains(err.Error(), name) {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
		answer = map[string]any{"client_id": "id", "client_secret": "s3cret", "scopes": []string{"a", name, "", "cmu:analytics:client"}}
		got, err := c.Register(t.Context(), Statement{})
		if err != nil || !slices.Equal(got.Scopes, []string{"a", "cmu:analytics:client"}) || !got.GrantsReports() {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
}
