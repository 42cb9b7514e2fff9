// Package invoke is how the functions refresh and register are run: by which events, who sends them, and how they are answered.
package invoke

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"cmu-gateway/internal/access"
)

// RefreshEvent is the event of the refresh function. The zero value, and any event without its fields, is a look whether it is
// time.
type RefreshEvent struct {
	// Refused is the fingerprint of a token that Adobe refused.
	Refused string `json:"refused,omitempty"`
}

// RegisterEvent is the event of the register function. All fields are optional.
type RegisterEvent struct {
	Statement string `json:"statement,omitempty"` // the text of the software statement; empty: that of the secret
	DryRun    bool   `json:"dry_run,omitempty"`
	Force     bool   `json:"force,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

// Refresh returns the handler of the refresh function.
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
// if askRefresh is not nil.
func Register(keeper *access.Keeper, askRefresh func(ctx context.Context, refused string) error,
	log *slog.Logger) func(context.Context, json.RawMessage) (*access.RegisterResult, error) {
	return func(ctx context.Context, payload json.RawMessage) (*access.RegisterResult, error) {
		o, err := registerOptions(payload)
		if err != nil {
			return nil, err
		}
		result, err := keeper.Register(ctx, o)
		if err != nil {
			return nil, err
		}
		if result.Outcome == access.Registered && askRefresh != nil {
			if err := askRefresh(ctx, ""); err != nil {
				// The credentials are there: a failure would only make this be repeated.
				log.ErrorContext(ctx, "no refresh could be asked for; the next scheduled one gets the token", "error", err)
				result.Warnings = append(result.Warnings, "The token comes with the next scheduled refresh: none could be asked for now.")
			}
		}
		return &result, nil
	}
}

// registerOptions reads the event, which people write by hand: a misspelled dry_run must not register. The error quotes nothing, as
// the event may hold the statement.
func registerOptions(payload []byte) (access.RegisterOptions, error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	var e RegisterEvent
	if err := d.Decode(&e); err != nil || d.More() {
		return access.RegisterOptions{}, errors.New(`register: want as event a JSON object with nothing but "statement" and "reason" ` +
			`(texts), "dry_run" and "force" (true or false), all optional`)
	}
	o := access.RegisterOptions{DryRun: e.DryRun, Force: e.Force, Reason: e.Reason}
	if e.Statement != "" {
		o.Statement = []byte(e.Statement)
	}
	return o, nil
}
