package gateway

import (
	"context"
	"time"
)

type passingKey struct{}

// InPassing marks a request that is answered from what is at hand, without a call to Adobe, as so many are being answered that it would have to wait.
func InPassing(ctx context.Context) context.Context {
	return context.WithValue(ctx, passingKey{}, true)
}

func inPassing(ctx context.Context) bool { return ctx.Value(passingKey{}) != nil }

// passingPause is when who was refused in passing may ask again.
const passingPause = 5 * time.Second
