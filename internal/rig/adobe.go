package rig

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"
)

// Adobe is a simulated Adobe behind a server, with a client of it and a token for its reports. The server is reached by
// Client.Transport alone. All of it may stand in a bubble of testing/synctest.
type Adobe struct {
	*sandbox.Sandbox
	Client *cmu.Client
	Token  cmu.Token
	// Tells has its answers say that rows are made up. NewAdobe's do not, as Adobe's own do not.
	Tells atomic.Bool
	t     testing.TB
}

// NewAdobe returns a simulated Adobe that never throttles and whose tokens outlive every test.
func NewAdobe(t testing.TB, c *Clock) *Adobe {
	t.Helper()
	a := Serve(t, sandbox.New(sandbox.Options{Seed: 7, Now: c.Now, TokenLife: 100_000 * time.Hour}), c)
	a.Behave(func(b *sandbox.Behaviour) { b.NoThrottle = true })
	a.Client.Transport = quiet{a, a.Client.Transport}
	return a
}

// quiet is the way to a simulated Adobe that passes for Adobe.
type quiet struct {
	adobe *Adobe
	to    http.RoundTripper
}

func (q quiet) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := q.to.RoundTrip(r)
	if err == nil && !q.adobe.Tells.Load() {
		resp.Header.Del(cmu.HeaderSimulated)
	}
	return resp, err
}

// Serve serves s until the test ends, and logs in.
func Serve(t testing.TB, s *sandbox.Sandbox, c *Clock) *Adobe {
	t.Helper()
	url, to := serve(t, s)
	a := &Adobe{Sandbox: s, Client: &cmu.Client{AuthURL: url, ReportsURL: url + sandbox.ReportsPath, Transport: to, Now: c.Now}, t: t}
	a.Login()
	return a
}

// Login registers a client and gets the token.
func (a *Adobe) Login() {
	a.t.Helper()
	a.Token = a.login(a.Statement())
}

// TokenOf registers a client of another licence, that of a tenant, and gets its token.
func (a *Adobe) TokenOf(tenant string) cmu.Token {
	a.t.Helper()
	statement, err := a.StatementOf(tenant)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.login(statement)
}

func (a *Adobe) login(text string) cmu.Token {
	a.t.Helper()
	statement, err := cmu.ParseStatement([]byte(text))
	if err != nil {
		a.t.Fatal(err)
	}
	credentials, err := a.Client.Register(a.t.Context(), statement)
	if err != nil {
		a.t.Fatal(err)
	}
	token, err := a.Client.Token(a.t.Context(), credentials)
	if err != nil {
		a.t.Fatal(err)
	}
	return token
}

// Behave changes the behaviour.
func (a *Adobe) Behave(change func(*sandbox.Behaviour)) {
	a.t.Helper()
	if err := a.Change(change); err != nil {
		a.t.Fatal(err)
	}
}

// Calls returns how many reports were asked for since the start or the last ResetCounts.
func (a *Adobe) Calls() int64 { return a.Counts().Report }
