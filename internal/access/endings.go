package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"cmu-gateway/internal/store"
)

// endKept ends a refresh that has nothing to do.
func (r *refresh) endKept(ctx context.Context) {
	message := "The access token is kept: " + r.validity() + "."
	if o := outage(r.state, r.k.now()); o != nil {
		message += " Yet " + o.String()
	}
	r.result = r.describe(Kept, message)
	r.k.event(ctx, slog.LevelInfo, eventTokenKept, "access token kept",
		r.life("token_age_seconds", seconds(r.k.now().Sub(r.state.token.ObtainedAt)))...)
}

// endRenewed ends a refresh that stored a new token.
func (r *refresh) endRenewed(ctx context.Context) {
	k, t, reason := r.k, r.state.token, r.decision.reason
	r.result = r.describe(Renewed, "The access token was renewed, as "+reason+": "+r.validity()+".")
	k.event(ctx, slog.LevelInfo, eventTokenRenewed, "access token renewed", r.life("reason", reason, "client_id", t.ClientID,
		"fingerprint", t.fingerprint(), "token_life_seconds", seconds(t.Life))...)
	if t.Life < shortLife {
		k.event(ctx, slog.LevelWarn, eventTokenLifeShort, "tokens live so short that renewing them strains the secret store",
			"token_life_seconds", seconds(t.Life))
	}
}

// shortLife is where renewals come near one in ten minutes, which is what Secrets Manager bears.
const shortLife = 30 * time.Minute

// endWaiting ends a refresh that can do nothing before at. That is an error only if there is no good token.
func (r *refresh) endWaiting(ctx context.Context, reason string, at time.Time, cause error) error {
	now := r.k.now()
	after := max(at.Sub(now), time.Second)
	if r.notSetUp() {
		r.k.event(ctx, slog.LevelInfo, eventNotSetUp, "there are no client credentials yet", "reason", reason)
		r.result = r.describe(Waiting, "There is no access yet, as "+reason+". With the software statement in its secret it comes by itself.")
		r.result.Next = now.Add(after)
		return nil
	}
	r.k.event(ctx, slog.LevelWarn, eventAccessWaits, "access cannot be renewed now",
		r.life("reason", reason, "retry_after_seconds", seconds(after))...)
	if !usable(r.state.token, r.state.refused, now) {
		return noAccess(r.state, reason, at, cause, now)
	}
	if cause != nil {
		return fmt.Errorf("%s: %w", reason, cause)
	}
	r.result = r.describe(Waiting, "Nothing was done: "+reason+". The access token is good: "+r.validity()+".")
	r.result.Next = now.Add(after)
	return nil
}

// notSetUp tells that an operator has yet to put the statement, which another function registers: that is no failure.
func (r *refresh) notSetUp() bool {
	return r.k.o.AskRegister != nil && r.state.credentials == nil && r.state.token == nil && r.state.notes.untried()
}

// endWithout ends a refresh to which Adobe gave no token, with a pause, so that those who wait for the lease do not make the same
// call in turn.
func (r *refresh) endWithout(ctx context.Context, err error) error {
	if errors.As(err, new(*store.HeldError)) {
		return err // another process has taken over
	}
	k, pause := r.k, shortPause
	if r.comfortable() {
		pause = min(max(pause, r.state.token.ExpiresAt.Sub(k.now())/8), maxPause)
	}
	r.pause(ctx, pause)
	return r.endWaiting(ctx, "Adobe gave no token", k.now().Add(pause), err)
}

const (
	// shortPause is the pause after Adobe gave no token, when time presses.
	shortPause = 30 * time.Second
	// retryAfter is when to ask again after a failure that says nothing of it.
	retryAfter = 10 * time.Second
)

// pause notes that this client makes no calls for d.
func (r *refresh) pause(ctx context.Context, d time.Duration) {
	if ctx.Err() != nil || r.leaseless {
		return
	}
	until := r.k.now().Add(d).UTC()
	note := cooldown{r.state.credentials.ClientID, until, "Adobe gave no token a moment ago"}
	if err := r.k.putNote(ctx, noteCooldown, note, until.Add(time.Second)); err != nil {
		r.k.o.Log.WarnContext(ctx, "the pause could not be noted", "error", err)
	}
}

// noteRefusal notes that the stored token is refused, for all who are asked before there is another.
func (r *refresh) noteRefusal(ctx context.Context) {
	if !r.storedRefused() || ctx.Err() != nil || r.state.notes.refusedToken() == r.state.refused {
		return
	}
	note := refusedToken{r.state.refused, r.k.now().UTC()}
	if err := r.k.putNote(ctx, noteRefusedToken, note, r.state.token.ExpiresAt); err != nil {
		r.k.o.Log.WarnContext(ctx, "the refusal could not be noted", "error", err)
		return
	}
	r.state.notes.RefusedToken = note
}

// failure logs the error that a refresh ends with, and returns it as the caller gets it.
func (r *refresh) failure(ctx context.Context, err error) error {
	k := r.k
	if !errors.Is(err, ErrNoAccess) && !usable(r.state.token, r.state.refused, k.now()) {
		err = noAccess(r.state, "it could not be renewed", k.now().Add(retryAfter), err, k.now())
	}
	r.noteRefusal(ctx)
	level := slog.LevelError
	if errors.Is(err, context.Canceled) {
		level = slog.LevelInfo // the caller has gone
	}
	k.event(ctx, level, eventRefreshFailed, "the access token could not be refreshed", r.life("error", err)...)
	return fmt.Errorf("refresh: %w", err)
}

// describe tells of the stored token.
func (r *refresh) describe(outcome, message string) RefreshResult {
	result := RefreshResult{Outcome: outcome, Message: message, Outage: outage(r.state, r.k.now())}
	if t := r.state.token; t != nil {
		result.ClientID, result.Fingerprint, result.IssuedAt, result.ExpiresAt = t.ClientID, t.fingerprint(), t.IssuedAt, t.ExpiresAt
		result.Next = t.ExpiresAt.Add(-renewBefore(t.Life, t.ClientID))
	}
	return result
}

// life adds what is left of the stored token to the attributes of a log line, if there is a token.
func (r *refresh) life(attrs ...any) []any {
	t := r.state.token
	if t == nil {
		return attrs
	}
	left := max(t.ExpiresAt.Sub(r.k.now()), 0)
	attrs = append(attrs, "token_remaining_seconds", seconds(left))
	if t.Life > 0 {
		attrs = append(attrs, "token_remaining_percent", min(int64(100*left/t.Life), 100))
	}
	return attrs
}

func (r *refresh) validity() string {
	t := r.state.token
	return "it is valid until " + t.ExpiresAt.UTC().Format(time.RFC3339) + ", " + words(t.ExpiresAt.Sub(r.k.now())) + " from now"
}
