package cmu

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/golang-jwt/jwt/v5"
)

func TestToken(t *testing.T) {
	now := time.Date(2026, 7, 4, 12, 0, 0, 0, time.UTC)
	server := now.Add(3 * time.Minute) // the local clock is three minutes slow
	jwtFor := func(life time.Duration) string {
		return sign(t, jwt.MapClaims{"sub": "id", "iat": server.Unix(), "exp": server.Add(life).Unix(), "scopes": "a,b"})
	}
	for name, c := range map[string]struct {
		answer map[string]any
		life   time.Duration
		left   time.Duration
	}{
		"sample":            {map[string]any{"access_token": jwtFor(6 * time.Hour), "created_at": server.UnixMilli(), "expires_in": 21600, "token_type": "bearer"}, 6 * time.Hour, 6 * time.Hour},
		"string life":       {map[string]any{"access_token": "opaque", "created_at": server.UnixMilli(), "expires_in": "3600"}, time.Hour, time.Hour},
		"milliseconds":      {map[string]any{"access_token": "opaque", "created_at": server.UnixMilli(), "expires_in": 21600000}, 6 * time.Hour, 6 * time.Hour},
		"claim is earlier":  {map[string]any{"access_token": jwtFor(time.Hour), "created_at": server.UnixMilli(), "expires_in": 21600}, time.Hour, time.Hour},
		"answer is earlier": {map[string]any{"access_token": jwtFor(6 * time.Hour), "created_at": server.UnixMilli(), "expires_in": 600}, 10 * time.Minute, 10 * time.Minute},
		"issued before":     {map[string]any{"access_token": "opaque", "created_at": server.Add(-time.Hour).UnixMilli(), "expires_in": 21600}, 6 * time.Hour, 5 * time.Hour},
		"nothing stated":    {map[string]any{"access_token": "opaque"}, 6 * time.Hour, 6 * time.Hour},
	} {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			r.ParseForm()
			_, _, basic := r.BasicAuth()
			if r.URL.RawQuery != "" || basic || r.PostForm.Get("grant_type") != "client_credentials" || r.PostForm.Get("client_id") != "id" || r.PostForm.Get("client_secret") != "s3cret" {
				t.Errorf("%s: request %s %v", name, r.URL, r.PostForm)
			}
			w.Header().Set("Date", server.Format(http.TimeFormat))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusCreated)
			json.NewEncoder(w).Encode(c.answer)
		})
		client.Now = func() time.Time { return now }
		token, err := client.Token(t.Context(), Credentials{ClientID: "id", ClientSecret: "s3cret"})
		if err != nil || token.Value.Reveal() != c.answer["access_token"] || token.Life != c.life || token.ExpiresAt.Sub(now) != c.left {
			t.Errorf("%s: life %v left %v, %v", name, token.Life, token.ExpiresAt.Sub(now), err)
		}
	}
}

func TestTokenErrors(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		is     error
		text   string
	}{
		{400, `{"error":"invalid_client"}`, ErrInvalidClient, "adobe token: status 400 invalid_client"},
		{401, `{"error":"invalid_client"}`, ErrInvalidClient, "adobe token: status 401 invalid_client"},
		{429, "<html>slow down</html>", ErrThrottled, "adobe token: status 429"},
		{201, `{"access_token":""}`, nil, "adobe token: the answer is not an access token"},
		{201, `{"access_token":"s3cret`, nil, "adobe token: the answer is not an access token"},
	} {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		if _, err := client.Token(t.Context(), Credentials{ClientID: "id", ClientSecret: "s3cret"}); err == nil || err.Error() != c.text || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%d %s: %v, want %q", c.status, c.body, err, c.text)
		}
	}
}

