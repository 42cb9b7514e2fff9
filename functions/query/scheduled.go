package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/aws/aws-lambda-go/events"

	"cmu-gateway/internal/lambdahttp"
	"cmu-gateway/internal/warm"
)

// scheduled takes the event of the schedule WarmUp of template.yaml, and leaves all others to API.
type scheduled struct {
	api    *lambdahttp.Handler
	warmUp *warm.Keeper // nil: there is no such schedule
}

// Invoke answers one event. What a round could not do is for the next: it is no error, so that Lambda does not repeat it.
func (s scheduled) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	if !s.round(ctx, payload) {
		return s.api.Invoke(ctx, payload)
	}
	return []byte("{}"), nil
}

// Stream is Invoke for a function that streams its answers.
func (s scheduled) Stream(ctx context.Context, payload []byte) (*events.APIGatewayProxyStreamingResponse, error) {
	if !s.round(ctx, payload) {
		return s.api.Stream(ctx, payload)
	}
	return &events.APIGatewayProxyStreamingResponse{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
}

// round does what a schedule's event asks for, and reports whether it is one.
func (s scheduled) round(ctx context.Context, payload []byte) bool {
	if s.warmUp == nil || !isWarmUp(payload) {
		return false
	}
	s.warmUp.Round(ctx)
	return true
}

// isWarmUp reports whether an event is that of the schedule: it holds nothing else. API Gateway puts what callers send into an event
// that has a method and a path.
func isWarmUp(payload []byte) bool {
	var event struct {
		What string `json:"cmu-gateway"`
	}
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	return d.Decode(&event) == nil && event.What == "warm" && !d.More()
}
