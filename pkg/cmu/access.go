package cmu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
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
	base, err := c.base("AuthURL", c.AuthURL)
	if err != nil {
		return Credentials{}, fmt.Errorf("adobe register: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/o/client/register", bytes.NewReader(payload))
	if err != nil {
		return Credentials{}, fmt.Errorf("adobe register: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	resp, err := c.send(req, opRegister, s.Text, maxAuthBody, http.StatusCreated, http.StatusOK)
	if err != nil {
		return Credentials{}, err
	}
	defer resp.Body.Close()
	var answer struct {
		ClientID     word   `json:"client_id"`
		ClientSecret word   `json:"client_secret"`
		IssuedAt     number `json:"client_id_issued_at"`
		ExpiresAt    number `json:"client_secret_expires_at"`
		Scopes       names  `json:"scopes"`
		Scope        names  `json:"scope"`
	}
	if err := decodeAuth(resp.Body, &answer); err != nil {
		return Credentials{}, fmt.Errorf("adobe register: %w", err)
	}
	if answer.ClientID == "" || answer.ClientSecret == "" {
		return Credentials{}, errors.New("adobe register: the answer names no client_id and client_secret")
	}
	if !isName(string(answer.ClientID)) {
		return Credentials{}, fmt.Errorf("adobe register: the answer's client_id is not printable text of up to %d bytes", maxName)
	}
	if holds(string(answer.ClientID), s.Text) {
		return Credentials{}, errors.New("adobe register: the answer's client_id quotes the software statement")
	}
	scopes := slices.DeleteFunc(append(answer.Scopes, answer.Scope...), func(scope string) bool { return !isName(scope) || holds(scope, s.Text) })
	return Credentials{
		ClientID: string(answer.ClientID), ClientSecret: Secret(answer.ClientSecret), Scopes: scopes,
		IssuedAt: epoch(answer.IssuedAt), ExpiresAt: epoch(answer.ExpiresAt),
	}, nil
}

// decodeAuth reads a small JSON answer. A syntax error would quote the body, which holds a secret.
func decodeAuth(r io.Reader, v any) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if json.Unmarshal(utf8Text(text), v) != nil {
		return &answerError{"the answer is not the JSON object expected"}
	}
	return nil
}

// number is one that is given as a JSON number or as a text. Whatever else comes is zero: the credentials or the token beside it
// must not be lost for it.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	text := strings.TrimSpace(strings.Trim(string(b), `"`))
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		f = 0
	}
	*n = number(f)
	return nil
}

// word is one that is given as a JSON string or as a number, digit by digit. Whatever else comes is empty.
type word string

func (w *word) UnmarshalJSON(b []byte) error {
	var s string
	var n json.Number
	if json.Unmarshal(b, &s) == nil {
		*w = word(s)
	} else if json.Unmarshal(b, &n) == nil {
		*w = word(n)
	}
	return nil
}

// names is a list of names given as a JSON array or as one string with commas or spaces between them. What is neither is no name.
type names []string

func (n *names) UnmarshalJSON(b []byte) error {
	*n = nil
	var given any
	if err := json.Unmarshal(b, &given); err != nil {
		return err
	}
	switch v := given.(type) {
	case string:
		*n = strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
	case []any:
		for _, one := range v {
			if name, ok := one.(string); ok {
				*n = append(*n, name)
			}
		}
	}
	return nil
}

// epoch reads seconds or milliseconds since 1970; what is too large for seconds is milliseconds. Zero and nonsense are
// the zero time.
func epoch(n number) time.Time {
	switch {
	case n <= 0 || n > 1e14:
		return time.Time{}
	case n > 1e11:
		return time.UnixMilli(int64(n)).UTC()
	}
	return time.Unix(int64(n), 0).UTC()
}

// oauthCode reads the code of an OAuth error body, or "".
func oauthCode(body []byte) string {
	var answer struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(utf8Text(body), &answer) != nil || len(answer.Error) > 64 || strings.ContainsFunc(answer.Error, notCode) {
		return ""
	}
	return answer.Error
}

func notCode(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }
