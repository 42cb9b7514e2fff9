package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/fair"
	testrig "cmu-gateway/internal/rig"
	"cmu-gateway/pkg/cmu"
)

func TestWhoseFaultARefusalIs(t *testing.T) {
	for name, c := range map[string]struct {
		seen  trust
		token cmu.Secret
		began int64
		want  blame
	}{
		"nothing was seen":                          {trust{}, "t", 1, blameNobody},
		"another token worked":                      {trust{token: "u", worked: 9}, "t", 1, blameNobody},
		"another token is doubted":                  {trust{token: "u", doubted: true}, "t", 1, blameNobody},
		"it worked before":                          {trust{token: "t", worked: 1}, "t", 2, blameNobody},
		"it worked since":                           {trust{token: "t", worked: 3}, "t", 2, blameReport},
		"it is doubted":                             {trust{token: "t", doubted: true}, "t", 2, blameToken},
		"it is doubted, and worked before":          {trust{token: "t", worked: 1, doubted: true}, "t", 2, blameToken},
		"it is doubted, yet worked since it was so": {trust{token: "t", worked: 3, doubted: true}, "t", 2, blameReport},
	} {
		if got := c.seen.blames(c.token, c.began); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	for name, c := range map[string]struct {
		probed error
		want   blame
	}{
		"rows": {nil, blameReport}, "no such report": {status(404, 0), blameReport}, "not so": {status(400, 0), blameReport},
		"denied": {status(403, 0), blameReport}, "refused, too": {status(401, 0), blameToken},
		"throttled": {status(429, time.Minute), blameNobody}, "down": {status(503, 0), blameNobody}, "failed": {status(500, 0), blameNobody},
		"no answer": {io.ErrUnexpectedEOF, blameNobody}, "gone": {context.Canceled, blameNobody}, "slow": {ErrTimeout, blameNobody},
	} {
		if got := tells(c.probed); got != c.want {
			t.Errorf("the other report: %s: %v, want %v", name, got, c.want)
		}
	}
}

// What is asked is the last report that worked, never the one that is refused, and then the coarsest.
func TestWhatIsAskedWhenATokenMayBeToBlame(t *testing.T) {
	a, b := cmu.Request{Path: []string{"mvpd"}}, cmu.Request{Path: []string{"platform"}, Limit: 7}
	for _, c := range []struct {
		with   [2]cmu.Request
		report cmu.Request
		want   string
	}{
		{[2]cmu.Request{}, a, "year"}, {[2]cmu.Request{a}, a, "year"}, {[2]cmu.Request{a}, b, "mvpd year"},
		{[2]cmu.Request{a, b}, a, "platform year"}, {[2]cmu.Request{a, b}, cmu.Request{Path: []string{"month"}}, "mvpd year"},
		{[2]cmu.Request{coarsest, a}, b, "year"},
	} {
		var got []string
		for _, probe := range (trust{with: c.with}).probes(c.report.Report()) {
			if got = append(got, strings.Join(probe.Path, "/")); probe.Limit != 1 {
				t.Errorf("limit %d", probe.Limit)
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%v, refused %v: %v", c.with, c.report.Path, got)
		}
	}
}

// carrier is a way to Adobe.
type carrier func(*http.Request) (*http.Response, error)

func (f carrier) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// refusing returns an Adobe that refuses reports as a test says, and counts the doubts in its token.
func refusing(t *testing.T, refuses func(path string, token string) bool) (a *Adobe, doubts *int, calls func() int64) {
	doubts = new(int)
	a, simulated, _ := newAdobe(t, func(s *testrig.Adobe, o *Options) {
		client, to := *s.Client, s.Client.Transport
		client.Transport = carrier(func(r *http.Request) (*http.Response, error) {
			token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
			r = r.Clone(r.Context())
			r.Header.Set("Authorization", "Bearer "+s.Token.Value.Reveal())
			resp, err := to.RoundTrip(r)
			if err == nil && refuses(r.URL.Path, token) {
				resp.Body.Close()
				resp.StatusCode, resp.Body, resp.Header = 401, io.NopCloser(strings.NewReader("no")), http.Header{}
			}
			return resp, err
		})
		o.Client = &client
		o.Token = func(context.Context) (Token, error) {
			return Token{Value: cmu.Secret(strings.Repeat("x", *doubts+1))}, nil
		}
		o.Refused = func(ctx context.Context, _ cmu.Secret) (Token, error) { *doubts++; return o.Token(ctx) }
	})
	return a, doubts, simulated.Calls
}

// TestOneReportThatIsRefusedDoubtsNoToken asks in turns for a report that Adobe refuses and for others, in a process that knows the token and
// in one that does not.
func TestOneReportThatIsRefusedDoubtsNoToken(t *testing.T) {
	for _, fresh := range []bool{true, false} {
		a, doubts, calls := refusing(t, func(path, _ string) bool { return strings.HasSuffix(path, "/mvpd") })
		get := func(path ...string) error {
			_, err := a.Report(t.Context(), new(fair.Caller), "", cmu.Request{Path: path}, ignore)
			return err
		}
		if !fresh {
			if err := get("year", "month"); err != nil {
				t.Fatal(err)
			}
		}
		for range 20 {
			before := calls()
			var e *RefusedError
			if err := get("mvpd"); !errors.As(err, &e) || !errors.Is(err, cmu.ErrUnauthorized) || calls()-before > 2 {
				t.Fatalf("the report that is refused: %v, %d calls", err, calls()-before)
			}
			if err := get("year"); err != nil {
				t.Fatalf("another one: %v", err)
			}
		}
		if *doubts != 0 {
			t.Errorf("the token was doubted %d times", *doubts)
		}
	}
}

// Reports that are refused and let in by turns, as behind a balancer with one bad node, cost no good token its trust.
func TestReportsThatAreRefusedByTurnsDoubtNoToken(t *testing.T) {
	n := 0
	a, doubts, _ := refusing(t, func(path, _ string) bool {
		if !strings.Contains(path, "/mvpd") {
			return false
		}
		n++
		return n%2 == 0 || n%5 == 0
	})
	for _, path := range []string{"mvpd", "mvpd/platform", "mvpd/channel", "mvpd/device"} {
		for range 20 {
			var e *RefusedError
			_, err := a.Report(t.Context(), new(fair.Caller), "", cmu.Request{Path: strings.Split(path, "/")}, ignore)
			var adobe *cmu.Error
			if err != nil && !errors.As(err, &e) && !(errors.As(err, &adobe) && adobe.Status == http.StatusNotFound) {
				t.Fatal(err)
			}
		}
	}
	if *doubts != 0 {
		t.Errorf("the token was doubted %d times", *doubts)
	}
}

// TestATokenThatIsRefusedIsRenewedAtOnce revokes the token in mid-life, of a process that knows it and of one that does not.
func TestATokenThatIsRefusedIsRenewedAtOnce(t *testing.T) {
	// Three reports, of which one twice, and what was asked besides: the coarsest, and before it one that was known to work.
	for fresh, want := range map[bool]int64{true: 5, false: 6} {
		revoked := fresh
		a, doubts, calls := refusing(t, func(_, token string) bool { return revoked && token == "x" })
		if !fresh {
			for range 3 {
				if _, err := a.Report(t.Context(), new(fair.Caller), "", ask, ignore); err != nil {
					t.Fatal(err)
				}
			}
			revoked = true
		}
		before := calls()
		for _, r := range []cmu.Request{{Path: []string{"mvpd"}}, ask, {Path: []string{"year", "month"}}} {
			if _, err := a.Report(t.Context(), new(fair.Caller), "", r, ignore); err != nil {
				t.Errorf("fresh %v: %v: %v", fresh, r.Path, err)
			}
		}
		if *doubts != 1 || calls()-before != want {
			t.Errorf("fresh %v: doubted %d times, %d calls", fresh, *doubts, calls()-before)
		}
	}
}

// A report that worked and is refused from some day on costs the token no more than one renewal.
func TestAReportThatIsWithdrawn(t *testing.T) {
	withdrawn := false
	a, doubts, _ := refusing(t, func(path, _ string) bool { return withdrawn && strings.HasSuffix(path, "/mvpd") })
	get := func(path string) error {
		_, err := a.Report(t.Context(), new(fair.Caller), "", cmu.Request{Path: []string{path}}, ignore)
		return err
	}
	if err := get("mvpd"); err != nil {
		t.Fatal(err)
	}
	withdrawn = true
	for range 5 {
		if err := get("mvpd"); !errors.As(err, new(*RefusedError)) {
			t.Errorf("%v", err)
		}
	}
	if err := get("year"); err != nil || *doubts != 0 {
		t.Errorf("another: %v, doubted %d times", err, *doubts)
	}
}
