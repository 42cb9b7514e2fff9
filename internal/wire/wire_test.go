package wire

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/settings"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/upstream"
)

// TestReports makes sure that no option is forgotten, and that it tells callers when to come back.
func TestReports(t *testing.T) {
	s, err := settings.FromEnv([]string{"CMU_REPORT_ZONE=UTC", "CMU_SETTLE_MARGIN=1h", "CMU_KEEP=true"})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := secrets.NewFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := store.OpenBolt(filepath.Join(t.TempDir(), "reports.db"), store.BoltOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer blocks.Close()
	r := reportsOptions(s, Adobe(s), blocks, Tokens(s, kept, blocks, nil, nil, nil), nil, nil)
	policy := reflect.ValueOf(r.Policy)
	for i := range policy.NumField() {
		if policy.Field(i).IsZero() {
			t.Errorf("Policy.%s is not set", policy.Type().Field(i).Name)
		}
	}
	if r.RowLimit != 10_000 || r.Parallel != 4 || r.Memory != 64<<20 {
		t.Errorf("row limit %d, parallel %d, memory %d", r.RowLimit, r.Parallel, r.Memory)
	}
	_, tokenErr := r.Token(t.Context())
	_, refusedErr := r.Refused(t.Context(), "refused")
	for _, err := range []error{tokenErr, refusedErr} {
		var pause *upstream.PauseError
		if !errors.As(err, &pause) || pause.RetryAfter < time.Second || !errors.Is(err, access.ErrNoAccess) {
			t.Errorf("got %v, want a time to come back", err)
		}
	}
}

// TestKeeper makes sure that no option of the keeper is forgotten, and that it calls the Adobe that is set, as it is set.
func TestKeeper(t *testing.T) {
	s, err := settings.FromEnv([]string{"CMU_ENVIRONMENT=staging", "CMU_REDIRECT_URI=https://example.org/", "CMU_DEVICE_INFO=e30="})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := secrets.NewFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	shared, err := store.OpenBolt(filepath.Join(t.TempDir(), "reports.db"), store.BoltOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	k := keeperOptions(s, kept, shared, "holder", func(context.Context, string) error { return nil }, slog.New(slog.DiscardHandler))
	options := reflect.ValueOf(k)
	for i := range options.NumField() {
		if name := options.Type().Field(i).Name; options.Field(i).IsZero() && name != "Now" {
			t.Errorf("KeeperOptions.%s is not set", name)
		}
	}
	c := k.Client
	if c.AuthURL != s.AuthURL || c.ReportsURL != s.ReportsURL || c.RedirectURI != s.RedirectURI || c.DeviceInfo != s.DeviceInfo ||
		c.Timeout != time.Minute {
		t.Errorf("client %+v", c)
	}
	if k.StatementName != "cmu-gateway/statement" || k.CredentialsName != "cmu-gateway/credentials" || k.TokenName != "cmu-gateway/token" ||
		k.RegisterInterval != 24*time.Hour {
		t.Errorf("names %s, %s, %s, interval %v", k.StatementName, k.CredentialsName, k.TokenName, k.RegisterInterval)
	}
}
