// Package start is how every Lambda function begins: it reads the environment and opens what is kept on AWS.
package start

import (
	"errors"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"cmu-gateway/internal/awsconfig"
	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/logs"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/settings"
	"cmu-gateway/internal/store"
)

// Environment reads what a function is started with. When a variable is at fault it logs which, and ends the process: Lambda
// reports a failed start.
func Environment() (settings.Settings, aws.Config, *slog.Logger) {
	log := lambdacontext.NewLogger()
	logs.Default(log)
	s, wrong := settings.FromEnv(os.Environ())
	cfg, missing := awsconfig.FromEnv(os.Environ())
	if err := errors.Join(wrong, missing); err != nil {
		log.Error("the function cannot start: its environment is at fault", "error", err)
		os.Exit(1)
	}
	return s, cfg, log
}

// Stores returns the secrets and the table of the stack. Neither is called before it is needed.
func Stores(s settings.Settings, cfg aws.Config) (secrets.Store, store.Store) {
	return secrets.NewSecretsManager(secretsmanager.NewFromConfig(cfg)),
		store.NewDynamoDB(dynamodb.NewFromConfig(cfg), s.Table, clock.Wall, slog.Default())
}
