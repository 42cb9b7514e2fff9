package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// RefreshOptions say why a refresh is asked for. The zero value is a look whether it is time.
type RefreshOptions struct {
	// Refused is the Fingerprint of a token that Adobe refused. It counts only while that token is the stored one.
	Refused string
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
	Next        time.Time `json:"next,omitzero"` // when there will be something to do
}

// ErrNoAccess: there is no access token that may be sent to Adobe. It is matched by *NoAccessError.
var ErrNoAccess = errors.New("there is no valid access token")

// NoAccessError says why there is no valid access token.
type NoAccessError struct {
	Reason     string        // a sentence for the caller, without secrets
	RetryAfter time.Duration // at least a second
	cause      error
}

func (e *NoAccessError) Error() string {
	s := ErrNoAccess.Error() + ": " + e.Reason
	if e.cause != nil {
		s += ": " + e.cause.Error()
	}
	return s
}

// Is matches ErrNoAccess.
func (e *NoAccessError) Is(target error) bool { return target == ErrNoAccess }

// Unwrap returns the cause, or nil.
func (e *NoAccessError) Unwrap() error { return e.cause }

// Refresh makes sure that the stored token is good for a while: it renews one that ends soon or was refused, and registers
// when there are no credentials that Adobe accepts. Any number of calls at once make one call to Adobe. A token that is good
// is never replaced by a worse one.
//
// Errors: *NoAccessError when there is no good token at the end; all that Register returns; those of package secrets and
// *cmu.Error, also while the stored token is still good.
func (k *Keeper) Refresh(ctx context.Context, o RefreshOptions) (RefreshResult, error) {
	r := refresh{k: k, refused: o.Refused, lease: k.lease(leaseRefresh, beyondCall)}
	err := k.alone(ctx, r.lease, func(held bool) (bool, error) { return r.look(ctx, held) }, func() error { return r.act(ctx) })
	if errors.Is(err, errNoLease) && r.decision.action == renew && !r.comfortable() {
		// Access must not lapse because the store of leases is down. Two calls at once are wasteful, no more.
		k.log().WarnContext(ctx, "the token is renewed without a lease", "error", err)
		r.lease.k = nil
		err = r.act(ctx)
	}
	if err != nil && !errors.Is(err, ErrNoAccess) && !usable(r.state.token, r.refused, k.now()) {
		err = &NoAccessError{"it could not be renewed", retryAfter, err}
	}
	if err != nil {
		r.noteRefusal(ctx)
		level := slog.LevelError
		if errors.Is(err, context.Canceled) {
			level = slog.LevelInfo // the caller has gone
		}
		k.event(ctx, level, eventRefreshFailed, "the access token could not be refreshed", "error", err,
			"token_remaining_seconds", r.remaining())
		return r.report(Waiting, ""), fmt.Errorf("refresh: %w", err)
	}
	return r.result, nil
}

// retryAfter is when to ask again after a failure that says nothing of it.
const retryAfter = 10 * time.Second

// refresh is one call of Refresh.
type refresh struct {
	k        *Keeper
	refused  string
	lease    lease
	state    state
	decision decision
	result   RefreshResult
}

// look reads what there is and decides. It is done when nothing is to be done now.
func (r *refresh) look(ctx context.Context, held bool) (done bool, err error) {
	k := r.k
	if r.state.token, err = k.token(ctx); err != nil {
		return false, err
	}
	if r.state.credentials, err = k.credentials(ctx); err != nil {
		return false, err
	}
	r.state.refused = r.refused
	if held {
		if r.state.marks, err = k.readMarks(ctx); err != nil && r.comfortable() {
			return false, err
		}
	}
	r.decision = decide(r.state, k.now())
	switch r.decision.action {
	case keep:
		return true, r.keep(ctx)
	case wait:
		return true, r.wait(ctx, r.decision.reason, r.decision.at, nil)
	}
	return false, nil
}

