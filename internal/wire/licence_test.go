package wire

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/settings"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// counted counts the secrets that are read.
type counted struct {
	secrets.Store
	n atomic.Int64
}

func (c *counted) Read(ctx context.Context, name string) ([]byte, error) {
	c.n.Add(1)
	return c.Store.Read(ctx, name)
}

// Processes of one deployment, of which one registers and refreshes and the others answer: after a registration with another statement
// each of them answers from that licence's rows, and after one back from the old ones, with no call to Adobe and no secret read for a hit.
func TestProcessesFollowTheLicence(t *testing.T) {
	adobe := sandbox.New(sandbox.Options{Seed: 3})
	if err := adobe.Change(func(b *sandbox.Behaviour) { b.NoThrottle = true }); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(adobe)
	defer server.Close()
	s, err := settings.FromEnv([]string{"CMU_AUTH_URL=" + server.URL, "CMU_REPORTS_URL=" + server.URL + sandbox.ReportsPath})
	if err != nil {
		t.Fatal(err)
	}
	s.StatementSecret, s.CredentialsSecret, s.TokenSecret = "statement", "credentials", "token"
	files, err := secrets.NewFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	kept := &counted{Store: files}
	shared, err := store.OpenBolt(filepath.Join(t.TempDir(), "reports.db"), store.BoltOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	log := slog.New(slog.DiscardHandler)
	keeper := Keeper(s, files, shared, "", nil, log)
	use := func(tenant string) {
		t.Helper()
		statement, err := adobe.StatementOf(tenant)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := keeper.Register(t.Context(), access.RegisterOptions{Statement: []byte(statement), Force: true, Reason: "a test"}); err != nil {
			t.Fatal(err)
		}
		if _, err := keeper.Refresh(t.Context(), access.RefreshOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	process := func() *reports.Service {
		tokens := Tokens(s, kept, shared, nil, nil, log)
		return Reports(s, Adobe(s), shared, tokens, func(func(context.Context)) bool { return false }, log)
	}
	ask := cmu.Request{Path: []string{"tenant", "year"}, Start: cmu.BoundAt(cmu.CivilDate(2025, 1, 1, 0, 0)), End: cmu.BoundAt(cmu.CivilDate(2026, 1, 1, 0, 0))}
	answers := func(who string, p *reports.Service, tenant string, calls, reads int64) {
		t.Helper()
		before, read := adobe.Counts().Report, kept.n.Load()
		a, _, err := p.Get(t.Context(), ask, reports.Directives{})
		if err != nil {
			t.Fatalf("%s: %v", who, err)
		}
		if err := a.Each(func(row cmu.Row) error {
			if !strings.Contains(string(row), `"`+tenant+`"`) {
				t.Errorf("%s: %s, want %s", who, row, tenant)
			}
			return nil
		}); err != nil || a.Rows != 1 || !a.Simulated {
			t.Errorf("%s: %d rows, simulated %v, %v", who, a.Rows, a.Simulated, err)
		}
		if n, r := adobe.Counts().Report-before, kept.n.Load()-read; n != calls || r != reads {
			t.Errorf("%s: %d calls of Adobe, want %d; %d secrets read, want %d", who, n, calls, r, reads)
		}
	}
	use("ACME")
	warm := process()
	answers("the first", warm, "ACME", 1, 1)
	answers("the first again", warm, "ACME", 0, 0)
	answers("another", process(), "ACME", 0, 0)

	use("GLOBEX")
	answers("one that begins", process(), "GLOBEX", 1, 1)
	answers("another that begins", process(), "GLOBEX", 0, 0)
	if _, err := warm.Status(t.Context()); err != nil { // which reads the notes, as is done each minute
		t.Fatal(err)
	}
	answers("the first, that has read the notes", warm, "GLOBEX", 0, 0)

	use("ACME")
	if _, err := warm.Status(t.Context()); err != nil {
		t.Fatal(err)
	}
	answers("the first, back again", warm, "ACME", 0, 0)
	use("ACME") // another client of the same statement
	answers("one that begins, after a rotation", process(), "ACME", 0, 0)
}
