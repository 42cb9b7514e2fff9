package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/rig"
)

// TestMain lets this test stand in for the function.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestStart makes sure that neither the start nor a request that needs nothing of them calls AWS or Adobe, and that the extension
// is registered where it is of use.
func TestStart(t *testing.T) {
	event, err := os.ReadFile("../../events/status.json")
	if err != nil {
		t.Fatal(err)
	}
	event = []byte(strings.ReplaceAll(string(event), `"/status"`, `"/openapi.json"`))
	for _, test := range []struct {
		name, environ string
		registered    int32
		streams       bool
	}{
		{"on Lambda", "", 1, false},
		{"under sam local", "AWS_SAM_LOCAL=true", 0, false},
		{"streaming", "CMU_RESPONSE_MODE=streaming", 1, true},
		{"streaming, without the extension", "CMU_RESPONSE_MODE=streaming AWS_SAM_LOCAL=true", 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var registered atomic.Int32
			lambda := rig.NewLambda(t, event)
			lambda.HandleFunc("POST /2020-01-01/extension/register", func(w http.ResponseWriter, _ *http.Request) {
				registered.Add(1)
				w.Header().Set("Lambda-Extension-Identifier", "1")
				io.WriteString(w, "{}")
			})
			lambda.HandleFunc("GET /2020-01-01/extension/event/next", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			others := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				t.Errorf("%s %s was called", r.Method, r.URL)
			}))
			defer others.Close()

			cmd := exec.Command(os.Args[0])
			cmd.Env = append(strings.Fields(test.environ), "AWS_LAMBDA_RUNTIME_API="+lambda.Address,
				"AWS_ENDPOINT_URL="+others.URL, "CMU_AUTH_URL="+others.URL, "CMU_REPORTS_URL="+others.URL, "CMU_REFRESH_FUNCTION=refresh",
				"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s")
			var log strings.Builder
			cmd.Stdout, cmd.Stderr = &log, &log
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait() //nolint:errcheck // it was killed
			defer cmd.Process.Kill()
			select {
			case got := <-lambda.Answers:
				var answer struct {
					StatusCode int
					Body       string
				}
				body := got.Body
				if test.streams {
					head, rest, _ := strings.Cut(string(body), "\x00\x00\x00\x00\x00\x00\x00\x00")
					body, answer.Body = []byte(head), rest
				}
				if mode := got.Header.Get("Lambda-Runtime-Function-Response-Mode"); (mode == "streaming") != test.streams || got.What != "response" {
					t.Errorf("the %s has the mode %q", got.What, mode)
				}
				if err := json.Unmarshal(body, &answer); err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(answer.Body, "openapi") {
					t.Errorf("got %s, %v", got.Body, err)
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("no answer; the log: %s", log.String())
			}
			if n := registered.Load(); n != test.registered {
				t.Errorf("the extension was registered %d times, want %d", n, test.registered)
			}
		})
	}
}
