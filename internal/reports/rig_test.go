package reports

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	testrig "cmu-gateway/internal/rig"
	"cmu-gateway/internal/rows"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/store/storetest"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

var noon = testrig.Tuesday

const daily = "tenant/year/month/day?start=2026-05-10&end=2026-07-01"

var policy = testrig.Policy

// rig is a service over a simulated Adobe and an embedded store, on a clock that tests move.
type rig struct {
	*Service
	t     testing.TB
	clock *testrig.Clock
	log   *testrig.Log
	work  *testrig.After
	adobe *testrig.Adobe
	store store.Store
	// token and refused are the service's access to a token, current unless a test says otherwise; carry is its way to Adobe.
	token   func(context.Context) (upstream.Token, error)
	refused func(context.Context, cmu.Secret) (upstream.Token, error)
	current atomic.Pointer[upstream.Token]
	carry   http.RoundTripper
}

func newRig(t testing.TB, change ...func(*Options)) *rig {
	c := &testrig.Clock{}
	r := &rig{t: t, clock: c, log: testrig.NewLog(t), work: &testrig.After{}, adobe: testrig.NewAdobe(t, c), store: testrig.NewStore(t, c)}
	r.current.Store(&upstream.Token{Value: r.adobe.Token.Value})
	r.token = func(context.Context) (upstream.Token, error) { return *r.current.Load(), nil }
	r.refused = func(context.Context, cmu.Secret) (upstream.Token, error) { return *r.current.Load(), nil }
	r.carry = r.adobe.Client.Transport
	r.Service = r.process(change...)
	return r
}

// process returns a service as another process over the same store would have it.
func (r *rig) process(change ...func(*Options)) *Service {
	client := *r.adobe.Client
	client.Transport = carrier(func(q *http.Request) (*http.Response, error) { return r.carry.RoundTrip(q) })
	o := Options{
		Client: &client, Store: r.store, Policy: policy, RowLimit: 10_000, Parallel: 4, Memory: 64 << 20,
		Token:   func(ctx context.Context) (upstream.Token, error) { return r.token(ctx) },
		Refused: func(ctx context.Context, s cmu.Secret) (upstream.Token, error) { return r.refused(ctx, s) },
		Licence: func(context.Context) (string, bool) { return r.tenant(), true },
		Now:     r.clock.Now, Sleep: r.clock.Sleep, After: r.work.Go, Log: r.log.Logger,
	}
	for _, c := range change {
		c(&o)
	}
	return New(o)
}

// restart puts a process with nothing in memory in the place of the one at hand.
func (r *rig) restart(change ...func(*Options)) { r.Service = r.process(change...) }

// tenant is the licence of the current token.
func (r *rig) tenant() string { return r.current.Load().Licence }

// book is the notebook of the licence in use.
func (r *rig) book() *notebook { return r.under(r.tenant()).notebook }

// plainly leaves a long test to the run of this package without the race detector, which slows it tenfold and sees nothing in it that
// shorter ones do not show. `make race` is both runs.
func plainly(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Skip("runs without the race detector")
	}
}

// limit makes calls name another row limit.
func limit(n int) func(*Options) { return func(o *Options) { o.RowLimit = n } }

// faulty makes the store fail as hook says.
func (r *rig) faulty(hook func(op string) storetest.Fault) func(*Options) {
	return func(o *Options) { o.Store = &storetest.Faulty{Store: r.store, Hook: hook} }
}

// carrier is a way to Adobe.
type carrier func(*http.Request) (*http.Response, error)

func (f carrier) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// after does the work that waits for answers to be sent.
func (r *rig) after() { r.work.Run() }

// behave changes the simulated Adobe.
func (r *rig) behave(change func(*sandbox.Behaviour)) {
	r.t.Helper()
	r.adobe.Behave(change)
}

func (r *rig) calls() int64 { return r.adobe.Calls() }

// prove has the calendar checked.
func (r *rig) prove() {
	r.t.Helper()
	if v, err := r.Prove(r.t.Context(), cmu.Request{Path: []string{"tenant", "year", "month", "day"}}); err != nil || !v.Proven {
		r.t.Fatalf("verdict %+v, %v", v, err)
	}
}

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
	o := newQuery(r.under(r.tenant()).scope, request(r.t, ask), nature{}, policy, r.clock.Now()).order
	var k rows.Key
	var last []byte
	if err := a.Each(func(row cmu.Row) error {
		_ = o.Read(row, &k) // a period that cannot be read still has its place
		if bytes.Compare(last, k.Sort) > 0 {
			r.t.Errorf("%s: %s is out of order", ask, row)
		}
		last = bytes.Clone(k.Sort)
		return nil
	}); err != nil {
		r.t.Error(err)
	}
}

func fields(row cmu.Row) string {
	var f []string
	row.Each(func(name, value []byte) bool {
		f = append(f, string(name)+"="+string(value))
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
	resp, err := r.adobe.Client.Report(r.t.Context(), r.adobe.Token.Value, q, "application/json")
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
