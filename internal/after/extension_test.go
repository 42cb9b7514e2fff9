package after_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"cmu-gateway/internal/after"
	"cmu-gateway/internal/rig"
)

// The function under test runs in a process of its own, as on Lambda: this binary again, told so by FUNCTION_API.
func TestMain(m *testing.M) {
	if api := os.Getenv("FUNCTION_API"); api != "" {
		function(api)
		return
	}
	os.Exit(m.Run())
}

// order is what an invocation tells the function to do.
type order struct {
	Fail  bool     // return an error
	Work  []string // the names of the work to queue; each calls the platform under its name
	Again string   // the name of work that the first work queues
	Panic bool     // let the first work panic instead
	Wait  bool     // let the handler call the platform, under the name "handler", before it answers
}

func function(api string) {
	call := func(ctx context.Context, name string) {
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+api+"/work/"+name, nil)
		if res, err := http.DefaultClient.Do(req); err == nil {
			res.Body.Close()
		}
	}
	ext, err := after.Register([]string{"AWS_LAMBDA_RUNTIME_API=" + api}, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		panic(err)
	}
	os.Setenv("AWS_LAMBDA_RUNTIME_API", api)
	lambda.Start(ext.Handler(handler(func(ctx context.Context, payload []byte) ([]byte, error) {
		var o order
		if err := json.Unmarshal(payload, &o); err != nil {
			return nil, err
		}
		accepted := 0
		for i, name := range o.Work {
			ok := ext.Go(func(ctx context.Context) {
				if o.Panic && i == 0 {
					panic("work panics")
				}
				call(ctx, name)
				if o.Again != "" && i == 0 {
					ext.Go(func(ctx context.Context) { call(ctx, o.Again) })
				}
			})
			if ok {
				accepted++
			}
		}
		if o.Wait {
			call(ctx, "handler")
		}
		if o.Fail {
			return nil, errors.New("told to fail")
		}
		return fmt.Append(nil, accepted), nil
	})))
}

type handler func(context.Context, []byte) ([]byte, error)

func (h handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) { return h(ctx, payload) }

// platform is Lambda as a process in a sandbox sees it. What the process does is noted in seen, in order of arrival; a call of
// work is answered when its name is let go.
type platform struct {
	t       *testing.T
	log     *rig.Log // of the function
	server  *httptest.Server
	seen    chan string
	runtime chan string // payloads for the runtime
	events  chan string // events for the extension

	mu   sync.Mutex
	gate map[string]chan struct{}
	fail func(n int) int // the status of the n-th event/next, counted from 1; zero: an event
	asks int
	exit chan error // takes how the process ended
}

func start(t *testing.T) *platform {
	t.Helper()
	p := startFailing(t, func(int) int { return 0 })
	p.want("runtime next", "extension next")
	return p
}

func startFailing(t *testing.T, fail func(n int) int) *platform {
	t.Helper()
	p := &platform{t: t, fail: fail, exit: make(chan error, 1), log: rig.NewLog(t), seen: make(chan string, 100), runtime: make(chan string), events: make(chan string), gate: map[string]chan struct{}{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2020-01-01/extension/register", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Lambda-Extension-Name") == "" || string(body) != `{"events":["INVOKE"]}` {
			t.Errorf("register: %v %s", r.Header, body)
		}
		p.seen <- "register"
		w.Header().Set("Lambda-Extension-Identifier", "ext-id")
		io.WriteString(w, `{"functionName":"f"}`)
	})
	mux.HandleFunc("GET /2020-01-01/extension/event/next", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Lambda-Extension-Identifier") != "ext-id" {
			t.Errorf("next without the identifier: %v", r.Header)
		}
		p.seen <- "extension next"
		p.asks++
		if status := p.fail(p.asks); status != 0 {
			w.WriteHeader(status)
			return
		}
		select {
		case event := <-p.events:
			io.WriteString(w, event)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /2020-01-01/extension/exit/error", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Lambda-Extension-Identifier") != "ext-id" || r.Header.Get("Lambda-Extension-Function-Error-Type") != "Extension.NoEvents" {
			t.Errorf("exit/error: %v", r.Header)
		}
		p.seen <- "exit/error"
	})
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		p.seen <- "runtime next"
		select {
		case payload := <-p.runtime:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "id")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", "4102444800000")
			io.WriteString(w, payload)
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/id/response", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.seen <- "answer " + string(body)
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/id/error", func(w http.ResponseWriter, r *http.Request) {
		p.seen <- "error"
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("GET /work/{name}", func(w http.ResponseWriter, r *http.Request) {
		p.seen <- r.PathValue("name") + " begins"
		select {
		case <-p.gateOf(r.PathValue("name")):
		case <-r.Context().Done():
		}
	})
	p.server = httptest.NewServer(mux)
	t.Cleanup(p.server.Close)

	var stderr bytes.Buffer
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "FUNCTION_API="+strings.TrimPrefix(p.server.URL, "http://"))
	cmd.Stdout, cmd.Stderr = &stderr, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { p.exit <- cmd.Wait() }()
	t.Cleanup(func() {
		cmd.Process.Kill()
		p.ended()
		p.server.CloseClientConnections()
		p.log.Write(stderr.Bytes())
	})
	p.wantFirst("register")
	return p
}

