package rig

import (
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
	t      testing.TB
}

// NewAdobe returns a simulated Adobe that never throttles and whose tokens outlive every test.
func NewAdobe(t testing.TB, c *Clock) *Adobe {
	t.Helper()
	a := Serve(t, sandbox.New(sandbox.Options{Seed: 7, Now: c.Now, TokenLife: 100_000 * time.Hour}), c)
	a.Behave(func(b *sandbox.Behaviour) { b.NoThrottle = true })
	return a
}

// Serve serves s until the test ends, and logs in.
func Serve(t testing.TB, s *sandbox.Sandbox, c *Clock) *Adobe {
	t.Helper()
	url, to := serve(t, s)
	a := &Adobe{Sandbox: s, Client: &cmu.Client{AuthURL: url, ReportsURL: url + sandbox.ReportsPath, AllowHTTP: true, Transport: to, Now: c.Now}, t: t}
	a.Login()
	return a
}

// Login registers a client and gets the token.
func (a *Adobe) Login() {
	a.t.Helper()
	statement, err := cmu.ParseStatement([]byte(a.Statement()))
	if err != nil {
		a.t.Fatal(err)
	}
	credentials, err := a.Client.Register(a.t.Context(), statement)
	if err != nil {
		a.t.Fatal(err)
	}
	if a.Token, err = a.Client.Token(a.t.Context(), credentials); err != nil {
		a.t.Fatal(err)
	}
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
