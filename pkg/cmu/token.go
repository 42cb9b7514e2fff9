package cmu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// Token is an access token: what reports are asked with. It cannot be renewed, only followed by another.
type Token struct {
	// Value is the token itself, a bearer token: who has it can read reports.
	Value Secret
	// IssuedAt is Adobe's word, by Adobe's clock; it orders tokens.
	IssuedAt time.Time
	// ExpiresAt is measured by the local clock, from the moment of the call, so that a wrong clock does no harm.
	ExpiresAt time.Time
	// Life is how long the token is good for in all: six hours at Adobe.
	Life time.Duration
}

// Token trades client credentials for an access token. They travel in the form body. Only ClientID and ClientSecret are used.
//
// Errors: *[Error] for an answer of Adobe's, matching [ErrInvalidClient] when the credentials are at fault and [ErrThrottled]
// when the call came too early; another error when no usable answer came.
//
// Source: RFC 6749 section 4.4; Adobe, DCR: "Retrieve access token". Adobe answers 201 with created_at in milliseconds.
func (c *Client) Token(ctx context.Context, cred Credentials) (Token, error) {
	base, err := c.base("AuthURL", c.AuthURL)
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
	carrier := &tokenTransport{client: c, secret: cred.ClientSecret}
	asked := c.now()
	t, err := config.Token(context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: carrier}))
	var apiError *Error
	switch {
	case errors.As(err, &apiError):
		return Token{}, apiError
	case carrier.err != nil:
		return Token{}, carrier.err
	case err != nil || t.AccessToken == "":
		return Token{}, errNoToken // the cause may quote the body
	}
	return carrier.answer.token(carrier.date, asked), nil
}

var errNoToken = fmt.Errorf("adobe token: %w", errNotToken)

var errNotToken error = &answerError{"the answer is not an access token"}

// tokenTransport lends Client.send to the oauth2 package. It reads the answer itself and hands on what that package is strict about
// in a form that it takes.
type tokenTransport struct {
	client *Client
	secret Secret
	answer tokenAnswer
	date   time.Time // the server's clock; zero: not stated
	err    error
}

func (t *tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Accept", "application/json")
	resp, err := t.client.send(req, opToken, t.secret, maxAuthBody, http.StatusCreated, http.StatusOK)
	if err != nil {
		t.err = err
		return nil, err
	}
	defer resp.Body.Close()
	t.date, _ = http.ParseTime(resp.Header.Get("Date"))
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.err = fmt.Errorf("adobe token: %w", err)
		return nil, t.err
	}
	if t.answer, err = readTokenAnswer(text); err != nil {
		t.err = err
		return nil, err
	}
	if sent := t.secret.Reveal(); len(sent) >= piece && strings.Contains(t.answer.AccessToken, sent) { // it would go to the reports server
		t.err = errNoToken
		return nil, t.err
	}
	plain, err := json.Marshal(map[string]string{"access_token": t.answer.AccessToken, "token_type": "bearer"})
	if err != nil {
		return nil, err
	}
	resp.Header = http.Header{"Content-Type": {"application/json"}}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(plain)), int64(len(plain))
	return resp, nil
}

// tokenAnswer is what Adobe says of a token.
type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   number `json:"expires_in"`
	CreatedAt   number `json:"created_at"`
}

// readTokenAnswer reads a JSON object, or a form as RFC 6749 was once read, whatever its media type says.
func readTokenAnswer(text []byte) (tokenAnswer, error) {
	text = utf8Text(text)
	var a tokenAnswer
	if json.Unmarshal(text, &a) != nil {
		a = tokenAnswer{}
		if form, err := url.ParseQuery(strings.TrimSpace(string(text))); err == nil {
			a.AccessToken = form.Get("access_token")
			_ = a.ExpiresIn.UnmarshalJSON([]byte(form.Get("expires_in")))
			_ = a.CreatedAt.UnmarshalJSON([]byte(form.Get("created_at")))
		}
	}
	if a.AccessToken = strings.TrimSpace(a.AccessToken); a.AccessToken == "" || strings.ContainsFunc(a.AccessToken, notHeader) {
		return tokenAnswer{}, errNoToken
	}
	return a, nil
}

// notHeader tells what cannot stand in a header behind Bearer.
func notHeader(r rune) bool { return r <= ' ' || r > '~' }

const (
	// documentedLife is that of Adobe's documentation, for tokens that do not state theirs.
	documentedLife = 6 * time.Hour
	// maxLife is the longest life that is believed.
	maxLife = 90 * 24 * time.Hour
)

// token dates a token that was asked for at the local instant asked and came with the server's date. Times are compared with that
// date, never with the local clock. The life is stated in two ways: the shorter wins.
func (a tokenAnswer) token(date, asked time.Time) Token {
	claimed, byClaim := claims(a.AccessToken, date)
	issued := epoch(a.CreatedAt)
	if issued.IsZero() {
		issued = claimed
	}
	if date.IsZero() {
		date = issued
	}
	if date.IsZero() {
		date = asked
	}
	life := a.life(date)
	if life <= 0 || byClaim > 0 && byClaim < life {
		life = byClaim
	}
	if life <= 0 {
		life = documentedLife
	}
	// A token issued before this call has less than its life left; the Date header has whole seconds. Adobe gives none that has
	// ended: a date that says so is wrong.
	age := date.Sub(issued)
	if issued.IsZero() || age >= life || age < -maxLife {
		issued, age = date, 0
	}
	if age < 2*time.Second {
		age = 0
	}
	return Token{Value: Secret(a.AccessToken), IssuedAt: issued.UTC(), ExpiresAt: asked.Add(life - age), Life: life}
}

// life reads expires_in: seconds, milliseconds, or the instant of the end. Zero: it says nothing that can be meant.
func (a tokenAnswer) life(date time.Time) time.Duration {
	if end := epoch(a.ExpiresIn); end.After(date) && end.Sub(date) <= maxLife {
		return end.Sub(date)
	}
	for _, seconds := range []number{a.ExpiresIn, a.ExpiresIn / 1000} {
		if seconds >= 1 && seconds <= number(maxLife/time.Second) {
			return time.Duration(float64(seconds) * float64(time.Second)).Truncate(time.Second)
		}
	}
	return 0
}

// claims reads from a token that is a JWT when it was issued and how long it lives. What it does not state, or cannot mean, is zero.
func claims(token string, date time.Time) (issued time.Time, life time.Duration) {
	var c jwt.RegisteredClaims
	if _, _, err := jwt.NewParser().ParseUnverified(token, &c); err != nil {
		return time.Time{}, 0
	}
	issued = dateOf(c.IssuedAt)
	for _, from := range []time.Time{issued, date} {
		if end := dateOf(c.ExpiresAt); !from.IsZero() && end.After(from) && end.Sub(from) <= maxLife {
			return issued, end.Sub(from)
		}
	}
	return issued, 0
}
