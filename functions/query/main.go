// The query function answers report requests from the cache, or from Adobe. It holds neither the software statement nor the
// client credentials.
package main

import (
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"cmu-gateway/internal/after"
	"cmu-gateway/internal/gateway"
	"cmu-gateway/internal/invoke"
	"cmu-gateway/internal/lambdahttp"
	"cmu-gateway/internal/settings"
	"cmu-gateway/internal/start"
	"cmu-gateway/internal/wire"
)

func main() {
	s, cfg, log := start.Environment()
	extension, err := after.Register(os.Environ(), log)
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
		BasicAuth:  s.BasicAuth,
		BasePath:   lambdahttp.BasePath,
		BodyLimit:  lambdahttp.BodyLimit,
		Caller:     lambdahttp.Caller,
		Log:        log,
	}
	handler := handler{lambdahttp.New(face.Handler(), log), warmUp, s.BasicAuth}
	if s.ResponseMode == settings.Streaming {
		lambdahttp.AnnounceStreams(os.Getenv("AWS_LAMBDA_RUNTIME_API"))
		lambda.Start(extension.StreamHandler(handler.Stream))
	} else {
		lambda.Start(extension.Handler(handler))
	}
}
