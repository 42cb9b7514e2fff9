package access

import (
	"hash/fnv"
	"time"
)

const (
	// leastLife is the least life that a token keeps, unless its whole life is not much longer.
	leastLife = 10 * time.Minute
	// leeway is how far two clocks may differ before a date cannot be right.
	leeway = 10 * time.Minute
)

// state is what a refresh decides upon.
type state struct {
	credentials *credentials // nil: none
	token       *token       // nil: none that can be read
	refused     string       // fingerprint of a token that Adobe refused; empty: none
	notes       notes
}

type action string

const (
	keep     action = "keep"     // there is nothing to do before decision.at
	renew    action = "renew"    // get a new token with the credentials
	register action = "register" // get credentials first
	wait     action = "wait"     // something is to be done, yet not before decision.at
)

// decision is what to do, why, and when to decide anew.
type decision struct {
	action action
	reason string
	at     time.Time
}

// decide tells what a refresh has to do at now. Credentials that are noted as refused are tried all the same: only Adobe's next
// answer tells whether they still are.
func decide(s state, now time.Time) decision {
	d := judgeToken(s, now)
	if s.credentials == nil {
		d = decision{register, "there are no client credentials", now}
	}
	if d.action != renew {
		return d
	}
	pause := s.notes.Cooldown
	if pause.ClientID == s.credentials.ClientID && now.Before(pause.Until) && pause.Until.Sub(now) <= maxPause+leeway {
		return decision{wait, pause.Reason, pause.Until}
	}
	if s.credentials.expired(now) {
		return decision{register, "the client credentials have expired", now}
	}
	return d
}

// judgeToken tells whether a token has to be replaced: keep, renew, or wait.
func judgeToken(s state, now time.Time) decision {
	t, c := s.token, s.credentials
	if t == nil {
		return decision{renew, "there is no access token", now}
	}
	clientID := t.ClientID
	if c != nil {
		clientID = c.ClientID
	}
	due := t.ExpiresAt.Add(-renewBefore(t.Life, clientID))
	switch {
	case t.ClientID != clientID:
		return decision{renew, "the access token is another client's", now}
	case s.refused != "" && s.refused == t.fingerprint():
		if at := t.ObtainedAt.Add(refusalWait(t.Refusals, s.notes.accepted(t))); now.Before(at) && !absurd(t, now) {
			return decision{wait, "Adobe refuses new tokens too", at}
		}
		return decision{renew, "Adobe refused the access token", now}
	case absurd(t, now) && !now.Before(t.DoubtAfter):
		return decision{renew, "the dates of the access token cannot be right", now}
	case !now.Before(t.ExpiresAt):
		return decision{renew, "the access token has expired", now}
	case !now.Before(due):
		return decision{renew, "the access token ends soon", now}
	}
	return decision{keep, "the access token is good", due}
}

// absurd tells that a token was dated by a clock that was wrong by more than leeway, if now is right. Whoever is wrong, such a
// token is renewed once in doubtEvery: two clocks that disagree must not renew in turns.
func absurd(t *token, now time.Time) bool {
	return t.ExpiresAt.Sub(now) > t.Life+leeway || t.ObtainedAt.Sub(now) > leeway
}

// maxPause is the longest pause after Adobe gave no token.
const maxPause = 15 * time.Minute

const doubtEvery = 24 * time.Hour

// successor dates a token that replaces old, which may be nil.
func successor(got token, old *token, refused string, now time.Time) token {
	got.ObtainedAt = now
	if old == nil {
		return got
	}
	got.DoubtAfter = old.DoubtAfter
	if absurd(old, now) && !now.Before(old.DoubtAfter) {
		got.DoubtAfter = now.Add(doubtEvery)
	}
	if refused != "" && refused == old.fingerprint() && got.ClientID == old.ClientID {
		got.Refusals = old.Refusals + 1
	}
	return got
}

// usable tells whether a token may be sent to Adobe.
func usable(t *token, refused string, now time.Time) bool {
	return t != nil && now.Before(t.ExpiresAt) && (refused == "" || refused != t.fingerprint())
}

// renewBefore is the remaining life at which a token is renewed: a third, at least leastLife, and up to a twentieth more that
// differs from client to client, lest all deployments renew at one instant.
func renewBefore(life time.Duration, clientID string) time.Duration {
	before := life / 3
	if life > 2*leastLife {
		before = max(before, leastLife)
	}
	h := fnv.New32a()
	h.Write([]byte(clientID))
	return before + time.Duration(float64(life/20)*float64(h.Sum32())/(1<<32))
}

// refusalWait is the age that a token must have before it is replaced as refused, when n before it were: what Adobe refuses
// again and again is not mended by new tokens, and Secrets Manager bears one write in ten minutes. A refusal of a token that Adobe
// accepted before is the first of its kind; only where that happens again and again does it wait, too.
func refusalWait(n int, accepted bool) time.Duration {
	switch {
	case n == 0 || accepted && n == 1:
		return 0
	case accepted:
		return min(time.Second<<min(n-1, 10), maxRefusalWait)
	}
	return min(time.Minute<<min(2*(n-1), 10), maxRefusalWait)
}

const maxRefusalWait = 10 * time.Minute

// replaces tells whether the token got may be written over the one that is stored.
func replaces(got, stored *token, refused string, now time.Time) bool {
	if stored == nil {
		return true
	}
	if got.fingerprint() == stored.fingerprint() {
		return false
	}
	return !usable(stored, refused, now) || absurd(stored, now) || got.ClientID != stored.ClientID || got.ExpiresAt.After(stored.ExpiresAt)
}

// mayRegister tells whether to register: keep, register, or wait. digest is that of what would be sent.
func mayRegister(c *credentials, n notes, digest string, interval time.Duration, now time.Time) decision {
	reason := "there are no client credentials"
	var at time.Time
	if c != nil {
		switch {
		case c.expired(now):
			reason = "the client credentials have expired"
		case n.RefusedClient.ClientID == c.ClientID:
			reason = "Adobe refused the client credentials"
		default:
			return decision{keep, "there are client credentials that Adobe has not refused", now}
		}
		last := n.Registrations.Replaced
		if c.Replaces != "" && c.RegisteredAt.After(last) {
			last = c.RegisteredAt
		}
		if !last.IsZero() {
			at = last.Add(interval)
		}
	}
	if failed := n.Registrations.Failed; failed > 0 {
		if next := n.Registrations.Attempt.Add(registerWait(failed)); next.After(at) {
			at = next
		}
	}
	switch {
	case n.RefusedStatement.Digest != "" && n.RefusedStatement.Digest == digest:
		return decision{wait, "Adobe refused this software statement (" + n.RefusedStatement.Code + ")", time.Time{}}
	case now.Before(at) && at.Sub(now) <= max(interval, maxRegisterWait)+leeway:
		return decision{wait, reason + ", but the last registration or try is too recent", at}
	}
	return decision{register, reason, now}
}

const maxRegisterWait = time.Hour

// registerWait is the least time after the last of n tries to register that yielded nothing.
func registerWait(n int) time.Duration {
	return min(10*time.Second<<min(n-1, 20), maxRegisterWait)
}
