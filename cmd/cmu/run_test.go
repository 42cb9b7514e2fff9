package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/settings"
	"cmu-gateway/pkg/cmu"
)

// on runs a command line on a screen, or not, and returns what it printed.
func on(t *testing.T, ctx context.Context, interactive bool, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err strings.Builder
	code = run(ctx, &terminal{stdout: &out, stderr: &err, interactive: interactive}, args)
	return code, out.String(), err.String()
}

func TestScreen(t *testing.T) {
	args := []string{"report", "tenant/year/month", "--start", "2026-01", "--end", "2026-02", "--metrics", "active-users",
		"--sandbox", "--data", t.TempDir()}
	code, out, warned := on(t, t.Context(), true, args...)
	if code != exitOK || !strings.HasPrefix(out, "tenant  year  month  active-users\nACME    2026  1 ") {
		t.Errorf("on a screen: code %d, %s%s", code, out, warned)
	}
	code, out, warned = on(t, t.Context(), false, args...)
	if code != exitOK || !strings.HasPrefix(out, `{"_links":`) || strings.HasSuffix(out, "\n") {
		t.Errorf("into a pipe: code %d, %s%s", code, out, warned)
	}
	code, out, warned = on(t, t.Context(), true, append(args, "--format", "json")...)
	if code != exitOK || !strings.HasPrefix(out, `{"_links":`) || !strings.HasSuffix(out, "}\n") {
		t.Errorf("as JSON on a screen: code %d, %s%s", code, out, warned)
	}
}

func TestReasonIsTooLong(t *testing.T) {
	code, out, warned := on(t, t.Context(), false, "register", "--force", "--reason", strings.Repeat("x", 301), "--data", t.TempDir())
	if code != exitUsage || out != "" || warned != "cmu: register: the --reason has 301 bytes; 300 are allowed\n" {
		t.Errorf("code %d, %s, %s", code, out, warned)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	code, out, warned := on(t, ctx, false, "report", "tenant/year", "--sandbox", "--data", t.TempDir())
	if code != exitFailure || out != "" || warned != "cmu: interrupted\n" {
		t.Errorf("code %d, %s, %s", code, out, warned)
	}
}

// What is said while nothing happens is true: Adobe does not answer, or another process has to be waited for.
func TestPatience(t *testing.T) {
	for _, waits := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var said strings.Builder
			l := &local{folder: folder{settings: settings.Settings{AuthURL: "https://adobe.example"}}}
			told, stop := l.patience((&terminal{stderr: &said}).waits)
			want := "cmu: still trying to reach https://adobe.example; Ctrl-C gives up\n"
			if waits {
				told("another process is registering")
				want = "cmu: another process is registering; Ctrl-C gives up\n"
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			stop()
			if said.String() != want {
				t.Errorf("said %q, want %q", said.String(), want)
			}
		})
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{"127.0.0.1": true, "::1": true, "0.0.0.0": false, "::": false, "192.0.2.1": false} {
		if got := loopback(&net.TCPAddr{IP: net.ParseIP(address)}); got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	report := `{"report":[{"tenant":"ÄCME","month":"1","users":"7"},{"tenant":"\u001b[2Jx","month":"12","users":"1234","late":null}]}`
	var out strings.Builder
	each := func(do func(cmu.Row) error) error {
		_, err := cmu.ReadReport(strings.NewReader(report), do)
		return err
	}
	if err := writeTable(&out, []string{"tenant", "month"}, each); err != nil {
		t.Fatal(err)
	}
	want := "tenant  month  users  late\nÄCME    1          7\n\ufffd[2Jx   12      1234\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

var discard = slog.New(slog.DiscardHandler)

// Whether the disk has room is found out by a write: once a minute where it had, each time where it had none.
func TestSpareIsTriedOnceAMinute(t *testing.T) {
	l := &local{folder: folder{path: t.TempDir()}}
	dir := filepath.Join(l.path, "secrets")
	if l.spare() == nil {
		t.Fatal("there is room in a folder that does not exist")
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := l.spare(); err != nil {
		t.Fatalf("it is not found out again: %v", err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := l.spare(); err != nil {
		t.Errorf("it was found out a moment ago: %v", err)
	}
	l.hadRoom = l.hadRoom.Add(-spareEvery)
	if l.spare() == nil {
		t.Error("it is not found out any more")
	}
}
