package sandbox_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"cmu-gateway/internal/sandbox"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// A client of the shelf gets a token and a report.
func TestOAuth2Client(t *testing.T) {
	r := newRig(t)
	id, secret := r.register()
	config := clientcredentials.Config{
		ClientID: id, ClientSecret: secret, TokenURL: r.Client.AuthURL + "/o/client/token", AuthStyle: oauth2.AuthStyleInParams,
	}
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, r.client())
	source := config.TokenSource(ctx)
	token, err := source.Token()
	if err != nil || token.RefreshToken != "" || !token.Valid() {
		t.Fatalf("%v, valid %t", err, token.Valid())
	}
	w, err := oauth2.NewClient(ctx, source).Get(r.Client.ReportsURL + "/year/month/day")
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Body.Close()
	if w.StatusCode != http.StatusOK {
		t.Errorf("status %d", w.StatusCode)
	}
	config.AuthStyle = oauth2.AuthStyleInHeader
	if _, err := config.Token(ctx); err == nil {
		t.Error("HTTP Basic is taken")
	}
}

// Everything may happen at once.
func TestConcurrentUse(t *testing.T) {
	r := newRig(t)
	r.Behave(func(b *sandbox.Behaviour) {
		b.NoThrottle, b.Faults = true, []sandbox.Fault{{On: "report", Kind: "status", Status: 503, Count: 20}}
	})
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for range 10 {
				r.get("/year/month/day/mvpd?start=2026-07-20")
				r.post("/o/client/register", "application/json", r.statementBody())
				_ = r.Change(func(b *sandbox.Behaviour) { b.JSONNumbers = !b.JSONNumbers })
			}
		})
	}
	wait.Wait()
	if c := r.Counts(); c.Report != 40 || c.Served != 20 || c.Faults != 20 || c.Registered != 41 {
		t.Errorf("counts: %+v", c)
	}
}
