package cmu

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

var key = func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}()

func sign(t *testing.T, claims jwt.MapClaims) string {
	t.Helper()
	s, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParseStatement(t *testing.T) {
	text := sign(t, jwt.MapClaims{"sub": "software", "iss": "auth.adobe.com", "iat": 1700667057, "nbf": 1700667057})
	wrapped := "\ufeff" + text[:40] + "\r\n" + text[40:90] + "\n  " + text[90:] + "\n"
	for _, form := range []string{text, text + "\n", wrapped} {
		s, err := ParseStatement([]byte(form))
		if err != nil || s.SoftwareID != "software" || s.Issuer != "auth.adobe.com" || s.Text.Reveal() != text || s.IssuedAt.Unix() != 1700667057 {
			t.Errorf("ParseStatement: %+v, %v", s, err)
		}
		if shown := fmt.Sprintf("%v %+v %#v %s", s, s, s, s); strings.Contains(shown, text[:20]) {
			t.Error("a statement prints its text")
		}
	}
	hs, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "a", "iss": "b"}).SignedString([]byte("k"))
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty": " \n", "text": "hello", "html": "<html>", "cut": text[:len(text)/2], "HS256": hs, "large": strings.Repeat("a", maxStatement+1),
		"no sub": sign(t, jwt.MapClaims{"iss": "b"}), "no iss": sign(t, jwt.MapClaims{"sub": "b"}),
	} {
		if s, err := ParseStatement([]byte(bad)); !errors.Is(err, ErrStatement) {
			t.Errorf("%s: %v, %v", name, s, err)
		} else if len(bad) > 40 && strings.Contains(err.Error(), bad[:30]) {
			t.Errorf("%s: the error quotes the statement", name)
		}
	}
}

func TestStatementCheck(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		s  Statement
		ok bool
	}{
		{Statement{}, true},
		{Statement{ExpiresAt: now.Add(-time.Minute)}, true},
		{Statement{ExpiresAt: now.Add(-time.Hour)}, false},
		{Statement{NotBefore: now.Add(time.Minute)}, true},
		{Statement{NotBefore: now.Add(time.Hour)}, false},
	} {
		if err := c.s.Check(now); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrStatement) {
			t.Errorf("%+v: %v", c.s, err)
		}
	}
}

func serve(t *testing.T, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return &Client{AuthURL: s.URL, ReportsURL: s.URL + "/cmu/v2", RedirectURI: "https://example.com", DeviceInfo: "e30="}
}

func TestRegister(t *testing.T) {
	statement := Statement{Text: "the-statement"}
	for name, c := range map[string]struct {
		status       int
		body         string
		issued       int64
		expires      bool
		scopes       int
		grantsReport bool
	}{
		"sample":  {201, `{"client_id":"id","client_secret":"s3cret","client_id_issued_at":1700725699585,"scopes":["a:client","cmu:analytics:client"]}`, 1700725699, false, 2, true},
		"rfc7591": {200, `{"client_id":"id","client_secret":"s3cret","client_id_issued_at":1700725699,"client_secret_expires_at":1800000000,"scope":"a b"}`, 1700725699, true, 2, false},
		"never":   {201, `{"client_id":"id","client_secret":"s3cret","client_secret_expires_at":0}`, -62135596800, false, 0, false},
	} {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			var got map[string]string
			if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Method != "POST" || r.URL.Path != "/o/client/register" || got["software_statement"] != "the-statement" ||
				got["redirect_uri"] != "https://example.com" || r.Header.Get("X-Device-Info") != "e30=" || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%s: request %s %s %v", name, r.Method, r.URL, got)
			}
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		cred, err := client.Register(t.Context(), statement)
		if err != nil || cred.ClientID != "id" || cred.ClientSecret.Reveal() != "s3cret" || cred.IssuedAt.Unix() != c.issued ||
			cred.ExpiresAt.IsZero() == c.expires || len(cred.Scopes) != c.scopes || cred.GrantsReports() != c.grantsReport {
			t.Errorf("%s: %+v, %v", name, cred, err)
		}
		var shown strings.Builder
		slog.New(slog.NewJSONHandler(&shown, nil)).Info("x", "c", cred)
		if fmt.Fprintf(&shown, "%v %+v %#v", cred, cred, cred); strings.Contains(shown.String(), "s3cret") {
			t.Errorf("credentials print their secret: %s", shown.String())
		}
	}
}

