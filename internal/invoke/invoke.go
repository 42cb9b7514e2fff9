// Package invoke is how the functions refresh and register are run: by which events, who sends them, and how they are answered.
package invoke

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"

	"cmu-gateway/internal/access"
)

// RefreshEvent is the event of the refresh function. The zero value, and any event without its fields, is a look whether it is
// time.
type RefreshEvent struct {
	// Refused is the fingerprint of a token that Adobe refused.
	Refused string `json:"refused,omitempty"`
}

// RegisterEvent is the event of the register function. All fields are optional. It holds no software statement: an event may rest in
// queues, among the dead letters at last.
type RegisterEvent struct {
	DryRun bool   `json:"dry_run,omitempty"`
	Force  bool   `json:"force,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Refused is the outcome of a register event that is not one, besides those of access. Nothing was done. It is no error, as Lambda
// would repeat the event, and keep it.
const Refused = "refused"

// Refresh returns the handler of the refresh function. What fails is logged by the keeper.
func Refresh(keeper *access.Keeper) func(context.Context, json.RawMessage) (*access.RefreshResult, error) {
	return func(ctx context.Context, payload json.RawMessage) (*access.RefreshResult, error) {
		var e RefreshEvent
		if json.Unmarshal(payload, &e) != nil {
			e = RefreshEvent{} // a scheduler may send anything: access must not lapse for it
		}
		result, err := keeper.Refresh(ctx, access.RefreshOptions{Refused: e.Refused})
		if err != nil {
			return nil, err
		}
		return &result, nil
	}
}

// Register returns the handler of the register function. After a new registration it has a token fetched with the new credentials,
// if askRefresh is not nil. That there is no software statement yet is no failure.
func Register(keeper *access.Keeper, askRefresh func(ctx context.Context, refused string) error,
	log *slog.Logger) func(context.Context, json.RawMessage) (*access.RegisterResult, error) {
	return func(ctx context.Context, payload json.RawMessage) (*access.RegisterResult, error) {
		o, err := registerOptions(payload)
		if err != nil {
			log.ErrorContext(ctx, "the event is refused", "event", "event_refused", "error", err)
			return &access.RegisterResult{Outcome: Refused, Message: err.Error()}, nil
		}
		result, err := keeper.Register(ctx, o)
		if errors.Is(err, access.ErrNotSetUp) {
			log.InfoContext(ctx, "there is nothing to register with yet", "event", "not_set_up")
			return &access.RegisterResult{Outcome: access.Waiting, Message: err.Error()}, nil
		}
		if err != nil {
			log.ErrorContext(ctx, "the registration failed", "event", "register_failed", "error", err)
			return nil, err
		}
		if result.Outcome == access.Registered && askRefresh != nil {
			if err := askRefresh(ctx, ""); err != nil {
				// The credentials are there: a failure would only make this be repeated.
				log.ErrorContext(ctx, "no refresh could be asked for; the next scheduled one gets the token", "event", "refresh_not_asked", "error", err)
				result.Warnings = append(result.Warnings, "The token comes with the next scheduled refresh: none could be asked for now.")
			}
		}
		return &result, nil
	}
}

// registerOptions reads the event, which people write by hand: a misspelled dry_run must not register. The error quotes nothing, as
// the event may hold a statement.
func registerOptions(payload []byte) (access.RegisterOptions, error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(payload, &fields) == nil {
		for name := range fields {
			if strings.EqualFold(name, "statement") {
				return access.RegisterOptions{}, errors.New("register: an event must not hold the software statement, which would stay in queues and " +
					"dead letters: put it into its secret, and leave \"statement\" out")
			}
		}
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	var e RegisterEvent
	if err := d.Decode(&e); err != nil || d.More() {
		return access.RegisterOptions{}, errors.New(`register: want as event a JSON object with nothing but "dry_run" and "force" ` +
			`(true or false) and "reason" (a text), all optional`)
	}
	return access.RegisterOptions{DryRun: e.DryRun, Force: e.Force, Reason: e.Reason}, nil
}
