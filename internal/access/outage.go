package access

import (
	"fmt"
	"time"
)

// Outage says why there is no access to Adobe, or soon will be none, where that does not pass within moments. It holds no secret.
type Outage struct {
	Reason string    `json:"reason"`         // the begin of a sentence
	Since  time.Time `json:"since,omitzero"` // zero: not known
	Until  time.Time `json:"until,omitzero"` // when the next step is taken by itself; zero: none is, or at the next refresh
	// Command is what ends it now; empty: nothing that a command could do.
	Command string `json:"command,omitempty"`
}

// byForce is the command that registers whatever was refused before.
const byForce = `cmu register --force --reason TEXT (in AWS, the register function with {"force": true, "reason": "TEXT"})`

// String is all of it in a sentence or two.
func (o Outage) String() string {
	text := o.Reason
	if !o.Since.IsZero() {
		text += " since " + o.Since.UTC().Format(time.RFC3339)
	}
	if !o.Until.IsZero() {
		text += "; the next step is taken at " + o.Until.UTC().Format(time.RFC3339)
	}
	text += "."
	if o.Command != "" {
		text += " To end it now: " + o.Command + "."
	}
	return text
}

// outage is the one truth about access, for all who tell of it: nil if there is access, or nothing stands in the way of it.
func outage(s state, now time.Time) *Outage {
	n, t := s.notes, s.token
	good := usable(t, s.refused, now)
	switch {
	case s.clientRefused():
		o := &Outage{"Adobe refuses the client credentials", n.RefusedClient.Since, later(n.RefusedClient.Until, n.Registrations.next(), now), byForce}
		if n.RefusedStatement.Code != "" {
			o.Reason += ", and the software statement (" + n.RefusedStatement.Code + ")"
			o.Until = time.Time{}
		}
		return o
	case good:
		return nil
	case (s.credentials == nil || s.credentials.expired(now)) && n.RefusedStatement.Code != "":
		return &Outage{"Adobe refuses the software statement (" + n.RefusedStatement.Code + ")", n.RefusedStatement.Since, time.Time{}, byForce}
	case s.credentials == nil && n.Registrations.Failed > 0:
		return &Outage{"no registration succeeds", n.Registrations.Attempt, later(n.Registrations.next(), time.Time{}, now), byForce}
	case t != nil && now.Before(t.ExpiresAt) && t.Refusals > 0 && !n.accepted(t):
		return &Outage{fmt.Sprintf("Adobe has refused %d access tokens in a row, the last one", t.Refusals+1), n.RefusedToken.Since,
			later(t.ObtainedAt.Add(refusalWait(t.Refusals, false)), n.Cooldown.Until, now), byForce}
	case t != nil && now.Before(t.ExpiresAt) && n.refusedToken() == s.refused:
		return &Outage{Reason: "Adobe refuses the access token", Since: n.RefusedToken.Since, Until: later(n.Cooldown.Until, time.Time{}, now)}
	case n.Cooldown.Until.After(now):
		return &Outage{Reason: n.Cooldown.Reason, Until: n.Cooldown.Until}
	}
	return nil
}

// clientRefused tells whether Adobe refuses the client. Where its credentials are not known, a token that was given since tells
// that it does not.
func (s state) clientRefused() bool {
	r := s.notes.RefusedClient
	switch {
	case r.ClientID == "":
		return false
	case s.credentials != nil:
		return s.credentials.ClientID == r.ClientID
	}
	return s.token == nil || s.token.ObtainedAt.Before(r.Since)
}

// next is when there may be another try to register; zero: at any time.
func (r registrations) next() time.Time {
	if r.Failed == 0 {
		return time.Time{}
	}
	return r.Attempt.Add(registerWait(r.Failed))
}

// later is the later of two instants, or zero if both have passed.
func later(a, b, now time.Time) time.Time {
	if b.After(a) {
		a = b
	}
	if !a.After(now) {
		return time.Time{}
	}
	return a
}

// noAccess is the error for who needs a token and gets none. Where nothing worse is known, reason says why, and at when to ask again.
func noAccess(s state, reason string, at time.Time, cause error, now time.Time) *NoAccessError {
	o := outage(s, now)
	if o != nil {
		if reason = o.String(); !o.Until.IsZero() {
			at = o.Until
		}
	}
	return &NoAccessError{reason, max(at.Sub(now), time.Second), o, cause}
}
