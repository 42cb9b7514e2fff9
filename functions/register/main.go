// The register function turns the software statement into client credentials, unless there are some that Adobe accepts.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/function"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/wire"
)

func main() {
	s, cfg, log := function.Environment()
	keeper := wire.Keeper(s, secrets.NewSecretsManager(secretsmanager.NewFromConfig(cfg)),
		store.NewDynamoDB(dynamodb.NewFromConfig(cfg), s.Table, time.Now, log), log)
	keeper.Holder = os.Getenv("AWS_LAMBDA_LOG_STREAM_NAME")
	lambda.Start(handler(keeper, function.Asker(cfg, s.RefreshFunction)))
}

type handle = func(context.Context, json.RawMessage) (*access.RegisterResult, error)

// handler registers. After a new registration it has a token fetched with the new credentials, if askRefresh is not nil.
func handler(keeper *access.Keeper, askRefresh func(context.Context, any) error) handle {
	return func(ctx context.Context, payload json.RawMessage) (*access.RegisterResult, error) {
		o, err := options(payload)
		if err != nil {
			return nil, err
		}
		result, err := keeper.Register(ctx, o)
		if err != nil {
			return nil, err
		}
		if result.Outcome == access.Registered && askRefresh != nil {
			if err := askRefresh(ctx, function.RefreshEvent{}); err != nil {
				// The credentials are there: a failure would only make this be repeated.
				keeper.Log.ErrorContext(ctx, "no refresh could be asked for; the next scheduled one gets the token", "error", err)
				result.Warnings = append(result.Warnings, "The token comes with the next scheduled refresh: none could be asked for now.")
			}
		}
		return &result, nil
	}
}

// options reads the event, which people write by hand: a misspelled dry_run must not register. The error quotes nothing, as the
// event may hold the statement.
func options(payload []byte) (access.RegisterOptions, error) {
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	var e function.RegisterEvent
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
