package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"cmu-gateway/internal/secrets"
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
	// Outage is why there is no access, or soon will be none; nil: nothing is known that would last.
	Outage *Outage `json:"outage,omitempty"`
	// Problems are sentences about what a person should look at. GET /status has them among its own.
	Problems []string `json:"-"`
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
	if l := k.inHand(t, n.refusedToken()); l != nil {
		t, tokenErr = l.token, nil
		n.UnstoredToken = unstoredToken{secrets.Reason(l.unstored), l.since}
	}
	st := state{credentials: c, token: t, refused: n.refusedToken(), notes: n}
	s := newStatus(st, tokenErr, now)
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
		if errors.Is(credentialsErr, errUnreadable) {
			s.Problems = append(s.Problems, "The client credentials that are kept are damaged. Where there is no copy of them: "+byForce+".")
		}
	case c == nil:
		s.Credentials = &CredentialsStatus{}
		s.Summary += " There are no client credentials."
	}
	return s, oneLine(tokenErr, credentialsErr, notesErr)
}

// Status reads the token, unless that was done a moment ago, and the notes, once. What cannot be read is left out and named by the
// error; the rest is filled in. Of the credentials it knows only whether Adobe refuses them.
func (t *Tokens) Status(ctx context.Context) (Status, error) {
	_ = t.read(ctx, false)
	n, notesErr := readNotes(ctx, t.o.Notes, t.o.Log)
	t.mu.Lock()
	defer t.mu.Unlock()
	s := newStatus(t.state(n), t.readErr, t.now())
	return s, oneLine(t.readErr, notesErr)
}

// newStatus tells what the stored token and the notes say.
func newStatus(st state, unread error, now time.Time) Status {
	n := st.notes
	s := Status{
		Token: tokenStatus(st, now),
		Registrations: RegistrationsStatus{
			n.Registrations.Count, n.Registrations.Orphans, n.Registrations.Last, n.Registrations.Reason, n.Registrations.Failed, time.Time{},
		},
		StatementRefused: n.RefusedStatement.Since, StatementRefusal: n.RefusedStatement.Code,
		Outage: outage(st, now),
	}
	if n.Registrations.Failed > 0 {
		s.Registrations.FailedAt = n.Registrations.Attempt
	}
	if st.token == nil && unread != nil {
		s.Token.Summary = "The access token cannot be read."
	}
	s.Summary = s.Token.Summary
	if s.Outage != nil {
		if st.token != nil && !s.Token.Valid && now.Before(st.token.ExpiresAt) {
			s.Summary = "" // the outage says it
		}
		s.Summary = strings.TrimSpace(s.Summary + " " + s.Outage.String())
		s.Problems = append(s.Problems, s.Outage.String())
	}
	if u := n.UnstoredToken; u.Reason != "" {
		s.Problems = append(s.Problems, fmt.Sprintf("The new access token could not be stored since %s: %s.", u.Since.UTC().Format(time.RFC3339), u.Reason))
	}
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

func tokenStatus(st state, now time.Time) TokenStatus {
	t, accepted := st.token, st.token != nil && st.notes.accepted(st.token)
	if t == nil {
		return TokenStatus{Summary: "There is no access token."}
	}
	s := TokenStatus{
		Valid: usable(t, st.refused, now), Fingerprint: t.fingerprint(), IssuedAt: t.IssuedAt, ExpiresAt: t.ExpiresAt,
		AgeSeconds: max(seconds(now.Sub(t.ObtainedAt)), 0), RemainingSeconds: max(seconds(t.ExpiresAt.Sub(now)), 0),
	}
	switch {
	case s.Valid:
		s.Summary = fmt.Sprintf("Access lasts %s without any call succeeding.", words(t.ExpiresAt.Sub(now)))
		if t.Refusals > 0 && !accepted && now.Sub(t.ObtainedAt) < maxRefusalWait {
			s.Summary += " Adobe refused the token before this one, and may refuse this one too."
		}
	case now.Before(t.ExpiresAt) && t.Refusals > 0 && !accepted:
		s.Summary = fmt.Sprintf("Adobe refused the access token and, in a row, %d before it: new ones do not help.", t.Refusals)
	case now.Before(t.ExpiresAt):
		s.Summary = "Adobe refused the access token."
	default:
		s.Summary = fmt.Sprintf("The access token expired at %s.", t.ExpiresAt.UTC().Format(time.RFC3339))
	}
	return s
}
