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
	}{
		{"on Lambda", "", 1},
		{"under sam local", "AWS_SAM_LOCAL=true", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			answers := make(chan []byte, 1)
			var invocations, registered atomic.Int32
			runtime := http.NewServeMux()
			runtime.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
				if invocations.Add(1) > 1 {
					<-r.Context().Done()
					return
				}
				w.Header().Set("Lambda-Runtime-Aws-Request-Id", "1")
				w.Header().Set("Lambda-Runtime-Deadline-Ms", "32503680000000")
				w.Write(event)
			})
			runtime.HandleFunc("POST /2018-06-01/runtime/invocation/1/{what}", func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				w.WriteHeader(http.StatusAccepted)
				answers <- body
			})
			runtime.HandleFunc("POST /2020-01-01/extension/register", func(w http.ResponseWriter, _ *http.Request) {
				registered.Add(1)
				w.Header().Set("Lambda-Extension-Identifier", "1")
				io.WriteString(w, "{}")
			})
			runtime.HandleFunc("GET /2020-01-01/extension/event/next", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
			lambda := httptest.NewServer(runtime)
			defer lambda.CloseClientConnections()
			others := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				t.Errorf("%s %s was called", r.Method, r.URL)
			}))
			defer others.Close()

			cmd := exec.Command(os.Args[0])
			cmd.Env = append(strings.Fields(test.environ), "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(lambda.URL, "http://"),
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
			case body := <-answers:
				var answer struct {
					StatusCode int
					Body       string
				}
				if err := json.Unmarshal(body, &answer); err != nil || answer.StatusCode != http.StatusOK || !strings.Contains(answer.Body, "openapi") {
					t.Errorf("got %s, %v", body, err)
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
