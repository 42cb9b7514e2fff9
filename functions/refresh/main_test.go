package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/settings"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/wire"
)

func TestRefresh(t *testing.T) {
	adobe := sandbox.New(sandbox.Options{})
	server := httptest.NewServer(adobe)
	defer server.Close()
	s, err := settings.FromEnv([]string{"CMU_AUTH_URL=" + server.URL, "CMU_REPORTS_URL=" + server.URL + sandbox.ReportsPath})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := secrets.NewFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	leases, err := store.OpenBolt(filepath.Join(t.TempDir(), "leases.db"), store.BoltOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer leases.Close()
	keeper := wire.Keeper(s, kept, leases, slog.New(slog.DiscardHandler))
	var reasons []string
	keeper.AskRegister = func(_ context.Context, reason string) error {
		reasons = append(reasons, reason)
		return nil
	}
	handle := handler(keeper)
	scheduled, err := os.ReadFile("../../events/refresh.json")
	if err != nil {
		t.Fatal(err)
	}

	// Without credentials it fails, so that Lambda repeats it, and has them registered.
	if result, err := handle(t.Context(), scheduled); err == nil || len(reasons) != 1 {
		t.Fatalf("got %+v, %v, asked %q; want a failure and one request", result, err, reasons)
	}
	if _, err := keeper.Register(t.Context(), access.RegisterOptions{Statement: []byte(adobe.Statement())}); err != nil {
		t.Fatal(err)
	}

	fingerprint := ""
	for _, step := range []struct {
		name    string
		event   string // FINGERPRINT stands for that of the stored token
		outcome string
		tokens  int64
	}{
		{"by the scheduler", string(scheduled), access.Renewed, 1},
		{"again", string(scheduled), access.Kept, 1},
		{"another token was refused", `{"refused":"000000000000"}`, access.Kept, 1},
		{"the token was refused", `{"refused":"FINGERPRINT"}`, access.Renewed, 2},
		{"something else", `"tick"`, access.Kept, 2},
		{"nothing", ``, access.Kept, 2},
		{"a number for a fingerprint", `{"refused":5}`, access.Kept, 2},
	} {
		event := step.event
		if step.event == `{"refused":"FINGERPRINT"}` {
			event = `{"refused":"` + fingerprint + `"}`
		}
		result, err := handle(t.Context(), json.RawMessage(event))
		if err != nil || result.Outcome != step.outcome || adobe.Counts().Issued != step.tokens {
			t.Fatalf("%s: %+v, %v, %d tokens; want %s, %d", step.name, result, err, adobe.Counts().Issued, step.outcome, step.tokens)
		}
		fingerprint = result.Fingerprint
	}
	if len(reasons) != 1 {
		t.Errorf("registration was asked for with %q", reasons)
	}
}
