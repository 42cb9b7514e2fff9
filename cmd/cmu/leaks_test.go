package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/rig"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/secrets"
)

// A server that echoes whatever it is asked, at any call and in any form, has no secret shown or kept: not by commands, not by cmu serve
// in its log, answers and status, not in the cache.
func TestServersThatEchoAreNotBelieved(t *testing.T) {
	faults := []sandbox.Fault{
		{Kind: "echo", Status: 400}, {Kind: "echo", Status: 502, Body: "<html>"}, {Kind: "echo", Status: 200}, {Kind: "echo", Status: 403},
		{Kind: "echo", Status: 200, Body: `{"report":[{"year":"`}, {Kind: "echo", Status: 307, Headers: map[string]string{"Location": "http://127.0.0.1:1/"}},
	}
	for i, fault := range faults {
		for _, on := range []string{"register", "token", "report"} {
			t.Run(fmt.Sprint(i, " on ", on), func(t *testing.T) {
				t.Parallel()
				echoed(t, fault, on)
			})
		}
	}
}

func echoed(t *testing.T, fault sandbox.Fault, on string) {
	adobe := sandbox.New(sandbox.Options{})
	if err := adobe.Change(func(b *sandbox.Behaviour) { b.NoThrottle = true }); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(adobe)
	defer server.Close()
	statement := filepath.Join(t.TempDir(), "statement.txt")
	if err := os.WriteFile(statement, []byte(adobe.Statement()), 0o600); err != nil {
		t.Fatal(err)
	}
	environ := []string{"CMU_AUTH_URL=" + server.URL, "CMU_REPORTS_URL=" + server.URL + sandbox.ReportsPath, "CMU_ADOBE_TIMEOUT=2s"}
	cmu := func(ctx context.Context, told io.Writer, args ...string) {
		run(ctx, &terminal{stdout: told, stderr: told, environ: environ}, args)
	}
	data, told := t.TempDir(), &rig.Transcript{}
	if err := adobe.Change(func(b *sandbox.Behaviour) { b.Faults = nil }); err != nil {
		t.Fatal(err)
	}
	if on != "register" {
		cmu(t.Context(), told, "register", "--statement", statement, "--data", data)
	}
	if on == "report" {
		cmu(t.Context(), told, "refresh", "--data", data)
	}
	fault.On = on
	if err := adobe.Change(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{fault} }); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	if on == "register" {
		cmu(ctx, told, "register", "--statement", statement, "--data", data, "--verbose")
	}
	served := make(chan struct{})
	serving, end := context.WithCancel(t.Context())
	go func() {
		defer close(served)
		cmu(serving, told, "serve", "--listen", "127.0.0.1:0", "--data", data, "--verbose", "--statement", statement)
	}()
	folder := placeIn(t, data)
	for base := ""; base == "" && ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if base = gatewayIn(folder); base == "" {
			continue
		}
		for _, target := range []string{"/cmu/v2/year", "/cmu/v2/year.csv", "/cmu/v2/year/month.xml?Access_Token=" + adobe.Statement(), "/cmu/v2/year/month/day.html", "/status"} {
			if res, err := http.Get(base + target); err == nil {
				fmt.Fprintln(told, res.Header)
				io.Copy(told, res.Body)
				res.Body.Close()
			}
		}
	}
	for _, args := range [][]string{{"report", "year"}, {"report", "year/month", "--format", "csv"}, {"refresh"}, {"status"}, {"status", "--json"}} {
		cmu(ctx, told, append(args, "--data", data)...)
	}
	cancel()
	end()
	<-served
	hidden := []string{adobe.Statement()}
	kept, err := secrets.NewFiles(filepath.Join(folder, "secrets"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{credentialsName, tokenName} {
		if text, err := kept.Read(t.Context(), name); err == nil {
			var document map[string]any
			if err := json.Unmarshal(text, &document); err != nil {
				t.Fatal(err)
			}
			for _, member := range []string{"client_secret", "access_token"} {
				if secret, ok := document[member].(string); ok {
					hidden = append(hidden, secret)
				}
			}
		}
	}
	if err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() && filepath.Dir(path) != filepath.Join(folder, "secrets") {
			text, _ := os.ReadFile(path)
			fmt.Fprintf(told, "%s", text)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	all := told.String()
	for _, secret := range hidden {
		own := secret[strings.IndexByte(secret, '.')+1:] // the first part of a JWT is the same in many
		for at := 0; at+16 <= len(own); at++ {
			if i := strings.Index(all, own[at:at+16]); i >= 0 {
				t.Errorf("%.40q… is shown: %s", secret, all[max(i-200, 0):min(i+100, len(all))])
				break
			}
		}
	}
	if on != "register" && len(hidden) < 2 || !strings.Contains(all, "cmu: ") {
		t.Errorf("this test sees nothing: %d secrets\n%s", len(hidden), all)
	}
}

// placeIn is the folder of the only Adobe in a data folder, once it is there.
func placeIn(t *testing.T, data string) string {
	t.Helper()
	for range 300 {
		if entries, err := os.ReadDir(data); err == nil && len(entries) == 1 {
			return filepath.Join(data, entries[0].Name())
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no folder was made")
	return ""
}

// gatewayIn is the address of the cmu serve that has a folder; empty: none has it yet.
func gatewayIn(path string) string {
	text, err := os.ReadFile(filepath.Join(path, "serve.json"))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(text), `"gateway":"`)
	base, _, _ := strings.Cut(rest, `"`)
	return base
}
