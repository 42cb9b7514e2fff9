// The refresh function gets a new access token when the kept one ends soon or was refused. Run every few minutes, it mostly
// finds nothing to do.
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
	askRegister := invoke.AskRegister(cfg, s.RegisterFunction)
	lambda.Start(invoke.Refresh(wire.Keeper(s, kept, table, lambdacontext.LogStreamName, askRegister, log)))
}
