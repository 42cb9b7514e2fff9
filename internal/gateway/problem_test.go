package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/upstream"
)

func TestProblems(t *testing.T) {
	status := func(n int, body string) func(*rig) {
		return func(r *rig) {
			r.adobe.Behave(func(b *sandbox.Behaviour) {
				b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: n, Body: body,
					Headers: map[string]string{"Content-Type": "text/html"}}}
			})
		}
	}
	fault := func(kind string) func(*rig) {
		return func(r *rig) {
			r.adobe.Behave(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{{On: "report", Kind: kind}} })
		}
	}
	for name, test := range map[string]struct {
		method, target string
		headers        []string
		before         func(*rig)
		status         int
		code, detail   string
		retryAfter     string
		allow          string
	}{
		"unknown route":     {target: "/reports", status: 404, code: "no_such_route", detail: "/cmu/v2/"},
		"near miss":         {target: "/cmu/v2x/year", status: 404, code: "no_such_route"},
		"escaped route":     {target: "/cmu%2Fv2/year", status: 404, code: "no_such_route"},
		"double slash":      {target: "//cmu/v2/year", status: 404, code: "no_such_route"},
		"page with a slash": {target: "/status/", status: 404, code: "no_such_route"},
		"post":              {method: "POST", target: days, status: 405, code: "method_not_allowed", allow: "GET, HEAD"},
		"options":           {method: "OPTIONS", target: days, status: 405, code: "method_not_allowed", allow: "GET, HEAD"},
		"delete":            {method: "DELETE", target: days, status: 405, code: "method_not_allowed", allow: "GET, HEAD"},
		"post to status":    {method: "POST", target: "/status", status: 405, code: "method_not_allowed", allow: "GET, HEAD"},
		"bad start":         {target: "/cmu/v2/year?start=someday", status: 400, code: "bad_request", detail: "start"},
		"bad limit":         {target: "/cmu/v2/year?limit=0", status: 400, code: "bad_request", detail: "limit"},
		"dots":              {target: "/cmu/v2/year/%2e%2e/x", status: 400, code: "bad_request", detail: "not a dimension"},
		"empty dimension":   {target: "/cmu/v2//year", status: 400, code: "bad_request", detail: "empty"},
		"control":           {target: "/cmu/v2/year?x=%0d%0aSet-Cookie:a", status: 400, code: "bad_request", detail: "control"},
		"unknown format":    {target: "/cmu/v2/year.doc", status: 406, code: "not_acceptable", detail: "json, csv, xml, ndjson or html"},
		"no such report":    {target: "/cmu/v2/nowhere", status: 404, code: "refused_by_adobe"},
		"no such filter":    {target: "/cmu/v2/year?nothing=x", status: 400, code: "refused_by_adobe", detail: "nothing"},
		"too wide": {target: days, status: 400, code: "too_wide",
			before: status(400, "The requested selection is too wide to be processed")},
		"forbidden": {target: days, before: status(403, "<h1>Forbidden</h1>"), status: 403, code: "refused_by_adobe", detail: "403: Forbidden."},
		"token refused": {target: days, before: status(401, "no"), status: 503, code: "unavailable", retryAfter: "5",
			detail: "access token"},
		"Adobe's 405": {target: days, before: status(405, "no"), status: 502, retryAfter: "1", code: "adobe_failed", detail: "405"},
		"Adobe's 500": {target: days, before: status(500, "<html><body>Oops <b>here</b></body></html>"),
			status: 502, retryAfter: "1", code: "adobe_failed", detail: "500: Oops here."},
		"Adobe's 503": {target: days, before: status(503, ""), status: 503, code: "unavailable", retryAfter: "1", detail: "503"},
		"Adobe's 503, named": {target: days, before: func(r *rig) {
			r.adobe.Behave(func(b *sandbox.Behaviour) {
				b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: 503, Headers: map[string]string{"Retry-After": "120"}}}
			})
		}, status: 503, code: "unavailable", retryAfter: "120", detail: "503"},
		"Adobe's 429": {target: days, before: status(429, ""), status: 503, code: "unavailable", retryAfter: "60", detail: "pause"},
		"cut":         {target: days, before: fault("cut"), status: 502, retryAfter: "1", code: "adobe_unreachable"},
		"lost":        {target: days, before: fault("lost"), status: 502, retryAfter: "1", code: "adobe_unreachable"},
		"broken gzip": {target: days, before: fault("broken_gzip"), status: 502, retryAfter: "1", code: "adobe_unreachable"},
		"no access": {target: days, before: func(r *rig) {
			r.tokenErr = &reports.UnavailableError{RetryAfter: 1500 * time.Millisecond, Reason: "no access to Adobe for now"}
		}, status: 503, code: "unavailable", retryAfter: "2", detail: "No access to Adobe for now."},
		"token failure": {target: days, before: func(r *rig) { r.tokenErr = errors.New("secret store: hush hush") },
			status: 502, retryAfter: "1", code: "adobe_unreachable"},
		"not cached": {target: days, headers: []string{"Cache-Control", "only-if-cached"}, status: 504, code: "not_cached"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			if test.before != nil {
				test.before(r)
			}
			if test.method == "" {
				test.method = http.MethodGet
			}
			got := r.do(test.method, test.target, test.headers...)
			var p problem
			if err := json.Unmarshal([]byte(got.body), &p); err != nil {
				t.Fatalf("%v: %s", err, got.body)
			}
			h := got.Header
			if got.StatusCode != test.status || p.Status != test.status || p.Code != test.code ||
				p.Type != "about:blank" || p.Title != http.StatusText(test.status) {
				t.Errorf("%d %s", got.StatusCode, got.body)
			}
			if p.Detail == "" || !strings.Contains(p.Detail, test.detail) || !strings.HasSuffix(p.Detail, ".") || strings.Contains(got.body, "hush") {
				t.Errorf("detail %q", p.Detail)
			}
			if h.Get("Content-Type") != "application/problem+json" || h.Get("Cache-Control") != "no-store" ||
				h.Get("Retry-After") != test.retryAfter || h.Get("Allow") != test.allow || h.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%v", h)
			}
			if test.status >= 500 && test.code != "not_cached" && !strings.Contains(r.log.String(), "request failed") {
				t.Error("the log does not have the cause")
			}
			head := r.do(http.MethodHead, test.target, test.headers...)
			if test.method == http.MethodGet && head.StatusCode != test.status {
				t.Errorf("HEAD: %d", head.StatusCode)
			}
		})
	}
}

