package cmu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Credentials are what registration yields: they are good until they are refused or ExpiresAt, and exist nowhere else.
//
// Source: RFC 7591 section 3.2.1; Adobe, DCR: "Retrieve client credentials".
type Credentials struct {
	// ClientID names the client: printable text of up to 256 bytes, no secret.
	ClientID     string
	ClientSecret Secret
	// IssuedAt is Adobe's word; zero: not stated.
	IssuedAt time.Time
	// ExpiresAt is when the secret ends; zero: never. Adobe has not been seen to state it.
	ExpiresAt time.Time
	// Scopes are what the client may ask for, as Adobe lists them; unprintable ones are left out.
	Scopes []string
}

// GrantsReports reports whether the scopes name one of those that reports need, which begin with cmu: (cmu:analytics:client,
// cmu:billing:client). Adobe's own sample leaves them unnamed, so a false answer is a reason to warn, not to stop.
func (c Credentials) GrantsReports() bool {
	return slices.ContainsFunc(c.Scopes, func(s string) bool { return strings.HasPrefix(s, "cmu:") })
}

// Register trades a software statement for client credentials. Each call that Adobe answers makes one more client there:
// keep the result and do not call again while it is good.
//
// Errors: *[Error] for an answer of Adobe's, matching [ErrStatementRefused] when the statement is at fault and [ErrThrottled] when
// the call came too early; another error when no usable answer came, in which case Adobe may still have made a client.
//
// Source: RFC 7591 section 3; Adobe, DCR: "Retrieve client credentials". Adobe answers 201, names its scopes in an array, and states
// client_id_issued_at in milliseconds or seconds.
func (c *Client) Register(ctx context.Context, s Statement) (Credentials, error) {
	payload, err := json.Marshal(struct {
		SoftwareStatement string `json:"software_statement"`
		RedirectURI       string `json:"redirect_uri,omitempty"`
	}{s.Text.Reveal(), c.RedirectURI})
	if err != nil {
		return Credentials{}, fmt.Errorf("adobe register: %w", err)
	}
	base, err := checkBase("AuthURL", c.AuthURL)
	if err != nil {
		return Credentials{}, fmt.Errorf("adobe register: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/o/client/register", bytes.NewReader(payload))
	if err != nil {
		return Credentials{}, fmt.Errorf("adobe register: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := c.send(req, opRegister, maxAuthBody, http.StatusCreated, http.StatusOK)
	if err != nil {
		return Credentials{}, err
	}
	defer resp.Body.Close()
	var answer struct {
		ClientID     string      `json:"client_id"`
		ClientSecret string      `json:"client_secret"`
		IssuedAt     json.Number `json:"client_id_issued_at"`
		ExpiresAt    json.Number `json:"client_secret_expires_at"`
		Scopes       names       `json:"scopes"`
		Scope        names       `json:"scope"`
	}
	if err := decodeAuth(resp.Body, &answer); err != nil {
		return Credentials{}, fmt.Errorf("adobe register: %w", err)
	}
	if answer.ClientID == "" || answer.ClientSecret == "" {
		return Credentials{}, errors.New("adobe register: the answer names no client_id and client_secret")
	}
	if !isName(answer.ClientID) {
		return Credentials{}, fmt.Errorf("adobe register: the answer's client_id is not printable text of up to %d bytes", maxName)
	}
	scopes := slices.DeleteFunc(append(answer.Scopes, answer.Scope...), func(s string) bool { return !isName(s) })
	return Credentials{
		ClientID: answer.ClientID, ClientSecret: Secret(answer.ClientSecret), Scopes: scopes,
		IssuedAt: epoch(answer.IssuedAt), ExpiresAt: epoch(answer.ExpiresAt),
	}, nil
}

// decodeAuth reads a small JSON answer. A syntax error would quote the body, which holds a secret.
func decodeAuth(r io.Reader, v any) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if json.Unmarshal(text, v) != nil {
		return errors.New("the answer is not the JSON object expected")
	}
	return nil
}

// names is a list of names given as a JSON array or as one string with commas or spaces between them.
type names []string

func (n *names) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(n))
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	*n = strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
	return nil
}

// epoch reads seconds or milliseconds since 1970; what is too large for seconds is milliseconds. Zero and nonsense are
// the zero time.
func epoch(n json.Number) time.Time {
	f, err := n.Float64()
	switch {
	case err != nil || f <= 0 || f > 1e14:
		return time.Time{}
	case f > 1e11:
		return time.UnixMilli(int64(f)).UTC()
	}
	return time.Unix(int64(f), 0).UTC()
}

// oauthCode reads the code of an OAuth error body, or "".
func oauthCode(body []byte) string {
	var answer struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil || len(answer.Error) > 64 || strings.ContainsFunc(answer.Error, notCode) {
		return ""
	}
	return answer.Error
}