// What Adobe may say of a token's life, in each form that a JSON library may write.
func TestTokenLifeInAnyForm(t *testing.T) {
	server := time.Date(2026, 7, 4, 12, 0, 0, 0, time.UTC)
	claims := func(c jwt.MapClaims) string { return sign(t, c) }
	fresh := claims(jwt.MapClaims{"iat": server.Unix(), "exp": server.Add(4 * time.Hour).Unix()})
	for _, c := range []struct {
		token, stated string // stated is what follows the token in the object
		left          time.Duration
	}{
		{"opaque", `"expires_in":21600.0`, 6 * time.Hour},
		{"opaque", `"expires_in":21599.7`, 21599 * time.Second},
		{"opaque", `"expires_in":2.16e4`, 6 * time.Hour},
		{"opaque", `"expires_in":"21600.0"`, 6 * time.Hour},
		{"opaque", `"expires_in":" 21600 "`, 6 * time.Hour},
		{"opaque", `"expires_in":""`, 6 * time.Hour},
		{"opaque", `"expires_in":null`, 6 * time.Hour},
		{"opaque", `"expires_in":0`, 6 * time.Hour},
		{"opaque", `"expires_in":-1`, 6 * time.Hour},
		{"opaque", `"expires_in":true`, 6 * time.Hour},
		{"opaque", `"expires_in":[3600]`, 6 * time.Hour},
		{"opaque", `"expires_in":{}`, 6 * time.Hour},
		{"opaque", `"expires_in":"soon"`, 6 * time.Hour},
		{"opaque", `"expires_in":1e30`, 6 * time.Hour},
		{"opaque", `"expires_in":"NaN"`, 6 * time.Hour},
		{"opaque", `"expires_in":"Inf"`, 6 * time.Hour},
		{"opaque", `"expires_in":1783180800`, 4 * time.Hour},    // the instant of the end
		{"opaque", `"expires_in":1783180800000`, 4 * time.Hour}, // in milliseconds
		{"opaque", `"created_at":"2026-07-04T12:00:00Z"`, 6 * time.Hour},
		{"opaque", `"created_at":{},"token_type":7,"id":[],"scope":{}`, 6 * time.Hour},
		{fresh, `"expires_in":"soon"`, 4 * time.Hour},
		{fresh, `"expires_in":1e30`, 4 * time.Hour},
		{fresh, `"expires_in":{}`, 4 * time.Hour},
		{fresh, `"id":"x"`, 4 * time.Hour},
		{claims(jwt.MapClaims{"exp": server.Add(4 * time.Hour).Unix()}), `"id":"x"`, 4 * time.Hour},
		{claims(jwt.MapClaims{"exp": 1e30, "iat": 1e30}), `"id":"x"`, 6 * time.Hour},
		{claims(jwt.MapClaims{"exp": server.Add(-25 * time.Hour).Unix(), "iat": server.Add(-30 * time.Hour).Unix()}), `"id":"x"`, 5 * time.Hour},
		// A created_at that would make the token one that has ended is wrong; one within its life is believed.
		{"opaque", `"expires_in":21600,"created_at":1783076400000`, 6 * time.Hour}, // 25 h behind
		{fresh, `"expires_in":21600,"created_at":1783076400000`, 4 * time.Hour},
		{"opaque", `"expires_in":21600,"created_at":1783162800000`, 5 * time.Hour}, // 1 h behind
		{"opaque", `"expires_in":21600,"created_at":1783252800000`, 6 * time.Hour}, // a day ahead
	} {
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", server.Format(http.TimeFormat))
			w.WriteHeader(http.StatusCreated)
			io.WriteString(w, `{"access_token":"`+c.token+`",`+c.stated+`}`)
		})
		now := server.Add(-100 * 24 * time.Hour) // only Adobe's own clock counts
		client.Now = func() time.Time { return now }
		token, err := client.Token(t.Context(), Credentials{ClientID: "id", ClientSecret: "s3cret"})
		if _, bad := json.Marshal(token); err != nil || bad != nil || token.Value.Reveal() != c.token || token.ExpiresAt.Sub(now) != c.left {
			t.Errorf("%.6s %s: left %v, issued %v, %v", c.token, c.stated, token.ExpiresAt.Sub(now), token.IssuedAt, err)
		}
	}
}

// wrapped are the forms in which a JSON text may come.
func wrapped(text string) map[string]string {
	little, big := []byte{0xff, 0xfe}, []byte{0xfe, 0xff}
	for _, unit := range utf16.Encode([]rune(text)) {
		little, big = append(little, byte(unit), byte(unit>>8)), append(big, byte(unit>>8), byte(unit))
	}
	return map[string]string{
		"plain": text, "with a mark": "\ufeff" + text, "with white space": "\r\n " + text + "\n\n",
		"in UTF-16LE": string(little), "in UTF-16BE": string(big), "in UTF-16LE without a mark": string(little[2:]), "in UTF-16BE without a mark": string(big[2:]),
	}
}

func TestAuthAnswersInAnyForm(t *testing.T) {
	for _, media := range []string{"application/json", "text/plain", "text/html; charset=x", "application/x-www-form-urlencoded", "nonsense;;", ""} {
		answer, status := "", 0
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{media}
			w.WriteHeader(status)
			io.WriteString(w, answer)
		})
		for what, text := range wrapped(`{"access_token":"t0ken","expires_in":3600,"client_id":"id","client_secret":"s3cret",` +
			`"client_id_issued_at":"","client_secret_expires_at":{},"scopes":[1,"cmu:a"],"scope":7}`) {
			answer, status = text, 201
			got, err := client.Token(t.Context(), Credentials{ClientID: "id", ClientSecret: "s3cret"})
			if err != nil || got.Value.Reveal() != "t0ken" || got.Life != time.Hour {
				t.Errorf("%q, %s: %+v, %v", media, what, got, err)
			}
			c, err := client.Register(t.Context(), Statement{Text: "x"})
			if err != nil || c.ClientID != "id" || !c.ExpiresAt.IsZero() || !c.GrantsReports() {
				t.Errorf("%q, %s: %+v, %v", media, what, c, err)
			}
		}
		answer, status = `{"client_id":123456789012345678901,"client_secret":"s3cret"}`, 201
		if c, err := client.Register(t.Context(), Statement{Text: "x"}); err != nil || c.ClientID != "123456789012345678901" {
			t.Errorf("%q, a number for a client: %+v, %v", media, c, err)
		}
		for what, text := range wrapped(`{"error":"invalid_client"}`) {
			answer, status = text, 400
			if _, err := client.Token(t.Context(), Credentials{}); !errors.Is(err, ErrInvalidClient) {
				t.Errorf("%q, %s: %v", media, what, err)
			}
		}
		answer, status = "access_token=t0ken&expires_in=3600", 200
		if got, err := client.Token(t.Context(), Credentials{}); err != nil || got.Value.Reveal() != "t0ken" || got.Life != time.Hour {
			t.Errorf("%q, a form: %+v, %v", media, got, err)
		}
		for _, text := range []string{"", "null", "[]", "7", `"t0ken"`, "<html>", `{"access_token":7}`, `{"access_token":"t0\nken"}`, `{"token":"t0ken"}`} {
			answer, status = text, 201
			if got, err := client.Token(t.Context(), Credentials{}); err == nil || err.Error() != "adobe token: the answer is not an access token" {
				t.Errorf("%q, %s: %+v, %v", media, text, got, err)
			}
		}
	}
}
