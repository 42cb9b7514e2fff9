package invoke

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/rig"
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
	var reasons []string
	keeper, _ := newKeeper(t, server.URL, slog.New(slog.DiscardHandler), func(_ context.Context, reason string) error {
		reasons = append(reasons, reason)
		return nil
	})
	handle := Refresh(keeper)
	scheduled, err := os.ReadFile("../../events/refresh.json")
	if err != nil {
		t.Fatal(err)
	}

	// Without credentials it has them registered.
	if result, err := handle(t.Context(), scheduled); err != nil || result.Outcome != access.Asked || len(reasons) != 1 {
		t.Fatalf("got %+v, %v, asked %q; want one request", result, err, reasons)
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

// tokenless is a secrets.Store in which no token can be written.
type tokenless struct {
	secrets.Store
	token string
	err   error
}

func (s *tokenless) Write(ctx context.Context, name, id string, value []byte) error {
	if s.err != nil && name == s.token {
		return s.err
	}
	return s.Store.Write(ctx, name, id, value)
}

// While the token cannot be stored the run fails, so that Lambda repeats it and the alarm counts it; the next one stores the token that
// Adobe gave, and the query function tells meanwhile what is the matter.
func TestRefreshWhoseTokenCannotBeStored(t *testing.T) {
	adobe := sandbox.New(sandbox.Options{})
	server := httptest.NewServer(adobe)
	defer server.Close()
	s, err := settings.FromEnv([]string{"CMU_AUTH_URL=" + server.URL, "CMU_REPORTS_URL=" + server.URL + sandbox.ReportsPath})
	if err != nil {
		t.Fatal(err)
	}
	files, err := secrets.NewFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	shared, err := store.OpenBolt(filepath.Join(t.TempDir(), "notes.db"), store.BoltOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	kept := &tokenless{files, s.TokenSecret, nil}
	log := slog.New(slog.DiscardHandler)
	keeper := wire.Keeper(s, kept, shared, "", nil, log)
	if _, err := keeper.Register(t.Context(), access.RegisterOptions{Statement: []byte(adobe.Statement())}); err != nil {
		t.Fatal(err)
	}
	handle := Refresh(keeper)
	query := wire.Tokens(s, kept, shared, nil, nil, log)
	kept.err = syscall.EROFS
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := handle(ctx, json.RawMessage(`{}`))
		cancel()
		if !errors.Is(err, syscall.EROFS) {
			t.Errorf("the run gives %v", err)
		}
		if status, err := query.Status(t.Context()); err != nil || len(status.Problems) != 1 || !strings.Contains(status.Problems[0], "the disk can only be read") {
			t.Errorf("the query function tells %+v, %v", status, err)
		}
	}
	kept.err = nil
	if result, err := handle(t.Context(), json.RawMessage(`{}`)); err != nil || result.Outcome != access.Renewed {
		t.Errorf("%+v, %v", result, err)
	}
	if n := adobe.Counts().Issued; n != 1 {
		t.Errorf("%d tokens", n)
	}
	if status, err := query.Status(t.Context()); err != nil || len(status.Problems) != 0 {
		t.Errorf("the query function tells %+v, %v", status, err)
	}
	if name, known := wire.Tokens(s, kept, shared, nil, nil, log).Licence(t.Context()); !known || name == "" {
		t.Errorf("licence %q, known %v", name, known)
	}
}

// Until the operator has put the statement, the ticks of the schedule end well and tell of no token. Then access comes by itself.
func TestFirstDeployment(t *testing.T) {
	adobe := sandbox.New(sandbox.Options{})
	server := httptest.NewServer(adobe)
	defer server.Close()
	log := rig.NewLog(t)
	asked := 0
	var register func(context.Context, json.RawMessage) (*access.RegisterResult, error)
	keeper, kept := newKeeper(t, server.URL, log.Logger, func(ctx context.Context, reason string) error {
		asked++
		_, err := register(ctx, json.RawMessage(`{"reason":"`+reason+`"}`))
		return err
	})
	refresh := Refresh(keeper)
	register = Register(keeper, func(context.Context, string) error { return nil }, log.Logger)
	for range 12 {
		if result, err := refresh(t.Context(), json.RawMessage(`{}`)); err != nil || result.Outcome != access.Asked && result.Outcome != access.Waiting {
			t.Fatalf("%+v, %v", result, err)
		}
	}
	if asked != 1 || strings.Contains(log.String(), "token_remaining") || !strings.Contains(log.String(), "event=not_set_up") {
		t.Errorf("asked %d times, logged\n%s", asked, log)
	}
	if err := kept.Write(t.Context(), "statement", "", []byte(adobe.Statement())); err != nil {
		t.Fatal(err)
	}
	if result, err := register(t.Context(), json.RawMessage(`{}`)); err != nil || result.Outcome != access.Registered {
		t.Fatalf("%+v, %v", result, err)
	}
	if result, err := refresh(t.Context(), json.RawMessage(`{}`)); err != nil || result.Outcome != access.Renewed {
		t.Fatalf("%+v, %v", result, err)
	}
	if !strings.Contains(log.String(), "token_remaining_percent=100") && !strings.Contains(log.String(), "token_remaining_percent=99") {
		t.Errorf("the life of the token is not logged:\n%s", log)
	}
	// Once there was access, the lack of it is a failure.
	log.Expect("event=refresh_failed")
	if _, err := refresh(t.Context(), json.RawMessage(`{"refused":"x"}`)); err != nil {
		t.Fatal(err)
	}
	if err := kept.Write(t.Context(), "cmu-gateway/credentials", "", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	if _, err := refresh(t.Context(), json.RawMessage(`{}`)); err == nil {
		t.Error("unreadable credentials are no failure")
	}
}
