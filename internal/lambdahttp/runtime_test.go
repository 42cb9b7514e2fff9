package lambdahttp_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/after"
	"cmu-gateway/internal/lambdahttp"
	"cmu-gateway/internal/rig"

	"github.com/aws/aws-lambda-go/lambda"
)

// TestMain lets this test stand in for a function that streams.
func TestMain(m *testing.M) {
	api := os.Getenv("AWS_LAMBDA_RUNTIME_API")
	if api == "" {
		os.Exit(m.Run())
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	extension, err := after.Register(os.Environ(), log)
	if err != nil {
		panic(err)
	}
	lambdahttp.AnnounceStreams(api)
	h := lambdahttp.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		extension.Go(func(context.Context) { http.Get("http://" + api + "/work") })
		w.Header().Set("Content-Type", "text/csv")
		for range 30 {
			w.Write(bytes.Repeat([]byte("0123456789"), 1000))
		}
		if r.URL.Path == "/broken" {
			panic(http.ErrAbortHandler)
		}
	}), log)
	lambda.Start(extension.StreamHandler(func(ctx context.Context, payload []byte) (io.ReadCloser, error) { return h.Stream(ctx, payload) }))
}

// What Lambda's Runtime API sees of a stream: that it is announced, its prelude, its end or why there is none; and the work after it.
func TestStreamOverRuntimeAPI(t *testing.T) {
	for _, path := range []string{"/whole", "/broken"} {
		t.Run(path, func(t *testing.T) {
			event, _ := json.Marshal(get(path))
			api := rig.NewLambda(t, event)
			worked, invoked := make(chan struct{}), make(chan struct{}, 1)
			api.HandleFunc("POST /2020-01-01/extension/register", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Lambda-Extension-Identifier", "1")
				w.Write([]byte("{}"))
				invoked <- struct{}{}
			})
			api.HandleFunc("GET /2020-01-01/extension/event/next", func(w http.ResponseWriter, r *http.Request) {
				select {
				case <-invoked:
					w.Write([]byte(`{"eventType": "INVOKE", "deadlineMs": 32503680000000, "requestId": "1"}`))
				case <-r.Context().Done():
				}
			})
			api.HandleFunc("GET /work", func(http.ResponseWriter, *http.Request) { close(worked) })
			cmd := exec.Command(os.Args[0])
			cmd.Env = []string{"AWS_LAMBDA_RUNTIME_API=" + api.Address}
			var log strings.Builder
			cmd.Stderr = &log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait() //nolint:errcheck // it was killed
			defer cmd.Process.Kill()
			var got rig.LambdaAnswer
			select {
			case got = <-api.Answers:
			case <-time.After(time.Minute):
				t.Fatal("no answer")
			}
			if got.What != "response" || !got.Chunked || got.Header.Get("Lambda-Runtime-Function-Response-Mode") != "streaming" ||
				got.Header.Get("Content-Type") != "application/vnd.awslambda.http-integration-response" {
				t.Errorf("%s, chunked %v, %v", got.What, got.Chunked, got.Header)
			}
			head, body, ok := bytes.Cut(got.Body, make([]byte, 8))
			if want := `{"statusCode":200,"headers":{"Content-Type":"text/csv"}}`; string(head) != want || !ok {
				t.Errorf("the prelude is %.200q, want %s", head, want)
			}
			failure := got.Trailer.Get("Lambda-Runtime-Function-Error-Type")
			text, _ := base64.StdEncoding.DecodeString(got.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
			if path == "/whole" && (failure != "" || len(text) > 0 || len(body) != 300_000) {
				t.Errorf("%d bytes, then %q %s", len(body), failure, text)
			}
			if path == "/broken" && (failure != "Answer.BrokeOff" || !strings.Contains(string(text), "broke off") || len(body) >= 300_000) {
				t.Errorf("%d bytes, then %q %s", len(body), failure, text)
			}
			select {
			case <-worked:
			case <-time.After(time.Minute):
				t.Fatal("the work after the answer was not done")
			}
		})
	}
}