func TestAuthErrors(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		header http.Header
		is     error
		wait   time.Duration
		text   string
	}{
		{400, `{"error":"invalid_software_statement"}`, nil, ErrStatementRefused, 0, "adobe register: status 400 invalid_software_statement"},
		{400, `{"error":"unapproved_software_statement"}`, nil, ErrStatementRefused, 0, "adobe register: status 400 unapproved_software_statement"},
		{429, "<html><head><title>429</title></head><body>Too <b>Many</b>\nRequests</body></html>", nil, ErrThrottled, time.Second, "adobe register: status 429"},
		{503, "", http.Header{"Retry-After": {"7"}}, ErrThrottled, 7 * time.Second, "adobe register: status 503"},
		{302, "", http.Header{"Location": {"https://example.com/"}}, nil, 0, "adobe register: status 302"},
		{201, `{"client_id":"id","client_secret":"s3cr`, nil, nil, 0, "adobe register: the answer is not the JSON object expected"},
		{201, `{}`, nil, nil, 0, "adobe register: the answer names no client_id and client_secret"},
		{201, strings.Repeat("a", maxAuthBody+1), nil, ErrTooLarge, 0, "adobe register: answer too large"},
	} {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			for k, v := range c.header {
				w.Header()[k] = v
			}
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		_, err := client.Register(t.Context(), Statement{Text: "x"})
		var e *Error
		if err == nil || err.Error() != c.text || c.is != nil && !errors.Is(err, c.is) || errors.As(err, &e) && e.RetryAfter != c.wait {
			t.Errorf("%d %.30s: %v (%+v), want %q", c.status, c.body, err, e, c.text)
		}
	}
}

func TestReportErrors(t *testing.T) {
	for _, c := range []struct {
		status int
		body   string
		header http.Header
		is     error
		wait   time.Duration
		reason string
	}{
		{400, "The requested selection is too wide to be processed", nil, ErrTooWide, 0, "The requested selection is too wide to be processed"},
		{401, "<html>no</html>", nil, ErrUnauthorized, 0, "no"},
		{429, "", http.Header{"Date": {"Sat, 04 Jul 2026 12:00:00 GMT"}, "Expires": {"Sat, 04 Jul 2026 12:00:21 GMT"}}, ErrThrottled, 21 * time.Second, ""},
		{429, "", http.Header{"Expires": {"0"}}, ErrThrottled, time.Minute, ""},
		{429, "", http.Header{"Retry-After": {"999999999"}}, ErrThrottled, time.Hour, ""},
		{503, "", http.Header{"Retry-After": {"99999999999999999999"}}, ErrThrottled, time.Hour, ""},
		{503, "", nil, ErrThrottled, 0, ""},
		{503, "", http.Header{"Expires": {"0"}}, ErrThrottled, 0, ""},
		{503, "", http.Header{"Retry-After": {"0"}}, ErrThrottled, time.Second, ""},
		{503, "", http.Header{"Retry-After": {"90"}}, ErrThrottled, 90 * time.Second, ""},
		{500, strings.Repeat("long ", 10_000), nil, nil, 0, strings.TrimSpace(strings.Repeat("long ", 60)) + " …"},
	} {
		client := serve(t, func(w http.ResponseWriter, r *http.Request) {
			for k, v := range c.header {
				w.Header()[k] = v
			}
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		})
		_, err := client.Report(t.Context(), "t0ken", Request{}, "application/json")
		var e *Error
		if !errors.As(err, &e) || e.Status != c.status || c.is != nil && !errors.Is(err, c.is) || e.RetryAfter != c.wait || e.Reason != c.reason {
			t.Errorf("%d: %v (%+v)", c.status, err, e)
		}
	}
}

func TestReportCall(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t0ken" || r.URL.String() != "/cmu/v2/year?mvpd!=a%2Fb&start=2026-01-01" || r.Header.Get("X-Device-Info") != "" {
			t.Errorf("request %s %v", r.URL, r.Header)
		}
		io.WriteString(w, "rows")
	})
	r, err := Parse("year", "start=2026&mvpd%21=a/b")
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Report(t.Context(), "t0ken", r, "application/json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); string(text) != "rows" || err != nil {
		t.Errorf("body %q, %v", text, err)
	}
	client.ReportsURL = "http://127.0.0.1:1/cmu/v2"
	if _, err := client.Report(t.Context(), "t0ken", r, ""); err == nil || strings.Contains(err.Error(), "t0ken") {
		t.Errorf("unreachable: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := client.Report(ctx, "t0ken", r, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestReportBodyLimit(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "0123456789") })
	for limit, want := range map[int64]error{9: ErrTooLarge, 10: nil} {
		client.MaxBody = limit
		resp, err := client.Report(t.Context(), "t", Request{}, "")
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		if !errors.Is(err, want) {
			t.Errorf("limit %d: %v, want %v", limit, err, want)
		}
	}
}
