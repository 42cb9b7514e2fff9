// Package function is what the Lambda functions share: their environment, and asking one another to run.
package function

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

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

// Asker returns what has another function, of the given name or ARN, run on an event, and returns once Lambda has taken it over.
// A run that fails is repeated as that function is configured. Without a name Asker returns nil.
func Asker(cfg aws.Config, name string) func(ctx context.Context, event any) error {
	if name == "" {
		return nil
	}
	client := lambda.NewFromConfig(cfg)
	return func(ctx context.Context, event any) error {
		payload, err := json.Marshal(event)
		if err != nil {
			return fmt.Errorf("invoke %s: %w", name, err)
		}
		// https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html
		_, err = client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, InvocationType: types.InvocationTypeEvent, Payload: payload})
		if err != nil {
			return fmt.Errorf("invoke %s: %w", name, err)
		}
		return nil
	}
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
