package upstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/fair"
	testrig "cmu-gateway/internal/rig"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"
)

// newAdobe returns an Adobe over a simulated one, its options changed.
func newAdobe(t *testing.T, change func(*testrig.Adobe, *Options)) (*Adobe, *testrig.Adobe, *testrig.Clock) {
	clock := &testrig.Clock{}
	simulated := testrig.NewAdobe(t, clock)
	token := func(context.Context) (Token, error) { return Token{Value: simulated.Token.Value}, nil }
	o := Options{
		Client: simulated.Client, Token: token, Refused: func(ctx context.Context, _ cmu.Secret) (Token, error) { return token(ctx) },
		RowLimit: 10_000, Parallel: 2, Now: clock.Now, Log: testrig.NewLog(t).Logger,
	}
	if change != nil {
		change(simulated, &o)
	}
	return New(o), simulated, clock
}

var ask = cmu.Request{Path: []string{"year", "month", "day"}}

func ignore(cmu.Row) error { return nil }

func TestRowsAndLinks(t *testing.T) {
	a, _, _ := newAdobe(t, nil)
	seen := 0
	out, err := a.Report(t.Context(), new(fair.Caller), "", ask, func(cmu.Row) error { seen++; return nil })
	if err != nil || seen == 0 || out.Rows != seen || out.Truncated || !strings.Contains(out.Links.Self, "limit=10000") {
		t.Errorf("%+v, %d rows, %v", out, seen, err)
	}
	stop := errors.New("stop")
	if _, err := a.Report(t.Context(), new(fair.Caller), "", ask, func(cmu.Row) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the sink's error became %v", err)
	}
	if all, failed := a.Calls(); all != 2 || failed != 1 {
		t.Errorf("%d calls, %d failed", all, failed)
	}
}

func TestAPauseIsTold(t *testing.T) {
	var told time.Time
	a, simulated, clock := newAdobe(t, func(_ *testrig.Adobe, o *Options) {
		o.Paused = func(_ context.Context, until time.Time) { told = until }
	})
	simulated.Behave(func(b *sandbox.Behaviour) {
		b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: 429, Headers: map[string]string{"Retry-After": "90"}, Count: 1}}
	})
	var pause *PauseError
	if _, err := a.Report(t.Context(), new(fair.Caller), "", ask, ignore); !errors.As(err, &pause) || pause.RetryAfter != 90*time.Second || !errors.Is(err, cmu.ErrThrottled) {
		t.Errorf("throttled: %v", err)
	}
	if want := clock.Now().Add(90 * time.Second); !told.Equal(want) || !a.PausedUntil().Equal(want) {
		t.Errorf("told of %v, kept %v, want %v", told, a.PausedUntil(), want)
	}
	before := simulated.Calls()
	a.Pause(clock.Now().Add(time.Second)) // never shorter
	clock.Add(89 * time.Second)
	if _, err := a.Report(t.Context(), new(fair.Caller), "", ask, ignore); !errors.As(err, &pause) || pause.RetryAfter != time.Second || simulated.Calls() != before {
		t.Errorf("in the pause: %v", err)
	}
	clock.Add(time.Second)
	if _, err := a.Report(t.Context(), new(fair.Caller), "", ask, ignore); err != nil {
		t.Errorf("after the pause: %v", err)
	}
}

func TestARefusedTokenIsRenewedOnce(t *testing.T) {
	asked := 0
	a, simulated, _ := newAdobe(t, func(s *testrig.Adobe, o *Options) {
		o.Token = func(context.Context) (Token, error) { return Token{Value: "hunter2"}, nil }
		o.Refused = func(_ context.Context, refused cmu.Secret) (Token, error) {
			if asked++; asked > 1 {
				return Token{Value: "hunter3"}, nil
			}
			return Token{Value: s.Token.Value}, nil
		}
	})
	if _, err := a.Report(t.Context(), new(fair.Caller), "", ask, ignore); err != nil || asked != 1 {
		t.Errorf("renewed %d times: %v", asked, err)
	}
	var pause *PauseError
	before := simulated.Calls()
	_, err := a.Report(t.Context(), new(fair.Caller), "", ask, ignore)
	if !errors.As(err, &pause) || !errors.Is(err, cmu.ErrUnauthorized) || simulated.Calls()-before != 4 { // twice the report, and another
		t.Errorf("refused twice: %v after %d calls", err, simulated.Calls()-before)
	}
	if text := fmt.Sprintf("%v %+v %#v", err, err, pause.Cause); strings.Contains(text, "hunter") {
		t.Errorf("the error shows a token: %s", text)
	}
}

