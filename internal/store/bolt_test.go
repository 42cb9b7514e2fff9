package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"cmu-gateway/internal/store"
	"cmu-gateway/internal/store/storetest"
)

var (
	ctx   = context.Background()
	start = time.Date(2026, 7, 4, 5, 6, 7, 0, time.UTC)
)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func TestBoltContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return openBolt(t, filepath.Join(t.TempDir(), "cmu", "store.db"), store.BoltOptions{Now: now})
	})
}

func openBolt(t testing.TB, path string, o store.BoltOptions) store.Store {
	t.Helper()
	if o.Now == nil {
		o.Now = at(start)
	}
	s, err := store.OpenBolt(path, o)
	if err != nil {
		t.Fatalf("OpenBolt: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// reports are those that the store knows.
func reports(t *testing.T, s store.Store) (known []store.Report) {
	t.Helper()
	_, err := s.Purge(ctx, func(r store.Report) bool {
		known = append(known, r)
		return false
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return known
}

func block(name string, data []byte) store.Block {
	return store.Block{Name: name, Data: data, Fetched: start}
}

func TestBoltRefuses(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign.db")
	db, err := bbolt.Open(foreign, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("accounts"))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		foreign:                          "belongs to another program",
		filepath.Join(foreign, "x.db"):   "the data folder cannot be used",
		dir:                              "cannot be used",
		filepath.Join(dir, "a\x00b", ""): "cannot be used",
	} {
		if _, err := store.OpenBolt(path, store.BoltOptions{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("OpenBolt of %q: %v; want %q", path, err, want)
		}
	}
}

func TestBoltModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // has no such modes
	}
	path := filepath.Join(t.TempDir(), "cmu", "store.db")
	openBolt(t, path, store.BoltOptions{})
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if stat, err := os.Stat(name); err != nil || stat.Mode().Perm() != want {
			t.Errorf("%s has the mode %v, %v; want %v", name, stat.Mode(), err, want)
		}
	}
}

// TestBoltForgetsExpired writes what expires for a month: the store holds what one day needs, and the file does not grow with time.
func TestBoltForgetsExpired(t *testing.T) {
	now := start
	path := filepath.Join(t.TempDir(), "store.db")
	s := openBolt(t, path, store.BoltOptions{Now: func() time.Time { return now }})
	day := func(i int) {
		expires := now.Add(24 * time.Hour)
		for n := range 4 {
			b := block(fmt.Sprintf("%02d-%d", i, n), make([]byte, 50_000))
			b.Expires = expires
			report := store.Report(fmt.Sprint("report ", i))
			err := errors.Join(s.Put(ctx, report, b), s.PutNote(ctx, b.Name, store.Note{Expires: expires}),
				s.Acquire(ctx, b.Name, "me", expires))
			if err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(25 * time.Hour)
	}
	measure := func() (store.Size, int64) {
		size, err := s.Size(ctx)
		if err != nil {
			t.Fatal(err)
		}
		stat, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return size, stat.Size()
	}
	for i := range 3 {
		day(i)
	}
	wantSize, wantFile := measure()
	for i := 3; i < 10; i++ {
		day(i)
	}
	size, file := measure()
	if size.Items != wantSize.Items || file > 2*wantFile {
		t.Errorf("after ten days: %+v in a file of %d bytes; after three: %+v in %d", size, file, wantSize, wantFile)
	}
	if known := reports(t, s); len(known) != 1 {
		t.Errorf("reports: %q; want those of the last day", known)
	}
	// What no write removed is removed when the store is opened.
	s.Close()
	s = openBolt(t, path, store.BoltOptions{Now: func() time.Time { return now }})
	if size, _ := measure(); size != (store.Size{}) {
		t.Errorf("after it was opened again: %+v", size)
	}
}

func BenchmarkBoltRead(b *testing.B) {
	const total = 3_000_000
	for _, blocks := range []int{1, 30} {
		b.Run(fmt.Sprint("blocks=", blocks), func(b *testing.B) {
			s := openBolt(b, filepath.Join(b.TempDir(), "store.db"), store.BoltOptions{})
			for i := range blocks {
				if err := s.Put(ctx, "r", block(fmt.Sprintf("%02d", i), make([]byte, total/blocks))); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(total)
			b.ReportAllocs()
			for b.Loop() {
				if found, err := s.Blocks(ctx, "r", "", "~"); err != nil || len(found) != blocks {
					b.Fatal(len(found), err)
				}
			}
		})
	}
}
