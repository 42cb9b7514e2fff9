package invoke

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/awsconfig"
)

// keys are what Lambda gives every function.
var keys = []string{"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=AKID", "AWS_SECRET_ACCESS_KEY=hunter2"}

func TestAsk(t *testing.T) {
	pauses = []time.Duration{0, 0}
	arn := "arn:aws:lambda:eu-central-1:123456789012:function:gateway-refresh"
	for _, test := range []struct {
		name     string
		statuses []int // the last one for all further calls
		calls    int
		wrong    string // in the error; empty: none
	}{
		{"taken over", []int{202}, 1, ""},
		{"throttled once", []int{429, 202}, 2, ""},
		{"broken", []int{500}, 3, "500 Internal Server Error: why"},
		{"refused", []int{403}, 1, "403 Forbidden: why"},
	} {
		t.Run(test.name, func(t *testing.T) {
			calls := 0
			lambda := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if want := "/2015-03-31/functions/" + strings.ReplaceAll(arn, ":", "%3A") + "/invocations"; r.URL.EscapedPath() != want {
					t.Errorf("path %s, want %s", r.URL.EscapedPath(), want)
				}
				if r.Method != http.MethodPost || r.Header.Get("X-Amz-Invocation-Type") != "Event" || string(body) != `{"refused":"0a1b"}` {
					t.Errorf("%s %v %s", r.Method, r.Header, body)
				}
				signed := "AWS4-HMAC-SHA256 Credential=AKID/" + time.Now().UTC().Format("20060102") + "/eu-central-1/lambda/aws4_request"
				if got := r.Header.Get("Authorization"); !strings.HasPrefix(got, signed) || !strings.Contains(got, "x-amz-invocation-type") {
					t.Errorf("signature %s, want %s", got, signed)
				}
				w.WriteHeader(test.statuses[min(calls, len(test.statuses)-1)])
				io.WriteString(w, "why")
				calls++
			}))
			defer lambda.Close()
			cfg, err := awsconfig.FromEnv(append(keys, "AWS_ENDPOINT_URL_LAMBDA="+lambda.URL+"/"))
			if err != nil {
				t.Fatal(err)
			}
			err = AskRefresh(cfg, arn)(t.Context(), "0a1b")
			if calls != test.calls || (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
				t.Errorf("%d calls, error %v; want %d, %q", calls, err, test.calls, test.wrong)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows a key: %v", err)
			}
		})
	}
	cfg, err := awsconfig.FromEnv(keys)
	if err != nil {
		t.Fatal(err)
	}
	if AskRefresh(cfg, "") != nil || AskRegister(cfg, "") != nil {
		t.Error("there is something to ask without a name")
	}
	var event []byte
	var traces []string
	lambda := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		event, _ = io.ReadAll(r.Body)
		traces = append(traces, r.Header.Get("X-Amzn-Trace-Id"))
		w.WriteHeader(http.StatusAccepted)
	}))
	defer lambda.Close()
	there, err := awsconfig.FromEnv(append(keys[:len(keys):len(keys)], "AWS_ENDPOINT_URL_LAMBDA="+lambda.URL))
	if err != nil {
		t.Fatal(err)
	}
	if err := AskRegister(there, arn)(t.Context(), "a reason"); err != nil || string(event) != `{"reason":"a reason"}` {
		t.Errorf("asked to register with %s, %v", event, err)
	}
	const trace = "Root=1-6a1c2f3e-5f84c7d6a0b9e8f712345678;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=2:a1b2c3d4:0"
	//lint:ignore SA1029 the key is that of aws-lambda-go
	traced := context.WithValue(t.Context(), "x-amzn-trace-id", trace)
	if err := AskRegister(there, arn)(traced, "a reason"); err != nil || !slices.Equal(traces, []string{"", trace}) {
		t.Errorf("passed on %q, %v", traces, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := AskRegister(cfg, arn)(ctx, "a reason"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}

func TestEndpoint(t *testing.T) {
	for _, test := range []struct{ environ, want string }{
		{"AWS_REGION=us-gov-west-1", "https://lambda.us-gov-west-1.amazonaws.com"},
		{"AWS_REGION=cn-north-1", "https://lambda.cn-north-1.amazonaws.com.cn"},
		{"AWS_REGION=eusc-de-east-1", "https://lambda.eusc-de-east-1.amazonaws.eu"},
		{"AWS_ENDPOINT_URL=http://127.0.0.1:4566", "http://127.0.0.1:4566"},
		{"AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_ENDPOINT_URL_LAMBDA=http://127.0.0.1:3001/", "http://127.0.0.1:3001"},
		{"AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:8000", "http://127.0.0.1:4566"},
	} {
		cfg, err := awsconfig.FromEnv(append(keys[:len(keys):len(keys)], strings.Fields(test.environ)...))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := endpoint(t.Context(), cfg); err != nil || got != test.want {
			t.Errorf("%s: got %s, %v, want %s", test.environ, got, err, test.want)
		}
	}
}
