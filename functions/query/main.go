// The query function answers report requests from the cache, or from Adobe. It holds neither the software statement nor the
// client credentials.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"cmu-gateway/internal/after"
	"cmu-gateway/internal/gateway"
	"cmu-gateway/internal/invoke"
	"cmu-gateway/internal/lambdahttp"
	"cmu-gateway/internal/start"
	"cmu-gateway/internal/wire"
)

func main() {
	// First, as it waits: reading the environment begins work in the background that would take the only processor meanwhile.
	extension, err := after.Register(os.Environ(), lambdacontext.NewLogger())
	s, cfg, log := start.Environment()
	if err != nil {
		log.Warn("stale answers are refreshed before they are sent", "error", err)
	}
	kept, table := start.Stores(s, cfg)
	tokens := wire.Tokens(s, kept, table, nil, invoke.AskRefresh(cfg, s.RefreshFunction), log)
	service := wire.Reports(s, wire.Adobe(s), table, tokens, extension.Go, log)
	warmUp := wire.WarmUp(s, service, log)
	face := gateway.Gateway{
		Reports:    service,
		Access:     tokens.Status,
		WarmUp:     warmUp,
		Purge:      s.Purge,
		Origins:    s.AllowedOrigins,
		KeyInFront: true, // template.yaml
		BasePath:   lambdahttp.BasePath,
		BodyLimit:  lambdahttp.BodyLimit,
		Caller:     lambdahttp.Caller,
		Log:        log,
	}
	lambda.Start(extension.Handler(scheduled{lambdahttp.New(face.Handler(), log), warmUp}))
}
