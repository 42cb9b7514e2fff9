// The register function turns the software statement into client credentials, unless there are some that Adobe accepts.
package main

import (
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"cmu-gateway/internal/invoke"
	"cmu-gateway/internal/start"
	"cmu-gateway/internal/wire"
)

func main() {
	s, cfg, log := start.Environment()
	kept, table := start.Stores(s, cfg)
	askRefresh := invoke.AskRefresh(cfg, s.RefreshFunction)
	lambda.Start(invoke.Register(wire.Keeper(s, kept, table, lambdacontext.LogStreamName, nil, log), askRefresh, log))
}