// keep ends a refresh that has nothing to do.
func (r *refresh) keep(ctx context.Context) error {
	r.result = r.report(Kept, "The access token is kept: "+r.validity()+".")
	r.k.event(ctx, slog.LevelInfo, eventTokenKept, "access token kept",
		"token_age_seconds", seconds(r.k.now().Sub(r.state.token.ObtainedAt)), "token_remaining_seconds", r.remaining())
	return nil
}

// wait ends a refresh that can do nothing before at. That is an error only if there is no good token.
func (r *refresh) wait(ctx context.Context, reason string, at time.Time, cause error) error {
	now := r.k.now()
	after := max(at.Sub(now), time.Second)
	r.k.event(ctx, slog.LevelWarn, eventAccessWaits, "access cannot be renewed now", "reason", reason, "retry_after_seconds", seconds(after),
		"token_remaining_seconds", r.remaining())
	if !usable(r.state.token, r.refused, now) {
		return &NoAccessError{reason, after, cause}
	}
	if cause != nil {
		return fmt.Errorf("%s: %w", reason, cause)
	}
	r.result = r.report(Waiting, "Nothing was done: "+reason+". The access token is good: "+r.validity()+".")
	r.result.Next = now.Add(after)
	return nil
}

// act renews the token. It runs under the lease.
func (r *refresh) act(ctx context.Context) error {
	k := r.k
	if r.refused != "" && r.state.token != nil && r.state.token.fingerprint() == r.refused {
		k.event(ctx, slog.LevelWarn, eventTokenRefused, "Adobe refused the access token", "fingerprint", r.refused)
	}
	if r.decision.action == register {
		if done, err := r.register(ctx, r.decision.reason); done || err != nil {
			return err
		}
		if r.decision = decide(r.state, k.now()); r.decision.action == keep {
			return r.keep(ctx)
		}
	}
	got, err := r.obtain(ctx)
	if errors.Is(err, cmu.ErrInvalidClient) {
		var done bool
		if done, err = r.replaceClient(ctx, err); done || err != nil {
			return err
		}
		got, err = r.obtain(ctx)
	}
	if err != nil {
		return r.failed(ctx, err)
	}
	return r.store(ctx, got)
}

// noteRefusal notes that the stored token is refused, until a further refusal would replace it.
func (r *refresh) noteRefusal(ctx context.Context) {
	if r.refused == "" || r.state.token == nil || r.state.token.fingerprint() != r.refused || ctx.Err() != nil {
		return
	}
	if err := r.k.putMark(ctx, noteRefusedToken, refusedToken{r.refused}, r.k.now().Add(maxRefusalWait)); err != nil {
		r.k.log().WarnContext(ctx, "the refusal could not be noted", "error", err)
	}
}

// register sees to it that there are credentials. It is done when they will only come later.
func (r *refresh) register(ctx context.Context, reason string) (done bool, err error) {
	k := r.k
	if k.AskRegister == nil {
		if _, err := k.Register(ctx, RegisterOptions{Reason: reason}); err != nil {
			at := k.now().Add(time.Minute)
			if tooEarly := new(WaitError); errors.As(err, &tooEarly) {
				at = tooEarly.Until
			}
			return true, r.wait(ctx, reason, at, err)
		}
		if r.state.credentials, err = k.credentials(ctx); err == nil && r.state.credentials == nil {
			err = errors.New("the client credentials have vanished")
		}
		return false, err
	}
	if d := mayRegister(r.state.credentials, r.state.marks, "", k.registerInterval(), k.now()); d.action == wait {
		return true, r.wait(ctx, reason, d.at, &WaitError{d.reason, d.at})
	}
	if at := r.state.marks.Asked.At.Add(askEvery); k.now().Before(at) && at.Sub(k.now()) <= askEvery+leeway {
		return true, r.wait(ctx, reason+", and registration was asked for", at, nil)
	}
	if err := k.AskRegister(ctx, reason); err != nil {
		return false, fmt.Errorf("registration could not be asked for: %w", err)
	}
	k.event(ctx, slog.LevelWarn, eventRegisterAsked, "registration was asked for", "reason", reason)
	if err := k.putMark(ctx, noteAsked, asked{k.now().UTC()}, k.now().Add(askEvery)); err != nil {
		k.log().WarnContext(ctx, "it could not be noted that registration was asked for", "error", err)
	}
	if err := r.wait(ctx, reason+", and registration was asked for", k.now().Add(retryAfter), nil); err != nil {
		return true, err
	}
	r.result.Outcome = Asked
	return true, nil
}

