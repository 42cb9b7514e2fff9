package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"cmu-gateway/internal/fair"
	testrig "cmu-gateway/internal/rig"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"
)

func status(n int, wait time.Duration) error {
	return fmt.Errorf("wrapped: %w", &cmu.Error{Op: "report", Status: n, RetryAfter: wait})
}

// TestWhatPausesAllCalls gives a history of calls as "report outcome", with +N for N seconds that pass, and the pauses made for them.
func TestWhatPausesAllCalls(t *testing.T) {
	outcomes := map[string]error{
		"ok": nil, "500": status(500, 0), "502": status(502, 0), "503": status(503, 0), "503/120": status(503, 2*time.Minute),
		"429": status(429, time.Minute), "429/7": status(429, 7*time.Second), "400": status(400, 0), "401": status(401, 0), "403": status(403, 0), "404": status(404, 0),
		"timeout": ErrTimeout, "reset": syscall.ECONNRESET, "cut": io.ErrUnexpectedEOF, "gone": context.Canceled, "late": context.DeadlineExceeded,
		"page": fmt.Errorf("%w: a page", cmu.ErrNotReport), "large": cmu.ErrTooLarge,
		"files": fmt.Errorf("adobe report: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}),
	}
	for history, want := range map[string]string{
		"a ok":  "-",
		"a 429": "60s", "a 429/7": "7s", "a ok, b 429": "- 60s",
		"a 503": "-", "a 503/120": "-", "a 500": "-", "a timeout": "-", "a reset": "-",
		"a 503, a 503, a 503, a 503, a 503":           "- - - - -",
		"a 503, b 503":                                "- -",
		"a 503, b 503, c 503":                         "- - 1s",
		"a 503, b 500, c timeout":                     "- - 1s",
		"a cut, b reset, c 502":                       "- - 1s",
		"a 503, b 503, c 503/120":                     "- - 120s",
		"a 503/120, b 503/120, c 503":                 "- - 1s",
		"a 503, b 503, b 503, a 503, c 503":           "- - - - 1s",
		"a 503, b ok, c 503, d 503":                   "- - - -",
		"a 503, b 404, c 503, d 503":                  "- - - -",
		"a 503, b 400, c 503, d 503":                  "- - - -",
		"a 503, b 403, c 503, d 503":                  "- - - -",
		"a 503, b 401, c 503, d 503":                  "- - - 1s",
		"a 503, b gone, c 503, d 503":                 "- - - 1s",
		"a 503, b late, c 503, d 503":                 "- - - 1s",
		"a 503, b page, c 503, d 503":                 "- - - -",
		"a 503, b large, c 503, d 503":                "- - - -",
		"a files, b files, c files":                   "- - -", // of this process
		"a 503, b files, c 503, d 503":                "- - - 1s",
		"a 503, +61, b 503, c 503":                    "- - -",
		"a 503, +59, b 503, c 503":                    "- - 1s",
		"a 503, b 503, c 503, c 503, d 503":           "- - 1s - -", // those ran beside it
		"a 503, b 503, c 503, +1, c 503, +2, a 503":   "- - 1s 2s 4s",
		"a 503, b 503, c 503, +1, c 503, +2, a ok":    "- - 1s 2s -",
		"a 503, b 503, c 503, +1, c ok, a 503":        "- - 1s - -",
		"a 503, b 503, c 503, +1, a 429/7, +7, a 503": "- - 1s 7s 2s",
		"a 503, b 503, c 503, +1, a 503, +2, a 503, +4, a 503, +8, a 503, +8, a 503": "- - 1s 2s 4s 8s 8s 8s",
	} {
		var state trouble
		now, until, got := testrig.Tuesday, time.Time{}, []string{}
		for step := range strings.SplitSeq(history, ", ") {
			report, outcome, _ := strings.Cut(step, " ")
			if seconds, passes := strings.CutPrefix(report, "+"); passes {
				d, _ := time.ParseDuration(seconds + "s")
				now = now.Add(d)
				continue
			}
			err, known := outcomes[outcome]
			if !known {
				t.Fatal(outcome)
			}
			var p pauseFor
			state, p = state.after(report, err, now, now.Before(until))
			if p.length == 0 {
				got = append(got, "-")
				continue
			}
			until = now.Add(p.length)
			got = append(got, fmt.Sprintf("%gs", p.length.Seconds()))
			if p.named != (strings.Contains(outcome, "429") || strings.Contains(outcome, "/")) || p.reason == "" {
				t.Errorf("%s: %+v", history, p)
			}
		}
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s: %s, want %s", history, text, want)
		}
	}
}

// TestOneReportsTroubleIsItsOwn has the simulated Adobe fail for one report, then for several.
func TestOneReportsTroubleIsItsOwn(t *testing.T) {
	told := 0
	a, simulated, clock := newAdobe(t, func(_ *testrig.Adobe, o *Options) { o.Paused = func(context.Context, time.Time) { told++ } })
	get := func(path string) error {
		_, err := a.Report(t.Context(), new(fair.Caller), "", cmu.Request{Path: strings.Split(path, "/")}, ignore)
		return err
	}
	fail := func(headers map[string]string) {
		simulated.Behave(func(b *sandbox.Behaviour) {
			b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: 503, Headers: headers}}
		})
	}
	for range 5 {
		fail(map[string]string{"Retry-After": "120"})
		var e *cmu.Error
		if err := get("mvpd"); !errors.As(err, &e) || e.Status != 503 || errors.As(err, new(*PauseError)) {
			t.Errorf("of one report: %v", err)
		}
		simulated.Behave(func(b *sandbox.Behaviour) { b.Faults = nil })
		if err := get("year/month"); err != nil {
			t.Errorf("another report: %v", err)
		}
	}
	fail(nil)
	var pause *PauseError
	if _, _, err := get("mvpd"), get("year/month"), get("year"); !errors.As(err, &pause) || pause.RetryAfter != time.Second || !errors.Is(err, cmu.ErrThrottled) {
		t.Errorf("of several: %v", err)
	}
	before := simulated.Calls()
	if err := get("tenant/year"); !errors.As(err, &pause) || simulated.Calls() != before || told != 0 {
		t.Errorf("in the pause: %v, %d told", err, told)
	}
	clock.Add(time.Second)
	simulated.Behave(func(b *sandbox.Behaviour) { b.Faults = nil })
	if err := get("tenant/year"); err != nil {
		t.Errorf("after the pause: %v", err)
	}
}

// A call that takes longer than the client waits is Adobe's fault, one whose context ended is nobody's.
func TestATimeoutIsNotTheCallers(t *testing.T) {
	a, simulated, _ := newAdobe(t, func(s *testrig.Adobe, o *Options) {
		client := *s.Client
		client.Timeout = 20 * time.Millisecond
		o.Client = &client
	})
	for _, f := range []sandbox.Fault{{On: "report", Kind: "hang"}} {
		simulated.Behave(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{f} })
		if _, err := a.Report(t.Context(), new(fair.Caller), "", ask, ignore); !errors.Is(err, ErrTimeout) || Ended(err) {
			t.Errorf("%v: %v", f, err)
		}
		gone, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := a.Report(gone, new(fair.Caller), "", ask, ignore); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v: %v", f, err)
		}
	}
}
