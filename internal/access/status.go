package access

import (
	"context"
	"fmt"
	"time"
)

// Status is what is known of the access to Adobe, in the same shape for a Keeper and for Tokens. It holds no secret.
type Status struct {
	// Summary says in a sentence or two how long access lasts.
	Summary string `json:"summary"`
	// Credentials is nil where they are not known: they cannot be read, or this process must not read them, as Tokens must not.
	Credentials   *CredentialsStatus  `json:"credentials,omitempty"`
	Token         TokenStatus         `json:"token"`
	Registrations RegistrationsStatus `json:"registrations"`
	// StatementRefused is when Adobe refused the software statement, and StatementRefusal its code; zero: it did not.
	StatementRefused time.Time `json:"statement_refused,omitzero"`
	StatementRefusal string    `json:"statement_refusal,omitempty"`
}

// CredentialsStatus is what is known of the client credentials.
type CredentialsStatus struct {
	Present       bool      `json:"present"`
	ClientID      string    `json:"client_id,omitempty"`
	SoftwareID    string    `json:"software_id,omitempty"`
	Since         time.Time `json:"since,omitzero"`
	ExpiresAt     time.Time `json:"expires_at,omitzero"` // zero: never
	Scopes        []string  `json:"scopes,omitempty"`
	GrantsReports bool      `json:"grants_reports"`
	RefusedSince  time.Time `json:"refused_since,omitzero"` // zero: not refused
}

// TokenStatus is what is known of the access token.
type TokenStatus struct {
	Valid            bool      `json:"valid"`
	Fingerprint      string    `json:"fingerprint,omitempty"` // empty: there is no token
	IssuedAt         time.Time `json:"issued_at,omitzero"`
	ExpiresAt        time.Time `json:"expires_at,omitzero"`
	AgeSeconds       int64     `json:"age_seconds"`
	RemainingSeconds int64     `json:"remaining_seconds"`
	// Summary says how long access lasts if no call to Adobe succeeds any more.
	Summary string `json:"summary"`
}

// RegistrationsStatus counts the clients that were made at Adobe.
type RegistrationsStatus struct {
	Count   int       `json:"count"`
	Orphans int       `json:"orphans"` // of them, those whose credentials could not be stored
	Last    time.Time `json:"last,omitzero"`
	Reason  string    `json:"reason,omitempty"` // of the last
	// Failed counts the tries since, FailedAt is the last of them.
	Failed   int       `json:"failed"`
	FailedAt time.Time `json:"failed_at,omitzero"`
}

// Status reads credentials, token and notes. What cannot be read is left out and named by the error; the rest is filled in.
func (k *Keeper) Status(ctx context.Context) (Status, error) {
	now := k.now()
	t, tokenErr := readToken(ctx, k.o.Secrets, k.o.TokenName)
	c, credentialsErr := readCredentials(ctx, k.o.Secrets, k.o.CredentialsName)
	n, notesErr := k.notes(ctx)
	s := newStatus(t, tokenErr, n.RefusedToken.Fingerprint, n, now)
	if c != nil {
		s.Credentials = &CredentialsStatus{
			Present: true, ClientID: c.ClientID, SoftwareID: c.SoftwareID, Since: c.since(), ExpiresAt: c.ExpiresAt,
			Scopes: c.Scopes, GrantsReports: c.GrantsReports(),
		}
		if n.RefusedClient.ClientID == c.ClientID {
			s.Credentials.RefusedSince = n.RefusedClient.Since
		}
	}
	switch {
	case credentialsErr != nil:
		s.Summary += " The client credentials cannot be read."
	case c == nil:
		s.Credentials = &CredentialsStatus{}
		s.Summary += " There are no client credentials."
	case !s.Credentials.RefusedSince.IsZero():
		s.Summary += clientRefused
	}
	return s, oneLine(tokenErr, credentialsErr, notesErr)
}

const clientRefused = " Adobe refuses the client credentials."

// Status reads the token, unless that was done a moment ago, and the notes, once. What cannot be read is left out and named by the
// error; the rest is filled in. Of the credentials it knows only whether Adobe refuses them.
func (t *Tokens) Status(ctx context.Context) (Status, error) {
	_ = t.read(ctx, false)
	n, notesErr := readNotes(ctx, t.o.Notes, t.o.Log)
	t.mu.Lock()
	defer t.mu.Unlock()
	refused := n.RefusedToken.Fingerprint
	if own := t.refusedNow(); t.token != nil && own == t.token.fingerprint() {
		refused = own
	}
	s := newStatus(t.token, t.readErr, refused, n, t.now())
	if n.RefusedClient.ClientID != "" && (t.token == nil || t.token.ObtainedAt.Before(n.RefusedClient.Since)) {
		s.Summary += clientRefused // no token was given since
	}
	return s, oneLine(t.readErr, notesErr)
}

// newStatus tells what the stored token and the notes say. refused is the fingerprint of a token that Adobe refused, or empty.
func newStatus(t *token, unread error, refused string, n notes, now time.Time) Status {
	s := Status{
		Token: tokenStatus(t, refused, now),
		Registrations: RegistrationsStatus{
			n.Registrations.Count, n.Registrations.Orphans, n.Registrations.Last, n.Registrations.Reason, n.Registrations.Failed, time.Time{},
		},
		StatementRefused: n.RefusedStatement.Since, StatementRefusal: n.RefusedStatement.Code,
	}
	if n.Registrations.Failed > 0 {
		s.Registrations.FailedAt = n.Registrations.Attempt
	}
	if t == nil && unread != nil {
		s.Token.Summary = "The access token cannot be read."
	}
	s.Summary = s.Token.Summary
	return s
}

// oneLine puts errors into one line; it is nil if all are.
func oneLine(errs ...error) (all error) {
	for _, err := range errs {
		switch {
		case err == nil:
		case all == nil:
			all = err
		default:
			all = fmt.Errorf("%w; %w", all, err)
		}
	}
	return all
}

func tokenStatus(t *token, refused string, now time.Time) TokenStatus {
	if t == nil {
		return TokenStatus{Summary: "There is no access token."}
	}
	s := TokenStatus{
		Valid: usable(t, refused, now), Fingerprint: t.fingerprint(), IssuedAt: t.IssuedAt, ExpiresAt: t.ExpiresAt,
		AgeSeconds: max(seconds(now.Sub(t.ObtainedAt)), 0), RemainingSeconds: max(seconds(t.ExpiresAt.Sub(now)), 0),
	}
	switch {
	case s.Valid:
		s.Summary = fmt.Sprintf("Access lasts %s without any call succeeding.", words(t.ExpiresAt.Sub(now)))
		if t.Refusals > 0 && now.Sub(t.ObtainedAt) < maxRefusalWait {
			s.Summary += " Adobe refused the token before this one, and may refuse this one too."
		}
	case now.Before(t.ExpiresAt) && t.Refusals > 0:
		s.Summary = fmt.Sprintf("Adobe refused the access token and, in a row, %d before it: new ones do not help.", t.Refusals)
	case now.Before(t.ExpiresAt):
		s.Summary = "Adobe refused the access token."
	default:
		s.Summary = fmt.Sprintf("The access token expired at %s.", t.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return s
}
