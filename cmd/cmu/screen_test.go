package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"cmu-gateway/pkg/cmu"
)

// hostileText has what steers terminals and readers; cleanText is what becomes of it.
const (
	hostileText = "a\x1b]0;x\a\u009b2J\u202eb\u2066c\u200f\u2028d\ufeff\U000e0041\u200de"
	cleanText   = "a\ufffd]0;x\ufffd\ufffd2J\ufffdb\ufffdc\ufffd\ufffdd\ufffd\ufffd\u200de"
)

func TestNothingSteersTheTerminal(t *testing.T) {
	var out, told strings.Builder
	terminal := &terminal{stdout: &out, stderr: &told}
	terminal.sayf("%s\n", hostileText)
	terminal.errorf("%s", hostileText)
	if out.String() != cleanText+"\n" || told.String() != "cmu: "+cleanText+"\n" {
		t.Errorf("%q %q", out.String(), told.String())
	}
	out.Reset()
	row := cmu.Row(`{"year":"1","` + strings.ReplaceAll(hostileText, "\x1b]0;x\a", `\u001b]0;x\u0007`) + `":"2"}`)
	if err := writeTable(&out, []string{"year", "\x1b[31mred"}, func(do func(cmu.Row) error) error { return do(row) }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), cleanText) || !strings.Contains(out.String(), "\ufffd[31mred") || strings.ContainsFunc(out.String(), func(r rune) bool { return steers(r) && r != '\n' }) {
		t.Errorf("%q", out.String())
	}
	// Whatever the steps in which it is written.
	out.Reset()
	const lines = "é,\u202e\r\n\x1b[2J\t東\r\rx\n"
	w := &screenWriter{w: &out}
	for i := range len(lines) {
		if _, err := w.Write([]byte(lines[i : i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if want := "é,\ufffd\ufffd\n\ufffd[2J\t東\ufffd\ufffdx\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
	if _, err := (&screenWriter{w: iotest.TruncateWriter(&out, 0)}).Write([]byte("x")); err != nil {
		t.Error(err)
	}
}

// A statement that stands in the place of its file's name is not shown.
func TestAStatementForItsFile(t *testing.T) {
	statement := "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0." + strings.Repeat("c2lnbmF0dXJl", 30)
	for _, args := range [][]string{
		{"register", "--statement", statement}, {"serve", "--statement", statement}, {"register", "--statement=" + statement + "\n"}, {"register", "--statement", statement[:60]},
		{"register", "--statement", `{"software_statement":"` + statement[:50] + `"}`}, {"register", statement}, {"register", "--" + statement}, {statement},
		{"register", "--statement", strings.Repeat("c2lnbmF0dXJl", 30)}, {"report", "--data", statement}, {"report", statement}, {"help", statement},
	} {
		code, out, told := on(t, context.Background(), false, append(args, "--data", t.TempDir())...)
		if code == exitOK || strings.Contains(out+told, statement[10:30]) || strings.Contains(out+told, "c2lnbmF0dXJlc2ln") {
			t.Errorf("%.60q: code %d\n%s%s", args, code, out, told)
		}
	}
	for _, name := range []string{"statement.txt", "Android_1700667057906.txt", "a/b.c/d", filepath.Join(t.TempDir(), "x")} {
		if looksLikeStatement(name) {
			t.Errorf("%s looks like a statement", name)
		}
	}
}

// A data folder in which others have a hand is not used, and links in it are not followed.
func TestOthersInTheDataFolder(t *testing.T) {
	for mode, want := range map[os.FileMode]string{0o777: "chmod o-w", 0o757: "chmod o-w"} {
		dir := filepath.Join(t.TempDir(), "data")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"status"}, {"refresh", "--sandbox"}, {"report", "tenant/year", "--sandbox"}, {"serve", "--listen", "127.0.0.1:0"}, {"purge", "year", "--sandbox"}} {
			code, _, told := on(t, context.Background(), false, append(args, "--data", dir)...)
			if code != exitFailure || !strings.Contains(told, want+" "+dir) {
				t.Errorf("%v %q: code %d, %s", mode, args, code, told)
			}
		}
	}
	dir := t.TempDir()
	if code, _, told := on(t, context.Background(), false, "refresh", "--sandbox", "--data", dir); code != exitOK {
		t.Fatal(told)
	}
	for _, file := range []string{"sandbox/secrets/token", "sandbox/secrets/room.reserved", "sandbox/reports.db", "sandbox/secrets", "sandbox"} {
		victim, path := filepath.Join(t.TempDir(), "victim"), filepath.Join(dir, file)
		if err := os.Rename(path, path+".was"); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if stat, err := os.Stat(path + ".was"); err == nil && stat.IsDir() {
			_ = os.Remove(victim)
			_ = os.Mkdir(victim, 0o700)
		}
		if err := os.Symlink(victim, path); err != nil {
			t.Fatal(err)
		}
		code, _, told := on(t, context.Background(), false, "refresh", "--sandbox", "--data", dir)
		if file != "sandbox/secrets/room.reserved" && (code != exitFailure || !strings.Contains(told, "symbolic link")) {
			t.Errorf("%s is a link: code %d, %s", file, code, told)
		}
		if text, err := os.ReadFile(victim); err == nil && string(text) != "precious" {
			t.Errorf("%s: what a link led to was written", file)
		}
		if files, err := os.ReadDir(victim); err == nil && len(files) > 0 {
			t.Errorf("%s: what a link led to has files: %v", file, files)
		}
		if err := os.Rename(path+".was", path); err != nil {
			_ = os.Remove(path)
			_ = os.Rename(path+".was", path)
		}
	}
}
