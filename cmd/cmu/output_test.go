package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestAReplacedFileKeepsItsMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.csv")
	text := func(s string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
	}
	if err := replaceFile(path, 0o600, text("first")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := replaceFile(path, 0o666, text("second")); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("failed")
	if err := replaceFile(path, 0o666, func(w io.Writer) error { _, _ = io.WriteString(w, "half"); return failed }); err != failed {
		t.Error(err)
	}
	got, err := os.ReadFile(path)
	info, statErr := os.Stat(path)
	if err != nil || statErr != nil || string(got) != "second" || info.Mode().Perm() != 0o640 {
		t.Errorf("%q, %v, %v, %v", got, info, err, statErr)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("%v, %v: something is left over", files, err)
	}
}