func notCode(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }

// Token is an access token: what reports are asked with. It cannot be renewed, only followed by another.
type Token struct {
	// Value is the token itself, a bearer token: who has it can read reports.
	Value Secret
	// IssuedAt is Adobe's word, by Adobe's clock; it orders tokens.
	IssuedAt time.Time
	// ExpiresAt is measured by the local clock, from the moment of the call, so that a wrong clock does no harm.
	ExpiresAt time.Time
	// Life is how long the token is good for in all: six hours at Adobe, one hour where nothing is stated.
	Life time.Duration
}

// Token trades client credentials for an access token. They travel in the form body. Only ClientID and ClientSecret are used.
//
// Errors: *[Error] for an answer of Adobe's, matching [ErrInvalidClient] when the credentials are at fault and [ErrThrottled]
// when the call came too early; another error when no usable answer came.
//
// Source: RFC 6749 section 4.4; Adobe, DCR: "Retrieve access token". Adobe answers 201 with created_at in milliseconds.
func (c *Client) Token(ctx context.Context, cred Credentials) (Token, error) {
	base, err := checkBase("AuthURL", c.AuthURL)
	if err != nil {
		return Token{}, fmt.Errorf("adobe token: %w", err)
	}
	if ctx == nil {
		return Token{}, errors.New("adobe token: nil Context") // as the other calls say it; oauth2 would panic
	}
	config := clientcredentials.Config{
		ClientID: cred.ClientID, ClientSecret: cred.ClientSecret.Reveal(),
		TokenURL: base + "/o/client/token", AuthStyle: oauth2.AuthStyleInParams,
	}
	carrier := &tokenTransport{client: c}
	asked := c.now()
	t, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: carrier}))
	var apiError *Error
	switch {
	case errors.As(err, &apiError):
		return Token{}, apiError
	case carrier.err != nil:
		return Token{}, carrier.err
	case err != nil || t.AccessToken == "":
		return Token{}, errors.New("adobe token: the answer is not an access token") // the cause may quote the body
	}
	return newToken(t, carrier.date, asked), nil
}

// tokenTransport lends Client.send to the oauth2 package and keeps what that package forgets.
type tokenTransport struct {
	client *Client
	date   time.Time // the server's clock; zero: not stated
	err    error
}

func (t *tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Accept", "application/json")
	resp, err := t.client.send(req, opToken, maxAuthBody, http.StatusCreated, http.StatusOK)
	if err != nil {
		t.err = err
		return nil, err
	}
	t.date, _ = http.ParseTime(resp.Header.Get("Date"))
	return resp, nil
}

// maxSeconds is the longest life of a token that is taken for seconds; a larger number is milliseconds.
const maxSeconds = 90 * 24 * 3600

// newToken dates a token that was asked for at the local instant asked. It may state its end in three ways: the earliest
// wins.
func newToken(t *oauth2.Token, date, asked time.Time) Token {
	var claims jwt.RegisteredClaims
	_, _, unreadable := jwt.NewParser().ParseUnverified(t.AccessToken, &claims)
	created := epoch(number(t.Extra("created_at")))
	if created.IsZero() && unreadable == nil {
		created = dateOf(claims.IssuedAt)
	}
	if created.IsZero() {
		created = date
	}
	if created.IsZero() {
		created = asked
	}
	if date.IsZero() {
		date = created
	}
	stated := t.ExpiresIn
	if stated == 0 {
		if s, err := number(t.Extra("expires_in")).Float64(); err == nil {
			stated = int64(s)
		}
	}
	if stated > maxSeconds {
		stated /= 1000
	}
	life := time.Duration(stated) * time.Second
	if unreadable == nil && claims.ExpiresAt != nil {
		from := created
		if claims.IssuedAt != nil {
			from = claims.IssuedAt.Time
		}
		if byClaim := claims.ExpiresAt.Sub(from); life <= 0 || byClaim < life {
			life = byClaim
		}
	}
	if life <= 0 {
		life = time.Hour // not stated at all; RFC 6749 section 5.1 leaves it to other documentation
	}
	// A token issued before this call has less than its life left; the Date header has whole seconds.
	age := max(date.Sub(created), 0)
	if age < 2*time.Second {
		age = 0
	}
	return Token{Value: Secret(t.AccessToken), IssuedAt: created.UTC(), ExpiresAt: asked.Add(life - age), Life: life}
}

func number(v any) json.Number {
	switch v := v.(type) {
	case json.Number:
		return v
	case string:
		return json.Number(v)
	case float64:
		b, _ := json.Marshal(v)
		return json.Number(b)
	}
	return ""
}
