package store_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/store"
)

// contents are all that a store of the tests holds, written out.
func contents(t *testing.T, s store.Store, reports ...store.Report) string {
	t.Helper()
	var all strings.Builder
	for _, r := range reports {
		blocks, err := s.Blocks(ctx, r, "", "~")
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			fmt.Fprintln(&all, r, b.Name, b.Fetched, b.Expires, len(b.Data), string(b.Data[:min(len(b.Data), 20)]))
		}
	}
	notes, err := s.Notes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b", "empty"} {
		fmt.Fprintln(&all, name, string(notes[name].Value), notes[name].Expires)
	}
	return all.String()
}

// mostlyFree makes a file that is mostly free, and returns what is in it. The report "kept" stays.
func mostlyFree(t *testing.T, path string) string {
	t.Helper()
	s := openBolt(t, path, store.BoltOptions{})
	put := func(r store.Report, n, size int) {
		for i := range n {
			b := block(fmt.Sprintf("%03d", i), bytes.Repeat([]byte{byte('a' + i%26)}, size))
			b.Expires = start.Add(time.Hour)
			if err := s.Put(ctx, r, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	put("kept", 20, 3000)
	put("gone", 20, 100_000)
	for name, note := range map[string]store.Note{"a": {Value: []byte("x")}, "b": {Value: []byte("y"), Expires: start.Add(time.Hour)}, "empty": {}} {
		if err := s.PutNote(ctx, name, note); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := s.Purge(ctx, func(r store.Report) bool { return r == "gone" }, nil); n != 20 || err != nil {
		t.Fatal(n, err)
	}
	all := contents(t, s, "kept")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	stat, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return stat.Size()
}

func TestBoltCompacts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	want := mostlyFree(t, path)
	before := sizeOf(t, path)
	// What a crash in the midst of a compaction left is no obstacle.
	if err := os.WriteFile(path+".compact", bytes.Repeat([]byte("half"), 50_000), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openBolt(t, path, store.BoltOptions{})
	if after := sizeOf(t, path); before < 2_000_000 || after > before/4 {
		t.Errorf("the file has %d bytes, and had %d", after, before)
	}
	if got := contents(t, s, "kept"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("the folder has %v, %v", entries, err)
	}
	if _, err := store.OpenBolt(path, store.BoltOptions{}); err == nil {
		t.Error("the new file has no owner")
	}
	if err := s.Put(ctx, "kept", block("new", []byte("x"))); err != nil {
		t.Errorf("Put: %v", err)
	}
	// What has expired since goes as well: the entries that tell of it were kept.
	s.Close()
	s = openBolt(t, path, store.BoltOptions{Now: at(start.Add(2 * time.Hour))})
	if size, err := s.Size(ctx); err != nil || size.Items != 1+1+2 {
		t.Errorf("Size: %+v, %v; want a block, its report and two notes", size, err)
	}
}

// TestBoltCompactionFails has no room for the new file: the old one stays in use.
func TestBoltCompactionFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	want := mostlyFree(t, path)
	before := sizeOf(t, path)
	if err := os.MkdirAll(filepath.Join(path+".compact", "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	s := openBolt(t, path, store.BoltOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if got := contents(t, s, "kept"); got != want || sizeOf(t, path) != before {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), "stays as it is") {
		t.Errorf("log: %s", &log)
	}
}
