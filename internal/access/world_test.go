package access

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/rig"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"
)

// world is an Adobe, its clock, and the stores of one deployment. It lives in a synctest bubble, whose time passes only when
// everybody sleeps.
type world struct {
	t       *testing.T
	adobe   *sandbox.Sandbox
	secrets *memorySecrets
	store   *memoryStore
	client  *cmu.Client
	log     *slog.Logger
	lines   *rig.Transcript // of log

	tokenText string // of token
	token     *token

	mu    sync.Mutex
	down  func(path string) error // of Adobe; nil: it is up
	calls map[string]int          // to Adobe, by path, those included that did not get there
}

const (
	statementName   = "test/statement"
	credentialsName = "test/credentials"
	tokenName       = "test/token"
)

// epochStart is long after the sandbox's statement was issued; a bubble's clock begins long before.
var epochStart = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// now is the world's clock.
func now() time.Time {
	return epochStart.Add(time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)))
}

// inWorld runs f in a world that has a software statement and nothing else.
func inWorld(t *testing.T, f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, adobe: sandbox.New(sandbox.Options{Now: now, Latency: 580 * time.Millisecond}), secrets: &memorySecrets{}, store: &memoryStore{now: now},
			calls: map[string]int{}, lines: &rig.Transcript{},
		}
		w.client = &cmu.Client{AuthURL: "https://adobe.test", ReportsURL: "https://adobe.test/cmu/v2", Transport: w, Now: now}
		w.log = slog.New(slog.NewJSONHandler(io.MultiWriter(&said, w.lines), &slog.HandlerOptions{Level: slog.LevelDebug}))
		w.put(statementName, w.adobe.Statement())
		f(t, w)
	})
}

// keeper returns one of the world's, with the options that change sets.
func (w *world) keeper(change ...func(*KeeperOptions)) *Keeper {
	o := KeeperOptions{
		Client: w.client, Secrets: w.secrets, Leases: w.store, Notes: w.store, Now: now, Log: w.log,
		StatementName: statementName, CredentialsName: credentialsName, TokenName: tokenName,
	}
	for _, f := range change {
		f(&o)
	}
	return NewKeeper(o)
}

func (w *world) put(name, value string) {
	if err := w.secrets.Write(context.Background(), name, "", []byte(value)); err != nil {
		w.t.Fatal(err)
	}
}

// RoundTrip serves a call of Adobe in the caller's goroutine.
func (w *world) RoundTrip(req *http.Request) (resp *http.Response, err error) {
	w.mu.Lock()
	w.calls[req.URL.Path]++
	down := w.down
	w.mu.Unlock()
	if down != nil {
		if err := down(req.URL.Path); err != nil {
			return nil, err
		}
	}
	defer func() {
		if r := recover(); r != nil {
			if err = req.Context().Err(); err == nil {
				err = io.ErrUnexpectedEOF
			}
		}
	}()
	recorder := httptest.NewRecorder()
	req = req.Clone(req.Context())
	req.RemoteAddr = "192.0.2.1:1"
	w.adobe.ServeHTTP(recorder, req)
	return recorder.Result(), req.Context().Err()
}

// setDown makes calls fail before they reach Adobe.
func (w *world) setDown(down func(path string) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = down
}

var errDown = errors.New("connection refused")

// accepted tells whether Adobe serves reports to the stored token.
func (w *world) accepted() error {
	t, err := readToken(context.Background(), w.secrets, tokenName)
	if err != nil {
		return err
	}
	if t == nil {
		return ErrNoAccess
	}
	return w.accepts(t.Value)
}

func (w *world) accepts(token cmu.Secret) error {
	req := httptest.NewRequest(http.MethodGet, "https://adobe.test/cmu/v2/year/month?start=2026-01&end=2026-02", nil)
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	recorder := httptest.NewRecorder()
	w.adobe.ServeHTTP(recorder, req)
	if recorder.Code != http.StatusOK {
		return fmt.Errorf("Adobe answers a report request with status %d", recorder.Code)
	}
	return nil
}

func (w *world) counts(registered, tokens int64) {
	w.t.Helper()
	if c := w.adobe.Counts(); c.Registered != registered || c.Issued != tokens {
		w.t.Errorf("Adobe registered %d clients and issued %d tokens, want %d and %d", c.Registered, c.Issued, registered, tokens)
	}
}

// events counts the log lines of that event.
func (w *world) events(name string) int {
	return strings.Count(w.lines.String(), `"event":"`+name+`"`)
}

// tell adds to what was said and returns its last argument.
func tell[T any](what T, err error) (T, error) {
	fmt.Fprintf(&said, "%+v %#v %v\n", what, what, err)
	return what, err
}

func must[T any](t *testing.T) func(T, error) T {
	return func(what T, err error) T {
		t.Helper()
		if _, err := tell(what, err); err != nil {
			t.Fatal(err)
		}
		return what
	}
}

var background = context.Background()

func (w *world) change(f func(*sandbox.Behaviour)) {
	w.t.Helper()
	if err := w.adobe.Change(f); err != nil {
		w.t.Fatal(err)
	}
}

// ready gives the world a client and a token.
func (w *world) ready() {
	w.t.Helper()
	must[RefreshResult](w.t)(w.keeper().Refresh(background, RefreshOptions{}))
	w.counts(1, 1)
}

// storedToken returns nil when there is none. It is shared by those who ask before another is stored.
func (w *world) storedToken() *token {
	w.t.Helper()
	w.secrets.mu.Lock()
	text := w.secrets.values[tokenName]
	w.secrets.mu.Unlock()
	if text != w.tokenText {
		t, err := readToken(background, w.secrets, tokenName)
		if err != nil {
			w.t.Fatal(err)
		}
		w.tokenText, w.token = text, t
	}
	return w.token
}

func (w *world) wantAccess() {
	w.t.Helper()
	if err := w.accepted(); err != nil {
		w.t.Error(err)
	}
}

// refuseReports makes Adobe's reports refuse every token, or none.
func (w *world) refuseReports(refuse bool) {
	w.change(func(b *sandbox.Behaviour) {
		b.Faults = nil
		if refuse {
			b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: 401}}
		}
	})
}
