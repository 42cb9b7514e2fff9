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
			got := run(t, event, test.environ, &registered)
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
			if n := registered.Load(); n != test.registered {
				t.Errorf("the extension was registered %d times, want %d", n, test.registered)
			}
		})
	}
}

// TestAuthorizer makes sure that the function names the key to API Gateway in either mode, as plain JSON and with the work of no report, and that it
// does so only where it is told to.
func TestAuthorizer(t *testing.T) {
	event, err := os.ReadFile("../../events/authorizer.json")
	if err != nil {
		t.Fatal(err)
	}
	none := []byte(strings.ReplaceAll(string(event), "Basic ", "Bearer "))
	for _, test := range []struct {
		name, environ, what, text string
		event                     []byte
	}{
		{"whole", "CMU_BASIC_AUTH=true", "response", `"usageIdentifierKey":"events-hold-no-real-key"`, event},
		{"streaming", "CMU_BASIC_AUTH=true CMU_RESPONSE_MODE=streaming", "response", `"usageIdentifierKey":"events-hold-no-real-key"`, event},
		{"without the extension", "CMU_BASIC_AUTH=true CMU_RESPONSE_MODE=streaming AWS_SAM_LOCAL=true", "response", `"usageIdentifierKey":"events-hold-no-real-key"`, event},
		{"no key", "CMU_BASIC_AUTH=true", "error", `"errorMessage":"Unauthorized"`, none},
		{"no key, streaming", "CMU_BASIC_AUTH=true CMU_RESPONSE_MODE=streaming", "error", `"errorMessage":"Unauthorized"`, none},
		{"off", "", "error", "an authorizer of an API", event},
		{"off, streaming", "CMU_BASIC_AUTH=false CMU_RESPONSE_MODE=streaming", "error", "an authorizer of an API", event},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := run(t, test.event, test.environ, new(atomic.Int32))
			mode := got.Header.Get("Lambda-Runtime-Function-Response-Mode")
			if got.What != test.what || mode != "" || !json.Valid(got.Body) || !strings.Contains(string(got.Body), test.text) {
				t.Errorf("%s in the mode %q: %s", got.What, mode, got.Body)
			}
		})
	}
}

// run starts the function with an event, and returns its answer once it has sent one. It may call nobody. registered counts the extension.
func run(t *testing.T, event []byte, environ string, registered *atomic.Int32) rig.LambdaAnswer {
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
	cmd.Env = append(strings.Fields(environ), "AWS_LAMBDA_RUNTIME_API="+lambda.Address,
		"AWS_ENDPOINT_URL="+others.URL, "CMU_AUTH_URL="+others.URL, "CMU_REPORTS_URL="+others.URL, "CMU_REFRESH_FUNCTION=refresh",
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s")
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var answer *rig.LambdaAnswer
	select {
	case got := <-lambda.Answers:
		answer = &got
	case <-time.After(20 * time.Second):
	}
	cmd.Process.Kill()
	cmd.Wait() //nolint:errcheck // it was killed
	if strings.Contains(log.String(), "events-hold-no-real-key") {
		t.Errorf("the log has the key: %s", log.String())
	}
	if answer == nil {
		t.Fatalf("no answer; the log: %s", log.String())
	}
	return *answer
}
