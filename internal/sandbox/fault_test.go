package sandbox_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"cmu-gateway/internal/sandbox"
)

// Faults over a real connection, as clients meet them.
func TestFaults(t *testing.T) {
	r := newRig(t)
	arrived := make(chan struct{}, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		arrived <- struct{}{}
		r.ServeHTTP(w, q)
	}))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ask := func(ctx context.Context) (status int, body []byte, err error) {
		q, _ := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+sandbox.ReportsPath+"/tenant/year/month/day?start=2026-05", nil)
		q.Header.Set("Authorization", "Bearer "+r.token)
		w, err := client.Do(q)
		if err != nil {
			return 0, nil, err
		}
		defer func() { _ = w.Body.Close() }()
		body, err = io.ReadAll(w.Body)
		return w.StatusCode, body, err
	}
	for _, f := range []sandbox.Fault{
		{Kind: "cut"}, {Kind: "cut", After: 9}, {Kind: "broken_gzip"}, {Kind: "lost"},
	} {
		f.Count = 1
		r.Behave(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{f} })
		if _, body, err := ask(t.Context()); err == nil {
			t.Errorf("%s: no error, body %.100s", f.Kind, body)
		}
		if status, body, err := ask(t.Context()); status != 200 || err != nil || !json.Valid(body) {
			t.Errorf("after %s: %d %v", f.Kind, status, err)
		}
	}
	r.Behave(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{{Kind: "truncated", On: "report", After: 700}} })
	if status, body, err := ask(t.Context()); status != 200 || err != nil || len(body) != 700 || json.Valid(body) {
		t.Errorf("truncated: %d %v %d bytes", status, err, len(body))
	}
	r.Behave(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{{Kind: "hang"}} })
	ctx, cancel := context.WithCancel(t.Context())
	for len(arrived) > 0 {
		<-arrived
	}
	go func() {
		<-arrived
		cancel()
	}()
	if _, _, err := ask(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("hang: %v", err)
	}
}

func TestFaultQueue(t *testing.T) {
	r := newRig(t)
	r.Behave(func(b *sandbox.Behaviour) {
		b.Faults = []sandbox.Fault{
			{On: "token", Kind: "status", Status: 500},
			{On: "report", Kind: "status", Status: 503, Count: 2, Headers: map[string]string{"Retry-After": "7"}, Body: "busy"},
			{On: "report", Kind: "status", Status: 401, Count: 1},
		}
	})
	var got []int
	for range 5 {
		w := r.get("/year")
		got = append(got, w.Code)
		if w.Code == 503 && (w.Header().Get("Retry-After") != "7" || w.Body.String() != "busy") {
			t.Errorf("503 with %v %s", w.Header(), w.Body)
		}
	}
	if want := []int{503, 503, 401, 200, 200}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if w := r.post("/o/client/token", form, ""); w.Code != 500 {
		t.Errorf("token: %d", w.Code)
	}
	r.Behave(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{{Kind: "status", Status: 500, Probability: .3}} })
	failed := 0
	for range 400 {
		if r.get("/year?limit=1").Code == 500 {
			failed++
		}
	}
	if failed < 80 || failed > 160 {
		t.Errorf("%d of 400 failed, want about 120", failed)
	}
}

// A lost registration happened: it counts, and its client is good, though nobody knows it.
func TestLostRegistration(t *testing.T) {
	r := newRig(t)
	r.Behave(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{{On: "register", Kind: "lost", Count: 1}} })
	if w, err := r.client().Post(r.Client.AuthURL+"/o/client/register", "application/json", strings.NewReader(r.statementBody())); err == nil {
		_ = w.Body.Close()
		t.Errorf("an answer: %s", w.Status)
	}
	if c := r.Counts(); c.Register != 2 || c.Registered != 2 {
		t.Errorf("counts: %+v", c)
	}
}

// The body of a broken gzip answer is claimed to be gzip and is none.
func TestBrokenGzip(t *testing.T) {
	r := newRig(t)
	r.Behave(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{{Kind: "broken_gzip"}} })
	q := httptest.NewRequest(http.MethodGet, sandbox.ReportsPath+"/year", nil)
	q.Header.Set("Authorization", "Bearer "+r.token)
	q.Header.Set("Accept-Encoding", "gzip")
	w := r.do(q)
	z, err := gzip.NewReader(w.Body)
	if err != nil || w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatalf("the gzip header should be whole: %v %v", err, w.Header())
	}
	if _, err := io.ReadAll(z); err == nil {
		t.Error("the gzip body is whole")
	}
}

// A caller that leaves in the middle of a big report stops its making.
func TestCallerLeaves(t *testing.T) {
	r := newRig(t)
	const path = "/tenant/year/month/day/hour/mvpd/platform/application-id?start=2024-07&limit=1000000"
	q := httptest.NewRequest(http.MethodGet, sandbox.ReportsPath+path, nil)
	q.Header.Set("Authorization", "Bearer "+r.token)
	r.ServeHTTP(&leaving{nobody{header: http.Header{}}}, q)
	if n := r.Counts().Rows; n > 1000 {
		t.Errorf("%d rows made for nobody", n)
	}
}

type leaving struct{ nobody }

func (w *leaving) Write([]byte) (int, error) { return 0, fmt.Errorf("gone") }
