// The query function answers report requests from the cache, or from Adobe. It holds neither the software statement nor the
// client credentials.
package main

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/after"
	"cmu-gateway/internal/function"
	"cmu-gateway/internal/gateway"
	"cmu-gateway/internal/lambdahttp"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/wire"
)

func main() {
	// First, as it waits: reading the environment begins work in the background that would take the only processor meanwhile.
	extension, err := after.Register(os.Environ(), lambdacontext.NewLogger())
	s, cfg, log := function.Environment()
	if err != nil {
		log.Warn("stale answers are refreshed before they are sent", "error", err)
	}
	tokens := &access.Tokens{Secrets: secrets.NewSecretsManager(secretsmanager.NewFromConfig(cfg)), Name: s.TokenSecret}
	if ask := function.Asker(cfg, s.RefreshFunction); ask != nil {
		tokens.AskRefresh = func(ctx context.Context, refused string) error {
			return ask(ctx, function.RefreshEvent{Refused: refused})
		}
	}
	blocks := store.NewDynamoDB(dynamodb.NewFromConfig(cfg), s.Table, time.Now)
	face := gateway.Gateway{
		Reports:   wire.Reports(s, blocks, tokens, extension.Go, log),
		Access:    func(ctx context.Context) (any, error) { return tokens.Status(ctx) },
		Purge:     s.Purge,
		BasePath:  lambdahttp.BasePath,
		BodyLimit: lambdahttp.BodyLimit,
		Log:       log,
	}
	lambda.Start(extension.Handler(lambdahttp.New(face.Handler(), log)))
}
