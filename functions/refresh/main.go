// The refresh function gets a new access token when the kept one ends soon or was refused. Run every few minutes, it mostly
// finds nothing to do.
package main

import (
	"context"
	"encoding/json"
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
	if ask := function.Asker(cfg, s.RegisterFunction); ask != nil {
		keeper.AskRegister = func(ctx context.Context, reason string) error {
			return ask(ctx, function.RegisterEvent{Reason: reason})
		}
	}
	lambda.Start(handler(keeper))
}

func handler(keeper *access.Keeper) func(context.Context, json.RawMessage) (*access.RefreshResult, error) {
	return func(ctx context.Context, payload json.RawMessage) (*access.RefreshResult, error) {
		var e function.RefreshEvent
		if json.Unmarshal(payload, &e) != nil {
			e = function.RefreshEvent{} // a scheduler may send anything: access must not lapse for it
		}
		result, err := keeper.Refresh(ctx, access.RefreshOptions{Refused: e.Refused})
		if err != nil {
			return nil, err
		}
		return &result, nil
	}
}
