package access

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"cmu-gateway/internal/store"
)

// The notes of this package. Those whose names begin with access. are a Keeper's: where a store tells writers apart, as in AWS, who
// hands out tokens reads them alone.
const (
	noteRegistrations    = "access.registrations"
	noteRefusedClient    = "access.refused-client"
	noteRefusedToken     = "access.refused-token"
	noteAcceptedToken    = "accepted-token"
	noteUnstoredToken    = "access.unstored-token"
	noteRefusedStatement = "access.refused-statement"
	noteCooldown         = "access.cooldown"
	noteRegisterAsked    = "access.asked"
	noteLicence          = "access.licence"
)

// notes are what processes tell each other. What was never noted is zero.
type notes struct {
	Registrations    registrations
	RefusedClient    refusedClient
	RefusedToken     refusedToken
	AcceptedToken    acceptedToken
	UnstoredToken    unstoredToken
	RefusedStatement refusedStatement
	Cooldown         cooldown
	RegisterAsked    registerAsked
	Licence          notedLicence
}

// untried tells that nobody has ever tried to register.
func (n notes) untried() bool {
	return n.Registrations == registrations{} && n.RefusedStatement == refusedStatement{}
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

// refusedClient names the credentials of which Adobe said invalid_client, twice.
type refusedClient struct {
	ClientID string    `json:"client_id"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until,omitzero"` // before which no other client is registered by itself
}

// refusedToken names the stored token while Adobe refuses it and gives none that is better.
type refusedToken struct {
	Fingerprint string    `json:"fingerprint"`
	Since       time.Time `json:"since,omitzero"`
}

// acceptedToken names a token that Adobe accepted although one before it was refused, or it was itself.
type acceptedToken struct {
	Fingerprint string    `json:"fingerprint"`
	At          time.Time `json:"at"`
}

// unstoredToken says why the last token that Adobe gave could not be stored.
type unstoredToken struct {
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
}

// refusedToken is the fingerprint of the token that Adobe refuses, or empty.
func (n notes) refusedToken() string {
	if n.AcceptedToken.Fingerprint == n.RefusedToken.Fingerprint && n.AcceptedToken.At.After(n.RefusedToken.Since) {
		return ""
	}
	return n.RefusedToken.Fingerprint
}

// accepted tells whether Adobe accepted a token before.
func (n notes) accepted(t *token) bool {
	return n.AcceptedToken.Fingerprint != "" && n.AcceptedToken.Fingerprint == t.fingerprint()
}

// refusedStatement names what Adobe will not register.
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

// registerAsked is when registration was last asked for elsewhere.
type registerAsked struct {
	At time.Time `json:"at"`
}

// readNotes reads them. One that cannot be read is logged and counts as absent.
func readNotes(ctx context.Context, from store.Notes, log *slog.Logger) (notes, error) {
	stored, err := from.Notes(ctx)
	if err != nil {
		return notes{}, err
	}
	var n notes
	for name, into := range map[string]any{
		noteRegistrations: &n.Registrations, noteRefusedClient: &n.RefusedClient, noteRefusedStatement: &n.RefusedStatement,
		noteRefusedToken: &n.RefusedToken, noteAcceptedToken: &n.AcceptedToken, noteUnstoredToken: &n.UnstoredToken,
		noteCooldown: &n.Cooldown, noteRegisterAsked: &n.RegisterAsked, noteLicence: &n.Licence,
	} {
		if note, ok := stored[name]; ok && json.Unmarshal(note.Value, into) != nil {
			log.WarnContext(ctx, "a note cannot be read and counts as absent", "note", name)
		}
	}
	return n, nil
}

func (k *Keeper) notes(ctx context.Context) (n notes, err error) {
	err = k.repeat(ctx, retryStore, func() (err error) {
		n, err = readNotes(ctx, k.o.Notes, k.o.Log)
		return err
	})
	return n, err
}

func (k *Keeper) putNote(ctx context.Context, name string, value any, expires time.Time) error {
	return k.repeat(ctx, retryStore, func() error {
		return k.o.Notes.PutNote(ctx, name, store.Note{Value: encode(value), Expires: expires})
	})
}

func (k *Keeper) deleteNote(ctx context.Context, name string) error {
	return k.repeat(ctx, retryStore, func() error { return k.o.Notes.DeleteNote(ctx, name) })
}
