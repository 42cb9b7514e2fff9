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
	handle := Register(newKeeper(t, server.URL, lines, nil), func(_ context.Context, refused string) error {
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
		name, event, outcome, wrong string
		askErr                      error
		clients, asked              int64
	}{
		{name: "no statement", event: `{}`, wrong: "there is no software statement"},
		{name: "a misspelled dry run", event: `{"dryrun":true,"statement":` + statement + `}`, wrong: `"dry_run"`},
		{name: "no object", event: statement, wrong: "JSON object"},
		{name: "two objects", event: `{} {}`, wrong: "JSON object"},
		{name: "not even JSON", event: `{"statement":` + statement, wrong: "JSON object"},
		{name: "dry run", event: `{"dry_run":true,"statement":` + statement + `}`, outcome: access.Checked},
		{name: "by event", event: `{"statement":` + statement + `}`, outcome: access.Registered, clients: 1, asked: 1},
		{name: "again, by an empty event", event: `null`, outcome: access.Kept, clients: 1, asked: 1},
		{name: "force without reason", event: `{"force":true}`, wrong: "needs a reason", clients: 1, asked: 1},
		{name: "force", event: `{"force":true,"reason":"a test","statement":` + statement + `}`, outcome: access.Registered, clients: 2, asked: 2,
			askErr: errors.New("no function")},
	} {
		askErr = step.askErr
		result, err := handle(t.Context(), json.RawMessage(step.event))
		if (err != nil) != (step.wrong != "") || err != nil && !strings.Contains(err.Error(), step.wrong) {
			t.Fatalf("%s: error %v, want %q", step.name, err, step.wrong)
		}
		if err == nil && (result.Outcome != step.outcome || (len(result.Warnings) > 0) != (step.askErr != nil)) {
			t.Errorf("%s: %+v, want %s", step.name, result, step.outcome)
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
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func newKeeper(t *testing.T, adobe string, log *slog.Logger, askRegister func(context.Context, string) error) *access.Keeper {
	t.Helper()
	s, err := settings.FromEnv([]string{"CMU_AUTH_URL=" + adobe, "CMU_REPORTS_URL=" + adobe + sandbox.ReportsPath})
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
	return wire.Keeper(s, kept, leases, "", askRegister, log)
}
