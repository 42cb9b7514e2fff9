package invoke

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/settings"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/wire"
)

func TestRegister(t *testing.T) {
	adobe := sandbox.New(sandbox.Options{})
	server := httptest.NewServer(adobe)
	defer server.Close()
	var log strings.Builder
	lines := slog.New(slog.NewTextHandler(&log, nil))
	asked := 0
	var askErr error
	keeper, kept := newKeeper(t, server.URL, lines, nil)
	handle := Register(keeper, func(_ context.Context, refused string) error {
		if refused != "" {
			t.Errorf("refresh was asked with %s", refused)
		}
		asked++
		return askErr
	}, lines)
	given, err := json.Marshal(adobe.Statement())
	if err != nil {
		t.Fatal(err)
	}
	statement := string(given)
	for _, step := range []struct {
		name, event, outcome, wrong string // wrong: in the message where nothing was done, or in the error
		fails                       bool
		put                         bool // the statement is put into its secret before
		askErr                      error
		clients, asked              int64
	}{
		{name: "no statement", event: `{}`, outcome: access.Waiting, wrong: "there is no software statement yet"},
		{name: "force without one", event: `{"force":true,"reason":"a test"}`, fails: true, wrong: "there is no software statement"},
		{name: "dry run without one", event: `{"dry_run":true}`, fails: true, wrong: "there is no software statement"},
		{name: "a misspelled dry run", event: `{"dryrun":true}`, outcome: Refused, wrong: `"dry_run"`},
		{name: "no object", event: statement, outcome: Refused, wrong: "JSON object"},
		{name: "two objects", event: `{} {}`, outcome: Refused, wrong: "JSON object"},
		{name: "not even JSON", event: `{"statement":` + statement, outcome: Refused, wrong: "JSON object"},
		{name: "with the statement", event: `{"statement":` + statement + `}`, outcome: Refused, wrong: "put it into its secret"},
		{name: "with it, in another case", event: `{"Statement":` + statement + `,"dry_run":true}`, outcome: Refused, wrong: "put it into its secret"},
		{name: "dry run", put: true, event: `{"dry_run":true}`, outcome: access.Checked},
		{name: "register", event: `{}`, outcome: access.Registered, clients: 1, asked: 1},
		{name: "again, by an empty event", event: `null`, outcome: access.Kept, clients: 1, asked: 1},
		{name: "force without reason", event: `{"force":true}`, fails: true, wrong: "needs a reason", clients: 1, asked: 1},
		{name: "force", event: `{"force":true,"reason":"a test"}`, outcome: access.Registered, clients: 2, asked: 2,
			askErr: errors.New("no function")},
	} {
		askErr = step.askErr
		if step.put {
			if err := kept.Write(t.Context(), "statement", "", []byte(adobe.Statement())); err != nil {
				t.Fatal(err)
			}
		}
		result, err := handle(t.Context(), json.RawMessage(step.event))
		said := errorText(err)
		if err == nil {
			said = result.Message
		}
		if (err != nil) != step.fails || !strings.Contains(said, step.wrong) {
			t.Fatalf("%s: %+v, error %v, want %q", step.name, result, err, step.wrong)
		}
		if err == nil && (result.Outcome != step.outcome || (len(result.Warnings) > 0) != (step.askErr != nil)) {
			t.Errorf("%s: %+v, want %s", step.name, result, step.outcome)
		}
		if failed := strings.Contains(log.String(), "level=ERROR"); failed != (step.fails || step.outcome == Refused || step.askErr != nil) {
			t.Errorf("%s: logged %s", step.name, log.String())
		}
		if n := adobe.Counts().Registered; n != step.clients || int64(asked) != step.asked {
			t.Errorf("%s: %d clients, %d times asked, want %d, %d", step.name, n, asked, step.clients, step.asked)
		}
		text, _ := json.Marshal(result)
		for _, shown := range []string{log.String(), string(text), errorText(err)} {
			if strings.Contains(shown, "eyJ") {
				t.Fatalf("%s: the statement is shown: %s", step.name, shown)
			}
		}
		log.Reset()
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// newKeeper returns a keeper and its secrets, in which the statement's is called statement.
func newKeeper(t *testing.T, adobe string, log *slog.Logger, askRegister func(context.Context, string) error) (*access.Keeper, secrets.Store) {
	t.Helper()
	s, err := settings.FromEnv([]string{"CMU_AUTH_URL=" + adobe, "CMU_REPORTS_URL=" + adobe + sandbox.ReportsPath, "CMU_STATEMENT_SECRET=statement"})
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
	t.Cleanup(func() { leases.Close() })
	return wire.Keeper(s, kept, leases, "", askRegister, log), kept
}
