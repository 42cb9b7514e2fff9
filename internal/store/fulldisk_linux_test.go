package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cmu-gateway/internal/disk"
	"cmu-gateway/internal/disk/disktest"
)

// A store that cannot be begun for want of room leaves nothing that would be in the way of the next start.
func TestNoRoomToBegin(t *testing.T) {
	for _, left := range []int64{0, 1, 4, 8, 12, 16, 20, 24, 28, 32} {
		root := disktest.Small(t, 1024)
		disktest.Fill(t, root, left)
		path := filepath.Join(root, "reports.db")
		s, err := OpenBolt(path, BoltOptions{})
		if err == nil {
			s.Close()
			continue
		}
		if !disk.Full(err) {
			t.Errorf("%d KiB: %v", left, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%d KiB: it has left a file: %v", left, err)
		}
		disktest.Empty(t, root)
		var log bytes.Buffer
		if s, err = OpenBolt(path, BoltOptions{Log: slog.New(slog.NewTextHandler(&log, nil))}); err != nil || log.Len() > 0 {
			t.Fatalf("%d KiB, with room again: %v %s", left, err, &log)
		}
		s.Close()
	}
}

// On a disk that is full a store opens with what is in it, although what has expired cannot be removed, and takes more once there is room.
func TestFullDiskAtTheStart(t *testing.T) {
	ctx := context.Background()
	root := disktest.Small(t, 1024)
	now := time.Now()
	open := func(now time.Time) (Store, string) {
		t.Helper()
		var log bytes.Buffer
		s, err := OpenBolt(filepath.Join(root, "reports.db"), BoltOptions{Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		return s, log.String()
	}
	s, _ := open(now)
	for i := range 20 {
		b := Block{Name: fmt.Sprint("b", i), Data: []byte("kept"), Fetched: now, Expires: now.Add(time.Hour)}
		if i == 0 {
			b.Expires = time.Time{}
		}
		if err := s.Put(ctx, "/year", b); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	disktest.Fill(t, root, 0)
	s, log := open(now.Add(2 * time.Hour))
	if kept, err := s.Blocks(ctx, "/year", "a", "z"); err != nil || len(kept) != 1 || string(kept[0].Data) != "kept" {
		t.Errorf("%d blocks, %v", len(kept), err)
	}
	if strings.Contains(log, "damaged") {
		t.Error(log)
	}
	large := Block{Name: "b", Data: bytes.Repeat([]byte("x"), 100<<10), Fetched: now}
	if err := s.Put(ctx, "/year", large); !disk.Full(err) {
		t.Errorf("on a full disk: %v", err)
	}
	disktest.Empty(t, root)
	if err := s.Put(ctx, "/year", large); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s, log = open(now.Add(2 * time.Hour))
	if kept, err := s.Blocks(ctx, "/year", "a", "z"); err != nil || len(kept) != 2 || log != "" {
		t.Errorf("%d blocks, %v, %s", len(kept), err, log)
	}
	s.Close()
}

// TestFilesWithALimit has files that may not become larger (ulimit -f), in a process of its own: that is no damage. What is there stays in
// use, and what cannot be begun leaves nothing.
func TestFilesWithALimit(t *testing.T) {
	const inFolder = "STORE_TEST_FOLDER"
	dir := os.Getenv(inFolder)
	if dir == "" {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFilesWithALimit$", "-test.v")
		child.Env = append(os.Environ(), inFolder+"="+t.TempDir())
		if out, err := child.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestFilesWithALimit")) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	ctx, path, now := context.Background(), filepath.Join(dir, "reports.db"), time.Now()
	var log bytes.Buffer
	open := func() (Store, error) {
		return OpenBolt(path, BoltOptions{Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(&log, nil))})
	}
	limit := func(bytes uint64) {
		t.Helper()
		l := syscall.Rlimit{Cur: bytes, Max: 1 << 30}
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
			t.Fatal(err)
		}
	}
	for _, most := range []uint64{0, 4 << 10, 8 << 10, 12 << 10, 20 << 10} {
		limit(most)
		s, err := open()
		if err == nil {
			s.Close()
			t.Fatalf("%d bytes are enough", most)
		}
		if left, _ := os.ReadDir(dir); !disk.Capped(err) || len(left) > 0 {
			t.Errorf("%d bytes: %v, %d files", most, err, len(left))
		}
	}
	limit(200 << 10)
	s, err := open()
	if err != nil {
		t.Fatal(err)
	}
	put := func(i, size int) error {
		return s.Put(ctx, "/year", Block{Name: fmt.Sprintf("b%02d", i), Data: make([]byte, size), Fetched: now, Expires: now.Add(time.Hour)})
	}
	kept := 0
	for ; kept < 90 && err == nil; kept++ {
		err = put(kept, 10<<10)
	}
	if kept < 3 || !disk.Capped(err) {
		t.Fatalf("%d blocks, %v", kept, err)
	}
	for range 2 {
		if found, err := s.Blocks(ctx, "/year", "a", "z"); err != nil || len(found) != kept-1 {
			t.Errorf("%d of %d blocks, %v", len(found), kept-1, err)
		}
		if err := put(99, 300<<10); !disk.Capped(err) {
			t.Errorf("a large one: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if s, err = open(); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	if left, _ := os.ReadDir(dir); len(left) != 1 || log.Len() > 0 {
		t.Errorf("%d files, %s", len(left), &log)
	}
}
