package access

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"cmu-gateway/internal/secrets"
)

// obtained is a token as this process got it.
type obtained struct {
	token *token
	// unstored is why it is in no secret yet; nil: it was stored, or is about to be.
	unstored error
	since    time.Time // that unstored holds
}

// got has this process use a token from now on.
func (k *Keeper) got(o obtained) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.latest = &o
	close(k.news)
	k.news = make(chan struct{})
}

// lastGot returns the token that this process got last, which may be nil, and what is closed when there is another.
func (k *Keeper) lastGot() (*obtained, <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.latest, k.news
}

// inHand is the token that this process got and could not store, if it would replace the stored one; else nil.
func (k *Keeper) inHand(stored *token, refused string) *obtained {
	l, _ := k.lastGot()
	if l == nil || l.unstored == nil || !replaces(l.token, stored, refused, k.now()) {
		return nil
	}
	return l
}

// write stores a token. One that cannot be stored is used by this process all the same, and stored by its next refresh.
func (r *refresh) write(ctx context.Context, t *token) error {
	k := r.k
	r.state.token = t
	if r.inHand == nil {
		k.got(obtained{token: t})
	}
	fiveTimes := func(n int, err error) (time.Duration, bool) { return backOff(n), n < 5 }
	if err := k.repeat(ctx, fiveTimes, func() error {
		return k.o.Secrets.Write(ctx, k.o.TokenName, "token-"+t.fingerprint(), t.encode())
	}); err != nil {
		return r.endUnstored(context.WithoutCancel(ctx), t, err)
	}
	k.got(obtained{token: t})
	if r.state.notes.UnstoredToken.Reason != "" {
		_ = k.deleteNote(ctx, noteUnstoredToken)
	}
	k.noteLicence(ctx, r.state.notes.Licence, t.licence())
	r.endRenewed(ctx)
	return nil
}

// endUnstored ends a refresh whose token could not be stored.
func (r *refresh) endUnstored(ctx context.Context, t *token, err error) error {
	k := r.k
	since := k.now().UTC()
	if r.inHand != nil {
		since = r.inHand.since
	}
	k.got(obtained{t, err, since})
	k.event(ctx, slog.LevelError, eventTokenUnstored, "the new access token could not be stored", "fingerprint", t.fingerprint(), "error", err)
	note := unstoredToken{secrets.Reason(err), since}
	if err := k.putNote(ctx, noteUnstoredToken, note, t.ExpiresAt); err != nil {
		k.o.Log.WarnContext(ctx, "it could not be noted that a token could not be stored", "error", err)
	}
	return fmt.Errorf("the new access token could not be stored, and is used by this process alone until it is: %w", err)
}
