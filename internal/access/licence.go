package access

import (
	"context"
	"encoding/json"
	"time"

	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// Token is an access token with the licence that Adobe's answers to it belong to.
type Token struct {
	cmu.Token
	Licence string
}

// licenceOf names what Adobe's answers belong to: the software of the statement that a client was registered with, whichever client
// it is; where that is not known, the client.
func licenceOf(softwareID, clientID string) string {
	if softwareID == "" && clientID != "" {
		return "client " + clientID
	}
	return softwareID
}

func (t *token) licence() string { return licenceOf(t.SoftwareID, t.ClientID) }

// notedLicence tells all processes which licence is in use. It is that of the newest credentials, and then of the newest token.
type notedLicence struct {
	Name string    `json:"name"`
	At   time.Time `json:"at"` // zero: nothing was ever noted
}

// noteLicence notes a licence unless it is the one noted.
func (k *Keeper) noteLicence(ctx context.Context, noted notedLicence, name string) {
	if !noted.At.IsZero() && noted.Name == name {
		return
	}
	if err := k.putNote(ctx, noteLicence, notedLicence{name, k.now().UTC()}, time.Time{}); err != nil {
		k.o.Log.WarnContext(ctx, "the licence in use could not be noted; the next refresh tries again", "error", err)
	}
}

// licenceTime bounds a look for the licence.
const licenceTime = 3 * time.Second

// Licence names the licence that Adobe's answers belong to now: that of the token in use, valid or not; before one was read, what was
// noted of it. It reads a note or a secret once, and never waits for a token. It is false where there is nothing to tell it by.
func (t *Tokens) Licence(ctx context.Context) (name string, known bool) {
	if name, known = t.licence(); known {
		return name, true
	}
	t.finding.Do("licence", func() (any, error) { //nolint:errcheck // what was found is in t
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), licenceTime)
		defer cancel()
		notes, err := t.o.Notes.Notes(ctx)
		if err != nil {
			t.o.Log.WarnContext(ctx, "the licence in use cannot be read from the notes", "error", err)
		}
		t.Noted(ctx, notes)
		if _, known := t.licence(); !known {
			_ = t.read(ctx, false)
		}
		return nil, nil
	})
	return t.licence()
}

func (t *Tokens) licence() (name string, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.adopt()
	if t.token != nil {
		return t.token.licence(), true
	}
	return t.noted.Name, !t.noted.At.IsZero()
}

// Noted tells what all processes have noted, for whoever reads that anyway: where another licence has come into use since the token
// in hand was got, the stored one is looked at.
func (t *Tokens) Noted(ctx context.Context, all map[string]store.Note) {
	var noted notedLicence
	note, ok := all[noteLicence]
	if !ok {
		return
	}
	if err := json.Unmarshal(note.Value, &noted); err != nil {
		t.o.Log.WarnContext(ctx, "a note cannot be read and counts as absent", "note", noteLicence)
		return
	}
	t.mu.Lock()
	t.adopt()
	t.noted = noted
	replaced := t.token != nil && t.token.licence() != noted.Name && noted.At.After(t.token.ObtainedAt)
	unseen := !t.readAt.After(noted.At) // however short a while ago that was
	t.mu.Unlock()
	if replaced {
		_ = t.read(ctx, unseen)
	}
}