// exits waits until the failure of the extension is reported, and returns how often it asked for an event before.
func (p *platform) exits() (asks int) {
	p.t.Helper()
	for {
		switch got := p.next(); got {
		case "exit/error":
			return asks
		case "extension next":
			asks++
		case "runtime next":
		default:
			p.t.Fatalf("the function does %q", got)
		}
	}
}

// ended waits until the process has ended, and returns how.
func (p *platform) ended() error {
	err := <-p.exit
	p.exit <- err
	return err
}

func (p *platform) gateOf(name string) chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gate[name] == nil {
		p.gate[name] = make(chan struct{})
	}
	return p.gate[name]
}

func (p *platform) letGo(name string) { close(p.gateOf(name)) }

// invoke sends one invocation to the runtime and to the extension, which is told that it ends at deadline.
func (p *platform) invoke(o order, deadline time.Time) {
	payload, _ := json.Marshal(o)
	p.runtime <- string(payload)
	p.events <- fmt.Sprintf(`{"eventType":"INVOKE","requestId":"id","deadlineMs":%d}`, deadline.UnixMilli())
}

func (p *platform) next() string {
	select {
	case s := <-p.seen:
		return s
	case <-time.After(20 * time.Second):
		return "nothing"
	}
}

func (p *platform) wantFirst(want string) {
	p.t.Helper()
	if got := p.next(); got != want {
		p.t.Fatalf("the function does %q; want %q", got, want)
	}
}

// want says what comes next, in any order, and nothing else before all of it has come.
func (p *platform) want(wants ...string) {
	p.t.Helper()
	left := map[string]int{}
	for _, w := range wants {
		left[w]++
	}
	for range wants {
		if got := p.next(); left[got] == 0 {
			p.t.Fatalf("the function does %q; want %v", got, left)
		} else {
			left[got]--
		}
	}
}

var later = time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)

func TestExtension(t *testing.T) {
	t.Run("the answer, then the work, then the next event", func(t *testing.T) {
		p := start(t)
		p.invoke(order{Work: []string{"a", "b"}}, later)
		p.wantFirst("answer 2")
		p.want("runtime next", "a begins", "b begins")
		p.letGo("b")
		p.letGo("a")
		p.wantFirst("extension next")
		p.invoke(order{}, later)
		p.wantFirst("answer 0")
		p.want("runtime next", "extension next")
	})
	t.Run("after an error", func(t *testing.T) {
		p := start(t)
		p.invoke(order{Fail: true, Work: []string{"a"}}, later)
		p.want("error", "a begins", "runtime next")
		p.letGo("a")
		p.wantFirst("extension next")
	})
	t.Run("work of work", func(t *testing.T) {
		p := start(t)
		p.invoke(order{Work: []string{"a"}, Again: "b"}, later)
		p.wantFirst("answer 1")
		p.want("runtime next", "a begins")
		p.letGo("a")
		p.wantFirst("b begins")
		p.letGo("b")
		p.wantFirst("extension next")
	})
	t.Run("a panic", func(t *testing.T) {
		p := start(t)
		p.log.Expect(`cause="work panics"`)
		p.invoke(order{Work: []string{"a", "b"}, Panic: true}, later)
		p.wantFirst("answer 2")
		p.want("runtime next", "b begins")
		p.letGo("b")
		p.wantFirst("extension next")
	})
	t.Run("no more than 16", func(t *testing.T) {
		p := start(t)
		o, wants := order{}, []string{"runtime next"}
		for i := range 20 {
			name := fmt.Sprint("w", i)
			o.Work = append(o.Work, name)
			p.letGo(name)
			if i < 16 {
				wants = append(wants, name+" begins")
			}
		}
		p.invoke(o, later)
		p.wantFirst("answer 16")
		p.want(append(wants, "extension next")...)
		p.invoke(order{Work: []string{"again"}}, later) // there is room again
		p.wantFirst("answer 1")
		p.want("again begins", "runtime next")
	})
	t.Run("never past the deadline", func(t *testing.T) {
		p := start(t)
		p.invoke(order{Work: []string{"a"}, Wait: true}, time.Now())
		p.want("handler begins", "extension next")
		p.letGo("handler")
		p.want("answer 1", "runtime next")
		p.invoke(order{}, later) // the work of the last is still there
		p.want("answer 0", "runtime next", "a begins")
		p.letGo("a")
		p.wantFirst("extension next")
	})
}

func TestRegister(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	answering := func(status int) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(s.Close)
		return s.URL
	}
	tests := []struct {
		name, api, sam string
		err            string
	}{
		{"no Lambda", "", "", ""},
		{"sam local", gone.URL, "true", ""},
		{"nothing listens", gone.URL, "", "connection refused"},
		{"no such API", answering(404), "", "404 Not Found"},
		{"no identifier", answering(200), "", "Lambda-Extension-Identifier"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e, err := after.Register([]string{"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(test.api, "http://"), "AWS_SAM_LOCAL=" + test.sam}, rig.NewLog(t).Logger)
			if e != nil || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Fatalf("Register = %v, %v; want an error with %q", e, err, test.err)
			}
			if e.Go(func(context.Context) { t.Error("run") }) {
				t.Error("an extension that is off takes work")
			}
			h := handler(func(_ context.Context, payload []byte) ([]byte, error) { return payload, nil })
			if out, err := lambda.NewHandler(e.Handler(h)).Invoke(t.Context(), []byte("x")); string(out) != "x" || err != nil {
				t.Errorf("Invoke = %s, %v", out, err)
			}
		})
	}
}
