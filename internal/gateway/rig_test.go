package gateway

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"

	"github.com/klauspost/compress/gzip"
)

// A Tuesday at no round time of day.
var noon = time.Date(2026, 7, 21, 13, 47, 20, 0, time.UTC)

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// rig is a gateway over a simulated Adobe and an embedded store, on a clock that tests move.
type rig struct {
	t        testing.TB
	clock    *clock
	adobe    *sandbox.Sandbox
	service  *reports.Service
	gateway  Gateway
	handler  http.Handler
	mu       sync.Mutex
	pending  []func(context.Context) // work to do after the answer
	tokenErr error
	log      strings.Builder
}

func newRig(t testing.TB, change ...func(*Gateway)) *rig {
	t.Helper()
	r := &rig{t: t, clock: &clock{t: noon}}
	r.adobe = sandbox.New(sandbox.Options{Seed: 7, Now: r.clock.now, TokenLife: 10_000 * time.Hour})
	r.behave(func(b *sandbox.Behaviour) { b.NoThrottle = true })
	server := httptest.NewServer(r.adobe)
	t.Cleanup(server.Close)
	client := &cmu.Client{AuthURL: server.URL, ReportsURL: server.URL + "/cmu/v2", Now: r.clock.now}
	statement, err := cmu.ParseStatement([]byte(r.adobe.Statement()))
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := client.Register(t.Context(), statement)
	if err != nil {
		t.Fatal(err)
	}
	token, err := client.Token(t.Context(), credentials)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := store.OpenBolt(filepath.Join(t.TempDir(), "cache.db"), store.BoltOptions{Now: r.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	logger := slog.New(slog.NewTextHandler(&lockedWriter{w: &r.log}, nil))
	r.service = &reports.Service{
		Client: client, Store: kept, RowLimit: 10_000, Parallel: 4, Memory: 64 << 20,
		Policy: reports.Policy{
			Minute: 15 * time.Second, Hour: 15 * time.Minute, Day: 45 * time.Minute, Month: 12 * time.Hour, Level: 6 * time.Hour,
			Settled: 720 * time.Hour, Stale: 24 * time.Hour, StaleIfError: 168 * time.Hour, Margin: 12 * time.Hour,
		},
		Token:   func(context.Context) (cmu.Secret, error) { return token.Value, r.tokenErr },
		Refused: func(context.Context, cmu.Secret) (cmu.Secret, error) { return token.Value, r.tokenErr },
		Now:     r.clock.now,
		Sleep: func(ctx context.Context, d time.Duration) error {
			r.clock.add(d)
			return ctx.Err()
		},
		After: func(work func(context.Context)) bool {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.pending = append(r.pending, work)
			return true
		},
		Log: logger,
	}
	r.service.Start()
	r.gateway = Gateway{Reports: r.service, Now: r.clock.now, Log: logger, Version: "1.2.3"}
	for _, c := range change {
		c(&r.gateway)
	}
	r.handler = r.gateway.Handler()
	return r
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// after does the work that waits for answers to be sent.
func (r *rig) after() {
	for {
		r.mu.Lock()
		pending := r.pending
		r.pending = nil
		r.mu.Unlock()
		if len(pending) == 0 {
			return
		}
		for _, work := range pending {
			work(context.Background())
		}
	}
}

func (r *rig) behave(change func(*sandbox.Behaviour)) {
	r.t.Helper()
	if err := r.adobe.Change(change); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) prove() {
	r.t.Helper()
	if v, err := r.service.Prove(r.t.Context(), cmu.Request{Path: []string{"tenant", "year", "month", "day"}}); err != nil || !v.Proven {
		r.t.Fatalf("verdict %+v, %v", v, err)
	}
}

// reply is an answer with its body decompressed.
type reply struct {
	*http.Response
	body string
}

// do asks the handler. Headers come as name and value in turn.
func (r *rig) do(method, target string, headers ...string) reply {
	r.t.Helper()
	request := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	return r.ask(request)
}

func (r *rig) ask(request *http.Request) reply {
	r.t.Helper()
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, request)
	resp := w.Result()
	var body io.Reader = resp.Body
	if resp.Header.Get("Content-Encoding") == "gzip" && w.Body.Len() > 0 {
		z, err := gzip.NewReader(resp.Body)
		if err != nil {
			r.t.Fatal(err)
		}
		body = z
	}
	text, err := io.ReadAll(body)
	if err != nil {
		r.t.Fatalf("%s: %v", request.URL, err)
	}
	return reply{resp, string(text)}
}

func (r *rig) get(target string, headers ...string) reply {
	r.t.Helper()
	return r.do(http.MethodGet, target, headers...)
}

// ok asks for what must be there.
func (r *rig) ok(target string, headers ...string) reply {
	r.t.Helper()
	got := r.get(target, headers...)
	if got.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: status %d: %s", target, got.StatusCode, got.body)
	}
	return got
}
