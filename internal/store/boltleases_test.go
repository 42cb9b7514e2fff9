package store_test

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"cmu-gateway/internal/store"
)

// A process that was killed holds nobody up: the file's next owner finds no lease.
func TestBoltLeasesEndWithTheOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openBolt(t, path, store.BoltOptions{})
	if err := s.Acquire(ctx, "lease", "killed", start.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	var held *store.HeldError
	if err := s.Acquire(ctx, "lease", "another", start.Add(time.Hour)); !errors.As(err, &held) || held.Lease != "lease" {
		t.Errorf("Acquire of a held lease: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Acquire(ctx, "lease", "killed", start.Add(time.Hour)); err == nil {
		t.Error("a lease of a closed store")
	}
	if err := openBolt(t, path, store.BoltOptions{}).Acquire(ctx, "lease", "another", start.Add(time.Hour)); err != nil {
		t.Errorf("Acquire by the next owner: %v", err)
	}
}
