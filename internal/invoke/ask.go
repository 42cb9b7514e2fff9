package invoke

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"cmu-gateway/internal/clock"
)

// AskRefresh returns what has the refresh function, of the given name or ARN, run, and returns once Lambda has taken the event over.
// refused is the fingerprint of a token that Adobe refused, or empty. Without a name AskRefresh returns nil.
func AskRefresh(cfg aws.Config, name string) func(ctx context.Context, refused string) error {
	if name == "" {
		return nil
	}
	return func(ctx context.Context, refused string) error {
		return ask(ctx, cfg, name, RefreshEvent{Refused: refused})
	}
}

// AskRegister is AskRefresh for the register function, with the reason why client credentials are needed.
func AskRegister(cfg aws.Config, name string) func(ctx context.Context, reason string) error {
	if name == "" {
		return nil
	}
	return func(ctx context.Context, reason string) error {
		return ask(ctx, cfg, name, RegisterEvent{Reason: reason})
	}
}

// ask has Lambda take over an event for a function. A run that fails is repeated as that function is configured; one that is asked
// for twice, as may happen, must do no harm.
//
// It makes the one call without the SDK's client for Lambda, whose package takes one to two milliseconds of every start.
//
// Source: AWS Lambda API Reference, Invoke.
func ask(ctx context.Context, cfg aws.Config, name string, event any) error {
	payload, err := json.Marshal(event)
	for n := 0; err == nil; n++ {
		var again bool
		if again, err = call(ctx, cfg, name, payload); err == nil {
			return nil
		}
		if !again || n == len(pauses) || clock.Sleep(ctx, pauses[n]) != nil {
			break
		}
		err = nil
	}
	return fmt.Errorf("invoke %s: %w", name, err)
}

// pauses are the waits before an invocation is tried again.
var pauses = []time.Duration{100 * time.Millisecond, 500 * time.Millisecond}

// call makes one call. again tells of an error that it may pass.
func call(ctx context.Context, cfg aws.Config, name string, payload []byte) (again bool, err error) {
	base, err := endpoint(ctx, cfg)
	if err != nil {
		return false, err
	}
	path := "/2015-03-31/functions/" + strings.ReplaceAll(url.PathEscape(name), ":", "%3A") + "/invocations"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+path, bytes.NewReader(payload))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Amz-Invocation-Type", "Event")
	// Functions that ask each other round and round are found out, and stopped, by the trace that they pass on.
	if trace, _ := ctx.Value("x-amzn-trace-id").(string); trace != "" {
		req.Header.Set("X-Amzn-Trace-Id", trace)
	}
	keys, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return false, err
	}
	sum := sha256.Sum256(payload)
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, hex.EncodeToString(sum[:]), "lambda", cfg.Region, time.Now()); err != nil {
		return false, err
	}
	res, err := cfg.HTTPClient.Do(req)
	if err != nil {
		return ctx.Err() == nil, err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusAccepted {
		return false, nil
	}
	reason, _ := io.ReadAll(io.LimitReader(res.Body, 512))
	return res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500, fmt.Errorf("%s: %s", res.Status, reason)
}

// endpoint returns the address of Lambda's API: the one that is configured, else that of the region.
func endpoint(ctx context.Context, cfg aws.Config) (string, error) {
	for _, source := range cfg.ConfigSources {
		if s, ok := source.(interface {
			GetServiceBaseEndpoint(context.Context, string) (string, bool, error)
		}); ok {
			if base, found, err := s.GetServiceBaseEndpoint(ctx, "Lambda"); err != nil || found {
				return strings.TrimSuffix(base, "/"), err
			}
		}
	}
	if cfg.BaseEndpoint != nil {
		return strings.TrimSuffix(*cfg.BaseEndpoint, "/"), nil
	}
	domain := "amazonaws.com"
	switch partition, _, _ := strings.Cut(cfg.Region, "-"); partition {
	case "cn":
		domain = "amazonaws.com.cn"
	case "eusc":
		domain = "amazonaws.eu"
	}
	return "https://lambda." + cfg.Region + "." + domain, nil
}