func TestDeadlineAndLeaving(t *testing.T) {
	r := newRig(t)
	r.adobe.Behave(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{{On: "report", Kind: "hang"}} })
	r.adobe.Client.Timeout = 200 * time.Millisecond // the call that nobody waits for any more ends
	timeIsUp, adobe := make(chan struct{}), r.adobe.Client.Transport
	r.adobe.Client.Transport = roundTrip(func(q *http.Request) (*http.Response, error) {
		close(timeIsUp)
		return adobe.RoundTrip(q)
	})
	ask := func(ctx context.Context) reply {
		return r.ask(httptest.NewRequestWithContext(ctx, http.MethodGet, days, nil))
	}
	if got := ask(timed{t.Context(), r.clock.Now().Add(time.Hour), timeIsUp}); got.StatusCode != 503 && got.StatusCode != 504 {
		t.Errorf("past the deadline: %d %s", got.StatusCode, got.body)
	}
	logged := r.log.String()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := ask(ctx); got.StatusCode != 499 || got.body != "" {
		t.Errorf("after the caller left: %d %s", got.StatusCode, got.body)
	}
	if strings.Count(r.log.String(), "request failed") != strings.Count(logged, "request failed") {
		t.Error("a caller that left is logged as a failure")
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(q *http.Request) (*http.Response, error) { return f(q) }

// timed is a context whose time is up when the test says so.
type timed struct {
	context.Context
	deadline time.Time
	up       <-chan struct{}
}

func (c timed) Deadline() (time.Time, bool) { return c.deadline, true }
func (c timed) Done() <-chan struct{}       { return c.up }

func (c timed) Err() error {
	select {
	case <-c.up:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

func TestProblemHoldsProgress(t *testing.T) {
	p := problemOf(&reports.UnavailableError{RetryAfter: 100 * time.Millisecond, Reason: "Adobe could not be asked in time", Done: 0, Total: 25})
	text, err := json.Marshal(p)
	if err != nil || p.RetryAfter != time.Second || !strings.Contains(string(text), `"blocks_done":0,"blocks_total":25`) ||
		!strings.Contains(p.Detail, "0 of 25 blocks are there.") {
		t.Errorf("%s %v", text, err)
	}
}

// Whether Adobe was asked in vain, or was not to be asked, is not the same to whoever looks for the cause.
func TestCacheStatusOfFailures(t *testing.T) {
	r := newRig(t)
	r.adobe.Behave(func(b *sandbox.Behaviour) {
		b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: 429, Count: 1}}
	})
	told := func(what, want string) {
		t.Helper()
		if got := r.get(days); got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Cache-Status") != want {
			t.Errorf("%s: %d, Cache-Status: %s, want %s", what, got.StatusCode, got.Header.Get("Cache-Status"), want)
		}
	}
	told("asked in vain", "cmu-gateway; fwd=miss; fwd-status=429")
	told("in the pause", "cmu-gateway; detail=pause")
	r.clock.Add(2 * time.Minute)
	r.tokenErr = &upstream.PauseError{RetryAfter: time.Second, Reason: "there is no valid access token", Cause: errors.New("none")}
	told("without a token", "cmu-gateway; detail=no-access")
	if n := r.adobe.Calls(); n != 1 {
		t.Errorf("%d calls", n)
	}
}

// A tag names one window in one format, and DELETE forgets all of them.
func TestDeleteWithATag(t *testing.T) {
	r := newRig(t, func(g *Gateway) { g.Purge = true })
	tag := r.ok(days).Header.Get("Etag")
	const report = "/cmu/v2/tenant/year/month/day"
	for _, value := range []string{tag, `"x"`, "W/" + tag, "nonsense", ""} {
		if got := r.do(http.MethodDelete, report, "If-Match", value); got.StatusCode != http.StatusPreconditionFailed || !strings.Contains(got.body, "precondition_failed") {
			t.Errorf("If-Match: %s: %d %s", value, got.StatusCode, got.body)
		}
	}
	if got := r.get(days, "Cache-Control", "only-if-cached"); got.StatusCode != http.StatusOK {
		t.Errorf("it was forgotten all the same: %d", got.StatusCode)
	}
	if got := r.do(http.MethodDelete, report, "If-Match", "*"); got.StatusCode != http.StatusOK {
		t.Errorf("If-Match: *: %d %s", got.StatusCode, got.body)
	}
}
