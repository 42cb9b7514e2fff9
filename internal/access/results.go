package access

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Outcomes of Register.
const (
	Registered = "registered"
	Kept       = "kept" // also of Refresh
	Checked    = "checked"
)

// RegisterResult is what Register did. It holds no secret.
type RegisterResult struct {
	Outcome   string         `json:"outcome"` // Registered, Kept or, of a dry run, Checked
	Message   string         `json:"message"`
	ClientID  string         `json:"client_id,omitempty"`
	Since     time.Time      `json:"since,omitzero"` // zero: not known
	Scopes    []string       `json:"scopes,omitempty"`
	Statement *StatementInfo `json:"statement,omitempty"` // nil: not looked at
	Warnings  []string       `json:"warnings,omitempty"`
}

// StatementInfo is what a software statement says, without its text. Times that it does not state are zero.
type StatementInfo struct {
	SoftwareID  string    `json:"software_id"`
	Issuer      string    `json:"issuer"`
	RegistersAt string    `json:"registers_at"` // address of the authorization server in use
	IssuedAt    time.Time `json:"issued_at,omitzero"`
	NotBefore   time.Time `json:"not_before,omitzero"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	AgeDays     int       `json:"age_days"`
}

// ErrNoStatement: there is no software statement to register with.
var ErrNoStatement = errors.New("there is no software statement")

// ErrNotSetUp is ErrNoStatement where nothing was ever registered: an operator has yet to put the statement.
var ErrNotSetUp = fmt.Errorf("%w yet", ErrNoStatement)

// WaitError says that nothing is done now, and when to ask again.
type WaitError struct {
	Reason string
	Until  time.Time
}

func (e *WaitError) Error() string {
	return e.Reason + "; not before " + e.Until.UTC().Format(time.RFC3339) + ", or now with " + byForce
}

// Outcomes of Refresh, besides Kept.
const (
	Renewed = "renewed"
	Waiting = "waiting" // something is to be done, yet not now; the stored token is good meanwhile
	Asked   = "asked"   // registration was asked for; the stored token is good meanwhile
)

// RefreshResult is what Refresh did. It holds no secret.
type RefreshResult struct {
	Outcome     string    `json:"outcome"` // Kept, Renewed, Waiting or Asked
	Message     string    `json:"message"`
	ClientID    string    `json:"client_id,omitempty"`
	Fingerprint string    `json:"fingerprint,omitempty"` // of the stored token
	IssuedAt    time.Time `json:"issued_at,omitzero"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	Next        time.Time `json:"next,omitzero"`    // when there will be something to do
	Outage      *Outage   `json:"outage,omitempty"` // what stands in the way of the next token; nil: nothing that is known
}

// ErrNoAccess: there is no access token that may be sent to Adobe. It is matched by *NoAccessError.
var ErrNoAccess = errors.New("there is no valid access token")

// NoAccessError says why there is no valid access token.
type NoAccessError struct {
	Reason     string        // a sentence for the caller, without secrets
	RetryAfter time.Duration // at least a second
	Outage     *Outage       // nil: nothing is known that would last
	cause      error
}

func (e *NoAccessError) Error() string {
	s := ErrNoAccess.Error() + ": " + e.Reason
	if e.cause != nil && !errors.As(e.cause, new(*WaitError)) {
		s = strings.TrimSuffix(s, ".") + ": " + e.cause.Error()
	}
	return s
}

// Is matches ErrNoAccess.
func (e *NoAccessError) Is(target error) bool { return target == ErrNoAccess }

// Unwrap returns the cause, or nil.
func (e *NoAccessError) Unwrap() error { return e.cause }

// words says a duration in hours and minutes.
func words(d time.Duration) string {
	if d < time.Minute {
		return "less than a minute"
	}
	h, m := int(d/time.Hour), int(d%time.Hour/time.Minute)
	if h == 0 {
		return fmt.Sprintf("%d min", m)
	}
	return fmt.Sprintf("%d h %d min", h, m)
}
