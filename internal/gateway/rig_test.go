package gateway

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/reports"
	testrig "cmu-gateway/internal/rig"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"

	"github.com/klauspost/compress/gzip"
)

// rig is a gateway over a simulated Adobe and an embedded store, on a clock that tests move.
type rig struct {
	t        testing.TB
	clock    *testrig.Clock
	log      *testrig.Log
	after    *testrig.After
	adobe    *testrig.Adobe
	store    store.Store
	service  *reports.Service
	gateway  Gateway
	handler  http.Handler
	policy   plan.Policy // of services made from now on
	tokenErr error       // of the service's access to a token
	licence  string      // of its token
}

func newRig(t testing.TB, change ...func(*Gateway)) *rig {
	t.Helper()
	clock := &testrig.Clock{}
	r := &rig{t: t, clock: clock, log: testrig.NewLog(t), after: &testrig.After{}, adobe: testrig.NewAdobe(t, clock), store: testrig.NewStore(t, clock), policy: testrig.Policy}
	r.service = r.newService()
	r.gateway = Gateway{Reports: r.service, Now: clock.Now, Log: r.log.Logger, Version: "1.2.3"}
	for _, c := range change {
		c(&r.gateway)
	}
	r.handler = r.gateway.Handler()
	return r
}

func (r *rig) newService() *reports.Service {
	token := func() (upstream.Token, error) {
		return upstream.Token{Value: r.adobe.Token.Value, Licence: r.licence}, r.tokenErr
	}
	return reports.New(reports.Options{
		Client: r.adobe.Client, Store: r.store, Policy: r.policy, RowLimit: 10_000, Parallel: 4, Memory: 64 << 20,
		Token:   func(context.Context) (upstream.Token, error) { return token() },
		Refused: func(context.Context, cmu.Secret) (upstream.Token, error) { return token() },
		Licence: func(context.Context) (string, bool) { return r.licence, true },
		Now:     r.clock.Now,
		Sleep:   r.clock.Sleep,
		After:   r.after.Go,
		Log:     r.log.Logger,
	})
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
