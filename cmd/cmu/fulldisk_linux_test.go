package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/disk/disktest"
	"cmu-gateway/internal/rig"
	"cmu-gateway/internal/sandbox"
)

// On a disk that others have filled, a cmu serve starts again with what it has, statement and all, answers from memory, and says so; once
// there is room it keeps rows again.
func TestStartOnAFullDisk(t *testing.T) {
	data := disktest.Small(t, 2048)
	adobe := sandbox.New(sandbox.Options{})
	server := httptest.NewServer(adobe)
	defer server.Close()
	statement := filepath.Join(t.TempDir(), "statement.txt")
	if err := os.WriteFile(statement, []byte(adobe.Statement()), 0o600); err != nil {
		t.Fatal(err)
	}
	told := &rig.Transcript{}
	cmu := func(ctx context.Context, args ...string) int {
		return run(ctx, &terminal{stdout: told, stderr: told, environ: []string{
			"CMU_AUTH_URL=" + server.URL, "CMU_REPORTS_URL=" + server.URL + sandbox.ReportsPath}}, append(args, "--data", data))
	}
	if cmu(t.Context(), "register", "--statement", statement) != exitOK || cmu(t.Context(), "refresh") != exitOK {
		t.Fatal(told)
	}
	folder := placeIn(t, data)
	disktest.Fill(t, data, 0)
	ctx, end := context.WithCancel(t.Context())
	served := make(chan int)
	go func() { served <- cmu(ctx, "serve", "--statement", statement, "--listen", "127.0.0.1:0") }()
	base := ""
	for range 500 {
		if base = gatewayIn(folder); base != "" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	get := func(target string) string {
		t.Helper()
		res, err := http.Get(base + target)
		if err != nil {
			t.Fatal(err, told)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s %s %v", target, res.Status, text, err)
		}
		return string(text)
	}
	get("/cmu/v2/tenant/year/month/day?start=2026-01&end=2026-03")
	if doc := get("/status"); !strings.Contains(doc, "Nothing more can be kept in the data folder: the disk is full.") ||
		!strings.Contains(doc, "are kept in memory alone, as the disk is full.") {
		t.Error(doc)
	}
	if code := cmu(t.Context(), "status"); code != exitFailure || !strings.Contains(told.String(), "Problem") {
		t.Errorf("code %d: %s", code, told)
	}
	if !strings.Contains(told.String(), "blocks could not be stored") || !strings.Contains(told.String(), "no space left on device") {
		t.Errorf("the log does not name the full disk: %s", told)
	}
	disktest.Empty(t, data)
	get("/cmu/v2/tenant/year/month/day?start=2025-01&end=2025-03")
	if doc := get("/status"); !strings.Contains(doc, `"problems": []`) {
		t.Error(doc)
	}
	end()
	if code := <-served; code != exitOK {
		t.Errorf("code %d: %s", code, told)
	}
	if calls := adobe.Counts(); calls.Register != 1 {
		t.Errorf("%d registrations", calls.Register)
	}
}
