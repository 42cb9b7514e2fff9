package access

import (
	"context"

	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// Accepted tells that Adobe answered a report with a token. That counts where tokens were refused before: one that works after it was
// refused is good.
func (t *Tokens) Accepted(ctx context.Context, value cmu.Secret) {
	t.mu.Lock()
	if t.refused != "" && t.refused == Fingerprint(value) {
		t.refused = ""
	}
	held := t.token
	if held == nil || held.Value != value || held.Refusals == 0 && t.everSaid == "" {
		t.mu.Unlock()
		return
	}
	fingerprint := held.fingerprint()
	known := fingerprint == t.accepted || held.Refusals == 0 && fingerprint != t.everSaid
	t.accepted = fingerprint
	t.mu.Unlock()
	if known {
		return
	}
	note := store.Note{Value: encode(acceptedToken{fingerprint, t.now().UTC()}), Expires: held.ExpiresAt}
	if err := t.o.Notes.PutNote(ctx, noteAcceptedToken, note); err != nil {
		t.o.Log.WarnContext(ctx, "it could not be noted that Adobe accepts the token", "error", err)
	}
}

// Newer returns the token that has replaced one in use, if there is one: another process may have registered another client, whose
// token Adobe serves what it denies (403) to the old one. It asks for nothing.
func (t *Tokens) Newer(ctx context.Context, used cmu.Secret) (Token, bool) {
	_ = t.read(ctx, false)
	held, ok := t.valid(0)
	return held, ok && held.Value != used
}