// askEvery is the least time between two requests to register.
const askEvery = 15 * time.Minute

// replaceClient confirms that Adobe refuses the client, marks it, and registers. It is done when new credentials will only
// come later.
func (r *refresh) replaceClient(ctx context.Context, refusal error) (done bool, err error) {
	k, id := r.k, r.state.credentials.ClientID
	k.event(ctx, slog.LevelError, eventInvalidClient, "Adobe refuses the client credentials", "client_id", id)
	if r.state.marks.RefusedClient.ClientID != id {
		mark := refusedClient{id, k.now().UTC()}
		if err := k.putMark(ctx, noteRefusedClient, mark, time.Time{}); err != nil {
			return false, fmt.Errorf("%w, which could not be noted: %w", refusal, err)
		}
		r.state.marks.RefusedClient = mark
	}
	done, err = r.register(ctx, "Adobe refused the client credentials")
	if done {
		r.pause(ctx, shortPause)
	}
	return done, err
}

// obtain gets a token from Adobe. An invalid_client that it returns is confirmed: the credentials have been read again, and
// asked with again.
func (r *refresh) obtain(ctx context.Context) (cmu.Token, error) {
	var before *credentials
	for {
		c := r.state.credentials
		got, err := r.call(ctx, c.Credentials)
		confirmed := r.state.marks.RefusedClient.ClientID == c.ClientID || before != nil && before.equal(c)
		if !errors.Is(err, cmu.ErrInvalidClient) || confirmed {
			return got, err
		}
		before = c
		if sleepErr := r.k.sleep(ctx, confirmAfter); sleepErr != nil {
			return got, sleepErr
		}
		again, readErr := r.k.credentials(ctx)
		if readErr != nil {
			return got, readErr
		}
		if again == nil {
			return got, errors.New("the client credentials have vanished")
		}
		r.state.credentials = again
	}
}

// confirmAfter is Adobe's pace of calls, and time for another process to write new credentials.
const confirmAfter = 2 * time.Second

// call makes one call to Adobe, and more if it fails and time presses.
func (r *refresh) call(ctx context.Context, c cmu.Credentials) (got cmu.Token, err error) {
	relaxed := r.comfortable()
	wait := func(n int, err error) (time.Duration, bool) {
		d, again := adobeWait(n, err)
		return d, again && (!relaxed || n < 2) && n < 8
	}
	k := r.k
	end := k.end(ctx)
	err = k.within(ctx, end, func(ctx context.Context) error {
		return k.repeat(ctx, end, wait, func() (err error) {
			if r.lease.k != nil {
				if err = r.lease.take(ctx); errors.As(err, new(*store.HeldError)) {
					return err
				}
			}
			got, err = k.Client.Token(ctx, c)
			return k.checkAddress(err)
		})
	})
	return got, err
}

// failed ends a refresh to which Adobe gave no token, with a pause, so that those who wait for the lease do not make the same call
// in turn.
func (r *refresh) failed(ctx context.Context, err error) error {
	if errors.As(err, new(*store.HeldError)) {
		return err // another process has taken over
	}
	k, pause := r.k, shortPause
	if r.comfortable() {
		pause = min(max(pause, r.state.token.ExpiresAt.Sub(k.now())/8), maxPause)
	}
	r.pause(ctx, pause)
	return r.wait(ctx, "Adobe gave no token", k.now().Add(pause), err)
}

// shortPause is the pause after Adobe gave no token, when time presses.
const shortPause = 30 * time.Second

