package reports

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// A Tuesday at no round time of day.
var noon = time.Date(2026, 7, 21, 13, 47, 20, 0, time.UTC)

var policy = Policy{
	Minute: 15 * time.Second, Hour: 15 * time.Minute, Day: 45 * time.Minute, Month: 12 * time.Hour, Level: 6 * time.Hour,
	Settled: 720 * time.Hour, Stale: 24 * time.Hour, StaleIfError: 168 * time.Hour, Margin: 12 * time.Hour,
}

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

// rig is a service over a simulated Adobe and an embedded store, on a clock that tests move.
type rig struct {
	*Service
	t       testing.TB
	clock   *clock
	adobe   *sandbox.Sandbox
	token   cmu.Token
	mu      sync.Mutex
	pending []func(context.Context) // work to do after the answer
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, clock: &clock{t: noon}}
	r.adobe = sandbox.New(sandbox.Options{Seed: 7, Now: r.clock.now, TokenLife: 100_000 * time.Hour})
	if err := r.adobe.Change(func(b *sandbox.Behaviour) { b.NoThrottle = true }); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(r.adobe)
	t.Cleanup(server.Close)
	client := &cmu.Client{AuthURL: server.URL, ReportsURL: server.URL + "/cmu/v2", Now: r.clock.now}
	r.token = r.login(client)
	kept, err := store.OpenBolt(filepath.Join(t.TempDir(), "cache.db"), store.BoltOptions{Now: r.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	r.Service = r.process(client, kept)
	return r
}

// login registers and gets a token.
func (r *rig) login(client *cmu.Client) cmu.Token {
	r.t.Helper()
	statement, err := cmu.ParseStatement([]byte(r.adobe.Statement()))
	if err != nil {
		r.t.Fatal(err)
	}
	credentials, err := client.Register(r.t.Context(), statement)
	if err != nil {
		r.t.Fatal(err)
	}
	token, err := client.Token(r.t.Context(), credentials)
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

// process returns a service as another process over the same store would have it.
func (r *rig) process(client *cmu.Client, kept store.Store) *Service {
	s := &Service{
		Client: client, Store: kept, Policy: policy, RowLimit: 10_000, Parallel: 4, Memory: 64 << 20,
		Token:   func(context.Context) (cmu.Secret, error) { return r.token.Value, nil },
		Refused: func(context.Context, cmu.Secret) (cmu.Secret, error) { return r.token.Value, nil },
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
		Log: slog.New(slog.NewTextHandler(testWriter{r.t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	s.Start()
	return s
}

type testWriter struct{ testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.Log(strings.TrimSpace(string(p)))
	return len(p), nil
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

// behave changes the simulated Adobe.
func (r *rig) behave(change func(*sandbox.Behaviour)) {
	r.t.Helper()
	if err := r.adobe.Change(change); err != nil {
		r.t.Fatal(err)
	}
}

// prove has the calendar checked.
func (r *rig) prove() {
	r.t.Helper()
	if v, err := r.Prove(r.t.Context(), cmu.Request{Path: []string{"tenant", "year", "month", "day"}}); err != nil || !v.Proven {
		r.t.Fatalf("verdict %+v, %v", v, err)
	}
}

func (r *rig) calls() int64 { return r.adobe.Counts().Report }

func request(t testing.TB, s string) cmu.Request {
	t.Helper()
	path, query, _ := strings.Cut(s, "?")
	r, err := cmu.Parse(path, query)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// get asks the service and returns rows with their fields sorted.
func (r *rig) get(s string) (rows []string, source Source) {
	r.t.Helper()
	a, source, err := r.Get(r.t.Context(), request(r.t, s), Directives{})
	if err != nil {
		r.t.Fatalf("%s: %v", s, err)
	}
	return rowsOf(r.t, a), source
}

func rowsOf(t testing.TB, a *Answer) (rows []string) {
	t.Helper()
	if err := a.Each(func(row cmu.Row) error {
		rows = append(rows, fields(row))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(rows) != a.Rows {
		t.Fatalf("%d rows, %d announced", len(rows), a.Rows)
	}
	return rows
}

// inOrder checks that the rows come sorted by the path's dimensions.
func (r *rig) inOrder(ask string, a *Answer) {
	r.t.Helper()
	o := newOrder(request(r.t, ask))
	var k key
	var last []byte
	if err := a.Each(func(row cmu.Row) error {
		o.of(row, &k) // a period that cannot be read still has its place
		if bytes.Compare(last, k.sort) > 0 {
			r.t.Errorf("%s: %s is out of order", ask, row)
		}
		last = bytes.Clone(k.sort)
		return nil
	}); err != nil {
		r.t.Error(err)
	}
}

func fields(row cmu.Row) string {
	var f []string
	row.Each(func(name, value []byte) bool {
		f = append(f, fmt.Sprintf("%s=%s", name, value))
		return true
	})
	slices.Sort(f)
	return strings.Join(f, " ")
}

// direct asks the simulated Adobe itself, with a limit that is never met unless the request names one.
func (r *rig) direct(s string) []string {
	r.t.Helper()
	rows, err := r.tryDirect(s)
	if err != nil {
		r.t.Fatalf("%s: %v", s, err)
	}
	return rows
}

func (r *rig) tryDirect(s string) (rows []string, err error) {
	q := request(r.t, s)
	if q.Limit == 0 {
		q.Limit = 1_000_000
	}
	resp, err := r.Client.Report(r.t.Context(), r.token.Value, q, "application/json")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	_, err = cmu.ReadReport(resp.Body, func(row cmu.Row) error {
		rows = append(rows, fields(row))
		return nil
	})
	return rows, err
}

// same compares the service's rows with Adobe's, in any order.
func (r *rig) same(s string) Source {
	r.t.Helper()
	got, source := r.get(s)
	want := r.direct(s)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.t.Fatalf("%s: %d rows, Adobe has %d%s", s, len(got), len(want), firstDifference(got, want))
	}
	return source
}

func sameRows(a, b []string) bool {
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}

func firstDifference(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("\n got %s\nwant %s", got[i], want[i])
		}
	}
	if len(got) > len(want) {
		return "\nextra " + got[len(want)]
	} else if len(want) > len(got) {
		return "\nmissing " + want[len(got)]
	}
	return ""
}
