package access

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// RefreshOptions say why a refresh is asked for. The zero value is a look whether it is time.
type RefreshOptions struct {
	// Refused is the Fingerprint of a token that Adobe refused. It counts only while that token is the stored one.
	Refused string
	// Waits is told, in a sentence, that another process is at work and until when at the latest this one waits for it, and told
	// again when that changes. It is called in the goroutine that waits. Nil: nobody is told.
	Waits func(message string)
}

// Refresh makes sure that the stored token is good for a while: it renews one that ends soon or was refused, and registers
// when there are no credentials that Adobe accepts. Any number of calls at once make one call to Adobe. A token that is good
// is never replaced by a worse one.
//
// Errors: *NoAccessError when there is no good token at the end; all that Register returns; those of package secrets and
// *cmu.Error, also while the stored token is still good.
func (k *Keeper) Refresh(ctx context.Context, o RefreshOptions) (RefreshResult, error) {
	r := refresh{k: k, waits: o.Waits, lease: k.newLease(leaseRefresh, beyondCall), state: state{refused: o.Refused}}
	err := k.alone(ctx, r.lease, o.Waits, r.look, r.act)
	if errors.Is(err, errNoLease) && r.decision.action == renew && !r.comfortable() {
		// Access must not lapse because the store of leases is down. Two calls at once are wasteful, no more.
		k.o.Log.WarnContext(ctx, "the token is renewed without a lease", "error", err)
		r.leaseless = true
		err = r.act(ctx)
	}
	if err != nil {
		return r.describe(Waiting, ""), r.failure(ctx, err)
	}
	return r.result, nil
}

// refresh is one call of Refresh.
type refresh struct {
	k         *Keeper
	waits     func(message string)
	lease     lease
	leaseless bool // the lease could not be had, and the token is renewed all the same
	state     state
	inHand    *obtained // the token in state, if it is one that could not be stored
	decision  decision
	result    RefreshResult
}

// look reads what there is and decides. It is done when nothing is to be done now.
func (r *refresh) look(ctx context.Context, held bool) (done bool, err error) {
	if r.state.token, err = r.k.token(ctx); err != nil {
		return false, err
	}
	if r.state.credentials, err = r.k.credentials(ctx); err != nil {
		return false, err
	}
	r.takeInHand()
	if r.state.notes, err = r.k.notes(ctx); err != nil && held && r.comfortable() {
		return false, err
	}
	if !r.storedRefused() && r.state.notes.refusedToken() != "" {
		r.state.refused = r.state.notes.refusedToken() // as another caller has reported
	}
	r.decision = decide(r.state, r.k.now())
	switch r.decision.action {
	case keep:
		if r.inHand != nil {
			return false, nil // it is to be stored
		}
		r.k.noteLicence(ctx, r.state.notes.Licence, r.state.token.licence()) // where that failed
		r.endKept(ctx)
		return true, nil
	case wait:
		return true, r.endWaiting(ctx, r.decision.reason, r.decision.at, nil)
	}
	return false, nil
}

// takeInHand has the token that could not be stored before count as the stored one, if it is the better one.
func (r *refresh) takeInHand() {
	if r.inHand = r.k.inHand(r.state.token, r.state.refused); r.inHand != nil {
		r.state.token = r.inHand.token
	}
}

// comfortable tells whether the stored token is good for so long that a failure now can wait.
func (r *refresh) comfortable() bool {
	return usable(r.state.token, r.state.refused, r.k.now().Add(leastLife))
}

// act does what was decided: it gets new credentials if need be, and then a token with them.
func (r *refresh) act(ctx context.Context) error {
	if r.storedRefused() {
		r.k.event(ctx, slog.LevelWarn, eventTokenRefused, "Adobe refused the access token", "fingerprint", r.state.refused)
		r.noteRefusal(ctx)
	}
	if r.decision.action == keep {
		r.decision.reason = "it could not be stored before"
		return r.write(ctx, r.inHand.token)
	}
	if r.decision.action == register {
		if done, err := r.newClient(ctx, r.decision.reason); done || err != nil {
			return err
		}
		if r.decision = decide(r.state, r.k.now()); r.decision.action == keep {
			r.endKept(ctx)
			return nil
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
		return r.endWithout(ctx, err)
	}
	return r.store(ctx, got)
}

// storedRefused tells whether it is the stored token that Adobe refused.
func (r *refresh) storedRefused() bool {
	return r.state.refused != "" && r.state.token != nil && r.state.token.fingerprint() == r.state.refused
}

// obtain gets a token from Adobe. An invalid_client that it returns is confirmed: the credentials have been read again, and
// asked with again.
func (r *refresh) obtain(ctx context.Context) (cmu.Token, error) {
	var before *credentials
	for {
		c := r.state.credentials
		got, err := r.call(ctx, c.Credentials)
		confirmed := r.state.notes.RefusedClient.ClientID == c.ClientID || before != nil && before.equal(c)
		if !errors.Is(err, cmu.ErrInvalidClient) || confirmed {
			return got, err
		}
		before = c
		if sleepErr := clock.Sleep(ctx, confirmAfter); sleepErr != nil {
			return got, sleepErr
		}
		if readErr := r.readClient(ctx); readErr != nil {
			return got, readErr
		}
	}
}

// confirmAfter is Adobe's pace of calls, and time for another process to write new credentials.
const confirmAfter = 2 * time.Second

// tokenTime bounds the first call for a token, which takes a second: one that hangs must not stand in the way of the next, which has
// twice the time.
const tokenTime = 10 * time.Second

// call makes one call to Adobe, and more if it fails and time presses.
func (r *refresh) call(ctx context.Context, c cmu.Credentials) (got cmu.Token, err error) {
	relaxed, tries := r.comfortable(), 0
	policy := func(n int, err error) (time.Duration, bool) {
		d, again := retryAdobe(n, err)
		return d, again && (!relaxed || n < 2) && n < 8
	}
	k := r.k
	err = k.askAdobe(ctx, k.deadline(ctx), policy, func(ctx context.Context) (err error) {
		if !r.leaseless {
			if err = r.lease.take(ctx); errors.As(err, new(*store.HeldError)) {
				return err
			}
		}
		try, cancel := context.WithTimeout(ctx, tokenTime<<min(tries, 3))
		defer cancel()
		tries++
		got, err = k.o.Client.Token(try, c)
		return k.checkAddress(err)
	})
	return got, err
}

// store writes the token that was got, unless a better one has been written meanwhile.
func (r *refresh) store(ctx context.Context, got cmu.Token) error {
	k, c, refused := r.k, r.state.credentials, r.state.refused
	stored, err := k.token(ctx)
	if err != nil {
		stored = r.state.token // what Adobe gave is not lost for it
	}
	r.state.token = stored
	r.takeInHand()
	stored = r.state.token
	t := successor(token{Token: got, ClientID: c.ClientID, SoftwareID: c.SoftwareID}, stored, refused, k.now())
	if !replaces(&t, stored, refused, k.now()) {
		if !usable(stored, refused, k.now()) {
			return r.endWithout(ctx, errors.New("the token that was refused was given again"))
		}
		r.result = r.describe(Kept, "The access token is kept, as Adobe gave none that is better: "+r.validity()+".")
		return nil
	}
	if r.state.notes.RefusedClient.ClientID == c.ClientID {
		_ = k.deleteNote(ctx, noteRefusedClient) // Adobe accepts it again
	}
	r.inHand = nil
	return r.write(ctx, &t)
}
