package store

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file that ends anywhere, as one that a crash or a full disk has left, is set aside, and the store begins anew.
func TestFilesThatAreTooSmall(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "whole.db")
	s, err := OpenBolt(path, BoltOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "reports.db")
	sizes := []int{1, 15, 16, 17, 63, 64, 80, 81, 1000}
	for page := 1; page <= 5; page++ {
		for _, beyond := range []int{-1, 0, 1, 16, 80, 512, 2048} {
			sizes = append(sizes, page*os.Getpagesize()+beyond)
		}
	}
	for _, size := range sizes {
		for what, text := range map[string][]byte{"a part": whole[:size], "zeros": make([]byte, size), "noise": bytes.Repeat([]byte{0xA5}, size)} {
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			for try := range 2 {
				var log bytes.Buffer
				s, err := OpenBolt(path, BoltOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
				if err != nil {
					t.Fatalf("%s of %d bytes, start %d: %v", what, size, try, err)
				}
				if err := s.PutNote(context.Background(), "note", Note{Value: []byte("x")}); err != nil {
					t.Errorf("%s of %d bytes, start %d: %v", what, size, try, err)
				}
				if err := s.Close(); err != nil {
					t.Errorf("%s of %d bytes, start %d: %v", what, size, try, err)
				}
				if aside := strings.Contains(log.String(), "set aside"); aside != (try == 0) {
					t.Errorf("%s of %d bytes, start %d: set aside: %v", what, size, try, aside)
				}
			}
		}
	}
}
