package access

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"cmu-gateway/internal/secrets"
	"cmu-gateway/pkg/cmu"
)

// errUnreadable is what the error for a stored document wraps that this release cannot read. It is not absent: what it holds may be the
// only copy.
var errUnreadable = errors.New("stored document cannot be read")

// Fingerprint names a token in logs and notes: it tells two tokens apart and gives nothing away.
func Fingerprint(token cmu.Secret) string {
	sum := sha256.Sum256([]byte(token.Reveal()))
	return hex.EncodeToString(sum[:6])
}

// version is that of the stored documents. A document without one was written by hand.
const version = 1

// credentials are the client credentials with what is known of their origin.
type credentials struct {
	cmu.Credentials
	RegisteredAt time.Time // by the clock that registered them; zero: not known
	SoftwareID   string    // of the statement they were registered with; empty: not known
	Replaces     string    // the client ID of those refused or expired, for which nobody had to ask; empty: none
}

type credentialsDocument struct {
	Version      int       `json:"version,omitempty"`
	ClientID     string    `json:"client_id"`
	ClientSecret string    `json:"client_secret"`
	IssuedAt     time.Time `json:"issued_at,omitzero"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"`
	Scopes       []string  `json:"scopes,omitempty"`
	RegisteredAt time.Time `json:"registered_at,omitzero"`
	SoftwareID   string    `json:"software_id,omitempty"`
	Replaces     string    `json:"replaces,omitempty"`
}

func (c credentials) encode() []byte {
	return encode(credentialsDocument{
		version, c.ClientID, c.ClientSecret.Reveal(), c.IssuedAt, c.ExpiresAt, c.Scopes, c.RegisteredAt, c.SoftwareID, c.Replaces,
	})
}

func decodeCredentials(text []byte) (*credentials, error) {
	var d credentialsDocument
	// A syntax error would quote the text.
	switch err := json.Unmarshal(text, &d); {
	case err != nil:
		return nil, fmt.Errorf(`%w: want a JSON object with "client_id" and "client_secret"`, errUnreadable)
	case d.Version > version:
		return nil, fmt.Errorf("%w: it has version %d, this release knows %d", errUnreadable, d.Version, version)
	case d.ClientID == "" || d.ClientSecret == "":
		return nil, fmt.Errorf(`%w: "client_id" or "client_secret" is missing or empty`, errUnreadable)
	}
	return &credentials{cmu.Credentials{
		ClientID: d.ClientID, ClientSecret: cmu.Secret(d.ClientSecret), IssuedAt: d.IssuedAt, ExpiresAt: d.ExpiresAt, Scopes: d.Scopes,
	}, d.RegisteredAt, d.SoftwareID, d.Replaces}, nil
}

// since is when the credentials came to be, as far as is known.
func (c *credentials) since() time.Time {
	if !c.RegisteredAt.IsZero() {
		return c.RegisteredAt
	}
	return c.IssuedAt
}

func (c *credentials) expired(now time.Time) bool {
	return !c.ExpiresAt.IsZero() && !now.Before(c.ExpiresAt)
}

func (c *credentials) equal(d *credentials) bool {
	return c.ClientID == d.ClientID && c.ClientSecret == d.ClientSecret && slices.Equal(c.Scopes, d.Scopes)
}

// token is an access token with what the next decision needs to know of it.
type token struct {
	cmu.Token
	ClientID   string    // whose it is
	SoftwareID string    // of the statement that the client was registered with; empty: not known
	ObtainedAt time.Time // by the clock that also measured ExpiresAt
	// Refusals counts the client's tokens before this one that Adobe refused, without one in between that ended in peace.
	Refusals int
	// DoubtAfter: until then no date is doubted, as a token was renewed for that reason. Zero: dates may be doubted.
	DoubtAfter time.Time
}

