package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/gateway"
	"cmu-gateway/internal/reports"
	"cmu-gateway/pkg/cmu"
)

// A report is the same on both sides of the control door.
func TestReportOrderCrosses(t *testing.T) {
	for _, text := range []string{
		"", "tenant/year/month.csv?start=2026&end=1785000000000&limit=5", "a-b.json", "a%2Fb/c%20d?mvpd=A%26B&mvpd!=%C3%84&platform&metrics=b,a",
		"tenant?start=2026-01-01T05:30&end=2026-01-02T00:00:00.500Z", "tenant?access_token=eyJa.eyJb.sesame",
	} {
		path, query, _ := strings.Cut(text, "?")
		asked, err := cmu.Parse(path, query)
		if err != nil {
			t.Fatal(err)
		}
		want := reportOrder{asked, "start=-30d&end=today", reports.Directives{NoCache: true}, gateway.Form{Date: true, Mark: true}}
		sent, err := json.Marshal(want)
		if err != nil || strings.Contains(string(sent), "sesame") {
			t.Fatalf("%s: %v", sent, err)
		}
		var got reportOrder
		if err := json.Unmarshal(sent, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v, want %+v", text, got, err, want)
		}
	}
}

// What is waited for is told on both sides of the control door, before the answer, and never after it.
func TestWaitsCross(t *testing.T) {
	var late func(said)
	ends := map[string]error{"/register": nil, "/refresh": errors.New("refused")}
	data := ownedFolder(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hello" {
			w.Write([]byte("PROOF"))
			return
		}
		obey(w, r, func(_ context.Context, o registerOrder, say func(said)) (access.RegisterResult, error) {
			say(said{Waits: "another process is at it"})
			late = say
			return access.RegisterResult{Message: "done: " + o.Reason}, ends[r.URL.Path]
		})
		late(said{Waits: "too late"})
	}), func(*address) {})
	const simulated = "cmu: no Adobe is configured: this is the simulated one, with made-up rows\n"
	const waits = "cmu: another process is at it; Ctrl-C gives up\n"
	code, out, warned := on(t, t.Context(), false, "register", "--force", "--reason", "a test", "--data", data)
	if code != exitOK || out != "done: a test\n" || warned != simulated+waits {
		t.Errorf("code %d, %s%s", code, out, warned)
	}
	code, out, warned = on(t, t.Context(), false, "refresh", "--data", data)
	if code != exitFailure || out != "" || warned != simulated+waits+"cmu: refused\n" {
		t.Errorf("code %d, %s%s", code, out, warned)
	}
}

// An order ends when its command is gone.
func TestOrderEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	begun, ended := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		obey(w, r, func(ctx context.Context, _ struct{}, _ func(said)) (int, error) {
			defer close(ended)
			close(begun)
			<-ctx.Done()
			return 0, ctx.Err()
		})
	}))
	defer server.Close()
	go func() {
		<-begun
		cancel()
	}()
	if _, err := ask[int](ctx, &remote{address{Control: server.URL}}, "/purge", struct{}{}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	<-ended
}
