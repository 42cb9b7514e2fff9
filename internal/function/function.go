// Package function is what the Lambda functions share: their environment, and asking one another to run.
package function

import (
	"errors"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"

	"cmu-gateway/internal/awsconfig"
	"cmu-gateway/internal/settings"
)

// Environment reads what a function is started with. When a variable is at fault it logs which, and ends the process: Lambda
// reports a failed start.
func Environment() (settings.Settings, aws.Config, *slog.Logger) {
	log := lambdacontext.NewLogger()
	slog.SetDefault(log)
	s, wrong := settings.FromEnv(os.Environ())
	cfg, missing := awsconfig.FromEnv(os.Environ())
	if err := errors.Join(wrong, missing); err != nil {
		log.Error("the function cannot start: its environment is at fault", "error", err)
		os.Exit(1)
	}
	return s, cfg, log
}

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
