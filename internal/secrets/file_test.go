package secrets_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/secrets/secretstest"
)

var ctx = context.Background()

func TestFilesContract(t *testing.T) {
	secretstest.Run(t, func(t *testing.T, _ ...string) secrets.Store {
		return openFiles(t, filepath.Join(t.TempDir(), "cmu", "secrets"))
	})
}

func openFiles(t *testing.T, dir string) secrets.Store {
	t.Helper()
	s, err := secrets.NewFiles(dir)
	if err != nil {
		t.Fatalf("NewFiles: %v", err)
	}
	return s
}

// TestFilesStayInside writes names that mean something to a file system: each is a file in the folder, or refused.
func TestFilesStayInside(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "secrets")
	s := openFiles(t, dir)
	accepted := 0
	for _, name := range []string{"../outside", "..", ".", "/etc/cmu", `..\outside`, `c:\cmu`, "%2e%2e", "write-1.tmp", "a\x00b", "a b", "é", "",
		strings.Repeat("x", 201), strings.Repeat("/", 67)} {
		if err := s.Write(ctx, name, "1", []byte("value of "+name)); err != nil {
			continue
		}
		accepted++
		if got, err := s.Read(ctx, name); err != nil || string(got) != "value of "+name {
			t.Errorf("Read of %q: %q, %v", name, got, err)
		}
	}
	inside, err := os.ReadDir(dir)
	if err != nil || len(inside) != accepted+1 || accepted != 8 { // one holds room
		t.Errorf("%d of 8 accepted names, %d files: %v", accepted, len(inside), err)
	}
	if outside, err := os.ReadDir(parent); err != nil || len(outside) != 1 {
		t.Errorf("%d entries beside the folder: %v", len(outside), err)
	}
}

func TestFilesModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // has no such modes
	}
	dir := filepath.Join(t.TempDir(), "secrets")
	s := openFiles(t, dir)
	if err := s.Write(ctx, "token", "1", []byte("hush")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "token")
	for name, want := range map[string]os.FileMode{dir: 0o700, path: 0o600} {
		if stat, err := os.Stat(name); err != nil || stat.Mode().Perm() != want {
			t.Errorf("%s has the mode %v, %v; want %v", name, stat.Mode(), err, want)
		}
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o644, 0o677} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := s.Read(ctx, "token")
		if !errors.Is(err, secrets.ErrDenied) || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("Read of a file of mode %v: %v", mode, err)
		}
	}
	// A new value is private again.
	if err := s.Write(ctx, "token", "2", []byte("hush")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(ctx, "token"); err != nil {
		t.Errorf("Read after Write: %v", err)
	}
}

// TestFilesLeftovers finds the temporary files of a process that was killed, and of one that is at work.
func TestFilesLeftovers(t *testing.T) {
	for _, when := range []string{"when opened", "when written"} {
		t.Run(when, func(t *testing.T) {
			dir := t.TempDir()
			s := openFiles(t, dir)
			killed, atWork := filepath.Join(dir, "write-1.tmp"), filepath.Join(dir, "write-2.tmp")
			for _, path := range []string{killed, atWork} {
				if err := os.WriteFile(path, []byte("half a va"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chtimes(killed, time.Time{}, time.Now().Add(-2*time.Minute)); err != nil {
				t.Fatal(err)
			}
			if when == "when opened" {
				openFiles(t, dir)
			} else if err := s.Write(ctx, "token", "1", []byte("hush")); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(killed); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("what a killed process left is there: %v", err)
			}
			if _, err := os.Stat(atWork); err != nil {
				t.Errorf("what a process writes is gone: %v", err)
			}
		})
	}
}

func TestFilesAreNotSecrets(t *testing.T) {
	dir := t.TempDir()
	s := openFiles(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(ctx, "empty"); !errors.Is(err, secrets.ErrAbsent) {
		t.Errorf("Read of an empty file: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "big"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(ctx, "big"); err == nil || errors.Is(err, secrets.ErrAbsent) {
		t.Errorf("Read of a file of 1 MB: %v", err)
	}
	if _, err := secrets.NewFiles(filepath.Join(dir, "empty")); err == nil {
		t.Error("NewFiles in a file succeeded")
	}
}