type tokenDocument struct {
	Version     int       `json:"version"`
	AccessToken string    `json:"access_token"`
	ClientID    string    `json:"client_id"`
	SoftwareID  string    `json:"software_id,omitempty"`
	IssuedAt    time.Time `json:"issued_at"`
	ObtainedAt  time.Time `json:"obtained_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	LifeSeconds float64   `json:"life_seconds"`
	Refusals    int       `json:"refusals,omitempty"`
	DoubtAfter  time.Time `json:"doubt_after,omitzero"`
}

func (t token) encode() []byte {
	return encode(tokenDocument{
		version, t.Value.Reveal(), t.ClientID, t.SoftwareID, t.IssuedAt, t.ObtainedAt.UTC(), t.ExpiresAt.UTC(), t.Life.Seconds(), t.Refusals, t.DoubtAfter,
	})
}

func decodeToken(text []byte) (*token, error) {
	var d tokenDocument
	switch err := json.Unmarshal(text, &d); {
	case err != nil:
		return nil, fmt.Errorf("%w: it is no JSON object of the form expected", errUnreadable)
	case d.Version > version:
		return nil, fmt.Errorf("%w: it has version %d, this release knows %d", errUnreadable, d.Version, version)
	case d.AccessToken == "" || d.ExpiresAt.IsZero() || d.LifeSeconds <= 0:
		return nil, fmt.Errorf(`%w: "access_token", "expires_at" or "life_seconds" is missing`, errUnreadable)
	}
	return &token{
		cmu.Token{
			Value: cmu.Secret(d.AccessToken), IssuedAt: d.IssuedAt, ExpiresAt: d.ExpiresAt,
			Life: time.Duration(d.LifeSeconds * float64(time.Second)),
		},
		d.ClientID, d.SoftwareID, d.ObtainedAt, d.Refusals, d.DoubtAfter,
	}, nil
}

func (t *token) fingerprint() string { return Fingerprint(t.Value) }

func encode(document any) []byte {
	text, err := json.Marshal(document)
	if err != nil {
		panic(err) // a struct of texts, numbers and dates of this era
	}
	return text
}

// credentials returns those that are stored, or nil.
func (k *Keeper) credentials(ctx context.Context) (c *credentials, err error) {
	err = k.repeat(ctx, retrySecret, func() (err error) {
		c, err = readCredentials(ctx, k.o.Secrets, k.o.CredentialsName)
		return err
	})
	if errors.Is(err, errUnreadable) {
		err = fmt.Errorf("%w; where there is no copy of them, register anew: %s", err, byForce)
	}
	return c, err
}

// token returns the one that is stored, or nil if there is none that can be read: another can be had.
func (k *Keeper) token(ctx context.Context) (t *token, err error) {
	err = k.repeat(ctx, retrySecret, func() (err error) {
		t, err = readToken(ctx, k.o.Secrets, k.o.TokenName)
		return err
	})
	if errors.Is(err, errUnreadable) {
		k.event(ctx, slog.LevelWarn, eventDocumentUnreadable, "the stored access token cannot be read and counts as absent", "error", err)
		return nil, nil
	}
	return t, err
}

// readCredentials returns nil when there are none.
func readCredentials(ctx context.Context, s secrets.Store, name string) (*credentials, error) {
	return readDocument(ctx, s, name, "client credentials", decodeCredentials)
}

// readToken returns nil when there is none.
func readToken(ctx context.Context, s secrets.Store, name string) (*token, error) {
	return readDocument(ctx, s, name, "access token", decodeToken)
}

func readDocument[T any](ctx context.Context, s secrets.Store, name, what string, decode func([]byte) (*T, error)) (*T, error) {
	text, err := s.Read(ctx, name)
	if errors.Is(err, secrets.ErrAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	document, err := decode(bytes.TrimPrefix(text, []byte("\ufeff"))) // as editors write one
	if err != nil {
		return nil, fmt.Errorf("%s in the secret %s: %w", what, name, err)
	}
	return document, nil
}
