package main

import (
	"bytes"
	"context"
	"io"

	"cmu-gateway/internal/lambdahttp"
	"cmu-gateway/internal/warm"
)

// handler leaves requests to the API to api, and answers the other events that template.yaml has sent here.
type handler struct {
	api       *lambdahttp.Handler
	warmUp    *warm.Keeper // nil: there is no schedule WarmUp
	basicAuth bool         // the API asks here for the key of each request
}

// Invoke answers one event.
func (h handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if out, ok, err := h.other(ctx, payload); ok {
		return out, err
	}
	return h.api.Invoke(ctx, payload)
}

// Stream is Invoke for a function that streams its answers. What is for no client is not streamed.
func (h handler) Stream(ctx context.Context, payload []byte) (io.ReadCloser, error) {
	if out, ok, err := h.other(ctx, payload); ok {
		return io.NopCloser(bytes.NewReader(out)), err
	}
	return h.api.Stream(ctx, payload)
}

// other answers what is no request to the API; else it is not ok. What a round could not do is for the next: it is no error, so that Lambda does
// not repeat it. That of Authorize is for API Gateway alone: whoever sends no key fills no log.
func (h handler) other(ctx context.Context, payload []byte) (out []byte, ok bool, err error) {
	if h.warmUp != nil && isWarmUp(payload) {
		h.warmUp.Round(ctx)
		return []byte("{}"), true, nil
	}
	if h.basicAuth {
		return lambdahttp.Authorize(payload)
	}
	return nil, false, nil
}