// pause notes that this client makes no calls for d.
func (r *refresh) pause(ctx context.Context, d time.Duration) {
	if ctx.Err() != nil || r.lease.k == nil {
		return
	}
	until := r.k.now().Add(d).UTC()
	mark := cooldown{r.state.credentials.ClientID, until, "Adobe gave no token a moment ago"}
	if err := r.k.putMark(ctx, noteCooldown, mark, until.Add(time.Second)); err != nil {
		r.k.log().WarnContext(ctx, "the pause could not be noted", "error", err)
	}
}

// store writes the token that was got, unless a better one has been written meanwhile.
func (r *refresh) store(ctx context.Context, got cmu.Token) error {
	k, c := r.k, r.state.credentials
	stored, err := k.token(ctx)
	if err != nil {
		return err
	}
	r.state.token = stored
	t := successor(token{Token: got, ClientID: c.ClientID}, stored, r.refused, k.now())
	if !replaces(&t, stored, r.refused, k.now()) {
		if !usable(stored, r.refused, k.now()) {
			return r.failed(ctx, errors.New("the token that was refused was given again"))
		}
		r.result = r.report(Kept, "The access token is kept, as Adobe gave none that is better: "+r.validity()+".")
		return nil
	}
	again := func(n int, err error) (time.Duration, bool) { return backOff(n), n < 8 }
	err = k.repeat(ctx, k.end(ctx), again, func() error {
		return k.Secrets.Write(ctx, k.TokenName, "token-"+t.fingerprint(), t.encode())
	})
	if err != nil {
		return fmt.Errorf("the new access token could not be stored: %w", err)
	}
	r.state.token = &t
	if r.state.marks.RefusedClient.ClientID == c.ClientID {
		_ = k.deleteMark(ctx, noteRefusedClient) // Adobe accepts it again
	}
	r.result = r.report(Renewed, "The access token was renewed, as "+r.decision.reason+": "+r.validity()+".")
	k.event(ctx, slog.LevelInfo, eventTokenRenewed, "access token renewed", "reason", r.decision.reason, "client_id", c.ClientID,
		"fingerprint", t.fingerprint(), "token_life_seconds", seconds(t.Life), "token_remaining_seconds", r.remaining())
	if t.Life < shortLife {
		k.event(ctx, slog.LevelWarn, eventTokenLifeShort, "tokens live so short that renewing them strains the secret store",
			"token_life_seconds", seconds(t.Life))
	}
	return nil
}

// shortLife is where renewals come near one in ten minutes, which is what Secrets Manager bears.
const shortLife = 30 * time.Minute

// comfortable tells whether the stored token is good for so long that a failure now can wait.
func (r *refresh) comfortable() bool {
	return usable(r.state.token, r.refused, r.k.now().Add(floor))
}

// remaining is the life of the stored token in whole seconds, 0 if there is none.
func (r *refresh) remaining() int64 {
	if r.state.token == nil {
		return 0
	}
	return max(seconds(r.state.token.ExpiresAt.Sub(r.k.now())), 0)
}

func (r *refresh) validity() string {
	t := r.state.token
	return "it is valid until " + t.ExpiresAt.UTC().Format(time.RFC3339) + ", " + words(t.ExpiresAt.Sub(r.k.now())) + " from now"
}

func (r *refresh) report(outcome, message string) RefreshResult {
	result := RefreshResult{Outcome: outcome, Message: message}
	if t := r.state.token; t != nil {
		result.ClientID, result.Fingerprint, result.IssuedAt, result.ExpiresAt = t.ClientID, t.fingerprint(), t.IssuedAt, t.ExpiresAt
		result.Next = t.ExpiresAt.Add(-renewBefore(t.Life, t.ClientID))
	}
	return result
}

// token returns the one that is stored, or nil if there is none that can be read: another can be had.
func (k *Keeper) token(ctx context.Context) (t *token, err error) {
	err = k.repeat(ctx, k.end(ctx), readWait, func() (err error) {
		t, err = readToken(ctx, k.Secrets, k.TokenName)
		return err
	})
	if errors.Is(err, errUnreadable) {
		k.event(ctx, slog.LevelWarn, eventDocumentUnreadable, "the stored access token cannot be read and counts as absent", "error", err)
		return nil, nil
	}
	return t, err
}
