package access

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"cmu-gateway/internal/store"
)

// The notes of this package.
const (
	noteRegistrations    = "access.registrations"
	noteRefusedClient    = "access.refused-client"
	noteRefusedToken     = "access.refused-token"
	noteRefusedStatement = "access.refused-statement"
	noteCooldown         = "access.cooldown"
	noteAsked            = "access.asked"
)

// marks are what processes tell each other by notes. What was never noted is zero.
type marks struct {
	Registrations    registrations
	RefusedClient    refusedClient
	RefusedToken     refusedToken
	RefusedStatement refusedStatement
	Cooldown         cooldown
	Asked            asked
}

// registrations counts them. An attempt is noted before Adobe is called, so that not even a crash makes a loop of calls.
type registrations struct {
	Count  int       `json:"count"` // that Adobe answered with credentials
	Last   time.Time `json:"last,omitzero"`
	Reason string    `json:"reason,omitempty"` // of the last
	// Replaced is when the last one was made for which nobody had asked, as credentials were refused or had expired.
	Replaced time.Time `json:"replaced,omitzero"`
	ClientID string    `json:"client_id,omitempty"`
	Orphans  int       `json:"orphans,omitempty"` // whose credentials could not be stored
	Attempt  time.Time `json:"attempt,omitzero"`
	Failed   int       `json:"failed,omitempty"` // attempts since credentials were last stored
}

// refusedClient marks the credentials of which Adobe said invalid_client, twice.
type refusedClient struct {
	ClientID string    `json:"client_id"`
	Since    time.Time `json:"since"`
}

// refusedToken marks the stored token while Adobe refuses it and gives none that is better. It is for people: decisions rest on
// what callers report.
type refusedToken struct {
	Fingerprint string `json:"fingerprint"`
}

// refusedStatement marks what Adobe will not register.
type refusedStatement struct {
	Digest string    `json:"digest"`
	Code   string    `json:"code"`
	Since  time.Time `json:"since"`
}

// cooldown is a pause in a client's calls to Adobe after they failed.
type cooldown struct {
	ClientID string    `json:"client_id"`
	Until    time.Time `json:"until"`
	Reason   string    `json:"reason"`
}

// asked is when registration was last asked for elsewhere.
type asked struct {
	At time.Time `json:"at"`
}

func (k *Keeper) readMarks(ctx context.Context) (marks, error) {
	var notes map[string]store.Note
	err := k.repeat(ctx, k.end(ctx), storeWait, func() (err error) {
		notes, err = k.Store.Notes(ctx)
		return err
	})
	var m marks
	for name, into := range map[string]any{
		noteRegistrations: &m.Registrations, noteRefusedClient: &m.RefusedClient, noteRefusedStatement: &m.RefusedStatement,
		noteRefusedToken: &m.RefusedToken, noteCooldown: &m.Cooldown, noteAsked: &m.Asked,
	} {
		if n, ok := notes[name]; ok && err == nil && json.Unmarshal(n.Value, into) != nil {
			k.log().WarnContext(ctx, "a note cannot be read and counts as absent", "note", name)
		}
	}
	return m, err
}

func (k *Keeper) putMark(ctx context.Context, name string, value any, expires time.Time) error {
	return k.repeat(ctx, k.end(ctx), storeWait, func() error {
		return k.Store.PutNote(ctx, name, store.Note{Value: encode(value), Expires: expires})
	})
}

func (k *Keeper) deleteMark(ctx context.Context, name string) error {
	return k.repeat(ctx, k.end(ctx), storeWait, func() error { return k.Store.DeleteNote(ctx, name) })
}

// storeWait repeats calls to the store, which retries on its own, a few times only.
func storeWait(n int, err error) (time.Duration, bool) {
	return time.Duration(n) * 100 * time.Millisecond, n < 4 && !errors.As(err, new(*store.HeldError))
}
