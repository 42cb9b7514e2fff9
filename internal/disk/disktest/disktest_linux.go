// Package disktest gives tests a small disk that they can fill.
package disktest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Small mounts an empty disk of so many KiB until the test ends, and returns its folder. Only root can mount: as another user the test
// is skipped.
func Small(t testing.TB, kibibytes int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk,mode=700", kibibytes))
	if errors.Is(err, syscall.EPERM) {
		t.Skip("only root can mount a disk")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Fill takes all room of the disk that a folder is on, but for so many KiB.
func Fill(t testing.TB, dir string, left int64) {
	t.Helper()
	name := filepath.Join(dir, "filled")
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := io.Copy(file, zeros{}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk does not become full: %v", err)
	}
	info, err := file.Stat()
	if err == nil {
		err = file.Truncate(max(info.Size()-left<<10, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Empty gives back what Fill took.
func Empty(t testing.TB, dir string) {
	t.Helper()
	if err := os.Remove(filepath.Join(dir, "filled")); err != nil {
		t.Fatal(err)
	}
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