func TestALimitThatIsRefusedIsLeftToAdobe(t *testing.T) {
	a, simulated, _ := newAdobe(t, nil)
	simulated.Behave(func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = 2000, "refuse" })
	for i, calls := range []int64{2, 1} { // then it is known
		before := simulated.Calls()
		if out, err := a.Report(t.Context(), new(fair.Caller), "", ask, ignore); err != nil || out.Rows == 0 || simulated.Calls()-before != calls {
			t.Errorf("%d: %+v, %v with %d calls, want %d", i, out, err, simulated.Calls()-before, calls)
		}
	}
	var e *cmu.Error
	if _, err := a.Report(t.Context(), new(fair.Caller), "", cmu.Request{Path: ask.Path, Limit: 10_000}, ignore); !errors.As(err, &e) || e.Status != 400 {
		t.Errorf("a caller's own limit: %v", err)
	}
}

// What comes with a status of success need not be a report: a portal's page, an error in JSON, another format, half of a report.
func TestWhatIsNoReportIsAnErrorThatShowsIt(t *testing.T) {
	a, simulated, _ := newAdobe(t, nil)
	for body, begins := range map[string]string{
		"<html><head><title>x</title></head><body><h1>Sign&nbsp;in</h1>\nto continue</body></html>": "Sign in to continue",
		`{"error":"backend"}`:    `{"error":"backend"}`,
		`{"report":"none"}`:      `{"report":"none"}`,
		`[]`:                     "[]",
		`null`:                   "null",
		"year,month\n2026,7\n":   "year,month 2026,7",
		"\x00\x01binary":         "binary",
		`{"report":[]} trailing`: `{"report":[]} trailing`,
		"Service " + strings.Repeat("x ", 10_000): "Service x x",
	} {
		simulated.Behave(func(b *sandbox.Behaviour) {
			b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: 200, Body: body}}
		})
		_, err := a.Report(t.Context(), new(fair.Caller), "", ask, ignore)
		var e *NotReportError
		if !errors.As(err, &e) || !errors.Is(err, cmu.ErrNotReport) || !strings.HasPrefix(e.Begins, begins) || len(e.Begins) > 1000 {
			t.Errorf("%.60q: %v", body, err)
		}
	}
}

// No more than Parallel calls run at once, and who gives up waiting for a turn takes none.
func TestParallel(t *testing.T) {
	const callers = 6
	entered, gate := make(chan struct{}, callers), make(chan struct{})
	inside, most := atomic.Int32{}, atomic.Int32{}
	a, simulated, _ := newAdobe(t, func(s *testrig.Adobe, o *Options) {
		o.Token = func(context.Context) (Token, error) {
			n := inside.Add(1)
			defer inside.Add(-1)
			for before := most.Load(); n > before && !most.CompareAndSwap(before, n); before = most.Load() {
			}
			entered <- struct{}{}
			<-gate
			return Token{Value: s.Token.Value}, nil
		}
	})
	var calls sync.WaitGroup
	for range callers {
		calls.Go(func() {
			if _, err := a.Report(t.Context(), new(fair.Caller), "", ask, ignore); err != nil {
				t.Error(err)
			}
		})
	}
	<-entered
	<-entered // all turns are taken
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Report(gone, new(fair.Caller), "", ask, ignore); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who has gone: %v", err)
	}
	close(gate)
	calls.Wait()
	if n := simulated.Calls(); n != callers || most.Load() != 2 {
		t.Errorf("%d calls, %d at once", n, most.Load())
	}
}
