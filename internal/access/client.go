package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// readClient reads the client credentials again, which must be there.
func (r *refresh) readClient(ctx context.Context) error {
	c, err := r.k.credentials(ctx)
	if err != nil {
		return err
	}
	if c == nil {
		return errors.New("the client credentials have vanished")
	}
	r.state.credentials = c
	return nil
}

// newClient sees to it that there are client credentials: it registers, or asks for that. It is done when they will only come
// later.
func (r *refresh) newClient(ctx context.Context, reason string) (done bool, err error) {
	k := r.k
	if k.o.AskRegister != nil {
		return r.askRegister(ctx, reason)
	}
	if _, err := k.Register(ctx, RegisterOptions{Reason: reason, Waits: r.waits}); err != nil {
		at := k.now().Add(time.Minute)
		if tooEarly := new(WaitError); errors.As(err, &tooEarly) {
			at = tooEarly.Until
		}
		return true, r.endWaiting(ctx, reason, at, err)
	}
	return false, r.readClient(ctx)
}

// askRegister has somebody else register, unless that is too early or was asked for a while ago.
func (r *refresh) askRegister(ctx context.Context, reason string) (done bool, err error) {
	k := r.k
	if d := mayRegister(r.state.credentials, r.state.notes, "", k.o.RegisterInterval, k.now()); d.action == wait {
		return true, r.endWaiting(ctx, reason, d.at, &WaitError{d.reason, d.at})
	}
	asked := r.state.notes.RegisterAsked.At
	// A client that was registered since is what was asked for then.
	had := r.state.credentials != nil && r.state.credentials.RegisteredAt.After(asked)
	if at := asked.Add(askEvery); !had && k.now().Before(at) && at.Sub(k.now()) <= askEvery+leeway {
		return true, r.endWaiting(ctx, reason+", and registration was asked for", at, nil)
	}
	now := k.now().UTC()
	if err := k.o.AskRegister(ctx, reason); err != nil {
		return false, fmt.Errorf("registration could not be asked for: %w", err)
	}
	k.event(ctx, slog.LevelWarn, eventRegisterAsked, "registration was asked for", "reason", reason)
	if err := k.putNote(ctx, noteRegisterAsked, registerAsked{now}, now.Add(askEvery)); err != nil {
		k.o.Log.WarnContext(ctx, "it could not be noted that registration was asked for", "error", err)
	}
	if err := r.endWaiting(ctx, reason+", and registration was asked for", k.now().Add(retryAfter), nil); err != nil {
		return true, err
	}
	r.result.Outcome = Asked
	return true, nil
}

// askEvery is the least time between two requests to register.
const askEvery = 15 * time.Minute

// replaceClient notes that Adobe refuses the client, which is confirmed, and gets another. It is done when that will only come
// later.
func (r *refresh) replaceClient(ctx context.Context, refusal error) (done bool, err error) {
	k, id := r.k, r.state.credentials.ClientID
	k.event(ctx, slog.LevelError, eventInvalidClient, "Adobe refuses the client credentials", "client_id", id)
	if r.state.notes.RefusedClient.ClientID != id {
		note := refusedClient{ClientID: id, Since: k.now().UTC()}
		r.state.notes.RefusedClient = note
		if d := mayRegister(r.state.credentials, r.state.notes, "", k.o.RegisterInterval, k.now()); d.action == wait {
			note.Until = d.at.UTC()
		}
		if err := k.putNote(ctx, noteRefusedClient, note, time.Time{}); err != nil {
			return false, fmt.Errorf("%w, which could not be noted: %w", refusal, err)
		}
		r.state.notes.RefusedClient = note
	}
	done, err = r.newClient(ctx, "Adobe refused the client credentials")
	if done {
		r.pause(ctx, shortPause)
	}
	return done, err
}
