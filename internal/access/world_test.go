package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/secrets/secretstest"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// said holds all that any test of this package was told: log lines, results, errors. hidden holds what must not be in it.
var said, hidden transcript

type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (t *transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

// TestMain also looks for secrets in everything that the tests were told.
func TestMain(m *testing.M) {
	if os.Getenv(childDir) != "" {
		os.Exit(child())
	}
	code := m.Run()
	if n := leaks(said.String(), hidden.String()); n > 0 {
		fmt.Fprintf(os.Stderr, "FAIL: secrets were found in %d places of the logs, results and errors\n", n)
		code = 1
	}
	os.Exit(code)
}

// leaks counts the places in text that are the begin or the end of what only one secret has: of a JWT, its signature.
func leaks(text, secrets string) (n int) {
	const size = 16
	pieces := map[string]bool{}
	for _, secret := range strings.Fields(secrets) {
		own := secret[strings.LastIndexByte(secret, '.')+1:]
		if len(own) >= size {
			pieces[own[:size]], pieces[own[len(own)-size:]] = true, true
		}
	}
	for i := range max(len(text)-size+1, 0) {
		if pieces[text[i:i+size]] {
			n++
		}
	}
	return n
}

func TestLeaks(t *testing.T) {
	const secret = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.0123456789abcdefghijklmnopqrstuvwxyz"
	for text, want := range map[string]int{
		"": 0, "nothing": 0, secret: 2, "error: " + secret[:60]: 1, "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0": 0, "…" + secret[len(secret)-20:]: 1,
	} {
		if n := leaks(text, "short "+secret); n != want {
			t.Errorf("%q: %d leaks, want %d", text, n, want)
		}
	}
}

// world is an Adobe, its clock, and the stores of one deployment. It lives in a synctest bubble, whose time passes only when
// everybody sleeps.
type world struct {
	t       *testing.T
	adobe   *sandbox.Sandbox
	secrets *memorySecrets
	store   *memoryStore
	client  *cmu.Client
	log     *slog.Logger
	lines   *transcript // of log

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
			t: t, adobe: sandbox.New(sandbox.Options{Now: now, Latency: 580 * time.Millisecond}), secrets: &memorySecrets{}, store: &memoryStore{},
			calls: map[string]int{}, lines: &transcript{},
		}
		w.client = &cmu.Client{AuthURL: "http://adobe.test", ReportsURL: "http://adobe.test/cmu/v2", Transport: w, Now: now}
		w.log = slog.New(slog.NewJSONHandler(io.MultiWriter(&said, w.lines), &slog.HandlerOptions{Level: slog.LevelDebug}))
		w.put(statementName, w.adobe.Statement())
		f(t, w)
	})
}

func (w *world) keeper() *Keeper {
	return &Keeper{
		Client: w.client, Secrets: w.secrets, Store: w.store, Now: now, Log: w.log,
		StatementName: statementName, CredentialsName: credentialsName, TokenName: tokenName,
	}
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
	req := httptest.NewRequest(http.MethodGet, "http://adobe.test/cmu/v2/year/month?start=2026-01&end=2026-02", nil)
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

// memorySecrets keeps the contract of secrets.Store in memory, and adds each secret to hidden.
type memorySecrets struct {
	mu     sync.Mutex
	values map[string]string
	writes int
}

func (m *memorySecrets) Read(ctx context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	value, ok := m.values[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, secrets.ErrAbsent)
	}
	return []byte(value), nil
}

func (m *memorySecrets) Write(ctx context.Context, name, _ string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if len(value) == 0 || len(value) > 64<<10 || !utf8.Valid(value) {
		return fmt.Errorf("%s: no small text", name)
	}
	if m.values == nil {
		m.values = map[string]string{}
	}
	if m.values[name] != string(value) {
		m.writes++
	}
	m.values[name] = string(value)
	hide(value)
	return nil
}

// hide adds the secret text in a stored value to hidden.
func hide(value []byte) {
	secret := cmu.Secret(value) // a statement
	if c, err := decodeCredentials(value); err == nil {
		secret = c.ClientSecret
	} else if t, err := decodeToken(value); err == nil {
		secret = t.Value
	}
	fmt.Fprintln(&hidden, secret.Reveal())
}

// memoryStore keeps the leases and notes of store.Store in memory. Its blocks are not used.
type memoryStore struct {
	store.Store
	mu     sync.Mutex
	leases map[string]heldLease
	notes  map[string]store.Note
}

type heldLease struct {
	holder string
	until  time.Time
}

func (m *memoryStore) Acquire(ctx context.Context, lease, holder string, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if l := m.leases[lease]; l.holder != holder && l.until.After(now()) {
		return &store.HeldError{Lease: lease, Until: l.until}
	}
	if m.leases == nil {
		m.leases = map[string]heldLease{}
	}
	m.leases[lease] = heldLease{holder, until}
	return nil
}

func (m *memoryStore) Release(ctx context.Context, lease, holder string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if m.leases[lease].holder == holder {
		delete(m.leases, lease)
	}
	return nil
}

func (m *memoryStore) Notes(ctx context.Context) (map[string]store.Note, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	notes := map[string]store.Note{}
	for name, n := range m.notes {
		if n.Expires.IsZero() || n.Expires.After(now()) {
			notes[name] = n
		}
	}
	return notes, ctx.Err()
}

func (m *memoryStore) PutNote(ctx context.Context, name string, n store.Note) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if m.notes == nil {
		m.notes = map[string]store.Note{}
	}
	m.notes[name] = n
	return nil
}

func (m *memoryStore) DeleteNote(ctx context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.notes, name)
	return ctx.Err()
}

func (m *memoryStore) held() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.leases)
}

func TestMemorySecretsContract(t *testing.T) {
	secretstest.Run(t, func(*testing.T, ...string) secrets.Store { return &memorySecrets{} })
}
