package store_test

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cmu-gateway/internal/store"
)

func TestBoltDamagedFile(t *testing.T) {
	whole, _ := wholeFile(t)
	zeroed := bytes.Clone(whole)
	clear(zeroed[2*os.Getpagesize():])
	for name, content := range map[string][]byte{
		"not a store":        bytes.Repeat([]byte("hello "), 10_000),
		"a few bytes":        []byte("hello"),
		"cut":                whole[:len(whole)/2],
		"cut after the head": whole[:2*os.Getpagesize()],
		"pages of zeros":     zeroed,
		"a circle":           inPages(whole, 0x01, func(page []byte, id uint64) { binary.NativeEndian.PutUint64(page[16+8:], id) }),
		"used and free":      inPages(whole, 0x10, func(page []byte, _ uint64) { binary.NativeEndian.PutUint64(page[16:], rootOf(whole)) }),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			s := openBolt(t, path, store.BoltOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
			if err := s.Put(ctx, "r", block("new", []byte("x"))); err != nil {
				t.Fatalf("Put: %v", err)
			}
			blocks, err := s.Blocks(ctx, "r", "new", "new")
			if err != nil || len(blocks) != 1 {
				t.Errorf("Blocks: %d, %v", len(blocks), err)
			}
			aside, err := os.ReadFile(path + ".damaged-20260704T050607Z")
			for _, said := range []string{"level=WARN", "was damaged. It was set aside, and the cache starts empty", "file=" + path, path + ".damaged-"} {
				if !strings.Contains(log.String(), said) {
					t.Errorf("the log lacks %q: %s", said, &log)
				}
			}
			if err != nil || len(aside) < len(content) || !bytes.Equal(aside[:len(content)], content) {
				t.Errorf("the damaged file was not kept: %d bytes, %v", len(aside), err)
			}
		})
	}
}

// inPages changes the pages of a kind in a copy of a bbolt file.
func inPages(whole []byte, kind uint16, change func(page []byte, id uint64)) []byte {
	file, size := bytes.Clone(whole), os.Getpagesize()
	for id := range len(file) / size {
		if page := file[id*size : (id+1)*size]; binary.NativeEndian.Uint16(page[8:]) == kind {
			change(page, uint64(id))
		}
	}
	return file
}

// rootOf is the page that the newer of a bbolt file's two meta pages begins with.
func rootOf(whole []byte) uint64 {
	first, second := whole[16:], whole[os.Getpagesize()+16:]
	if binary.NativeEndian.Uint64(second[48:]) > binary.NativeEndian.Uint64(first[48:]) {
		first = second
	}
	return binary.NativeEndian.Uint64(first[16:])
}

// TestBoltDamagedBlock changes each byte of a block in the file, of its key (a hash and its name), its head and its data: the
// block is absent. Its neighbour is not, unless the key is in the wrong place now.
func TestBoltDamagedBlock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openBolt(t, path, store.BoltOptions{})
	for _, name := range []string{"a", "b"} {
		if err := s.Put(ctx, "r", block(name, []byte("the data of "+name))); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const data, head, key = "the data of a", 20, 32 + 1
	for i := range key + head + len(data) {
		damaged, copies := bytes.Clone(content), 0
		for at := 0; ; at++ { // bbolt leaves old pages in the file
			next := bytes.Index(content[at:], []byte(data))
			if next < 0 {
				break
			}
			at += next
			damaged[at-head-key+i] ^= 0x01
			copies++
		}
		if err := os.WriteFile(path, damaged, 0o600); err != nil || copies == 0 {
			t.Fatal(copies, err)
		}
		s := openBolt(t, path, store.BoltOptions{})
		blocks, err := s.Blocks(ctx, "r", "", "~")
		hidden := i < key && len(blocks) == 0
		if err != nil || !hidden && (len(blocks) != 1 || blocks[0].Name != "b") {
			t.Errorf("byte %d: %+v, %v", i, blocks, err)
		}
		s.Close()
	}
}

// TestBoltDamagedInUse takes the file from under calls that are under way: the store goes on empty, and says so once.
func TestBoltDamagedInUse(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows lets nobody cut a file that is in use")
	}
	whole, h := wholeFile(t)
	for name, damage := range map[string]func(path string) error{
		"cut to nothing":       func(path string) error { return os.Truncate(path, 0) },
		"all zeros":            func(path string) error { return os.WriteFile(path, make([]byte, len(whole)), 0o600) },
		"only its first pages": func(path string) error { return os.Truncate(path, 2*int64(os.Getpagesize())) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			s := openBolt(t, path, store.BoltOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
			h.check(t, s)
			if err := damage(path); err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for i := range 20 {
				wg.Go(func() {
					if i%2 == 0 {
						h.check(t, s)
					} else if err := s.PutNote(ctx, "00", h.notes["00"]); err != nil {
						t.Errorf("PutNote: %v", err)
					}
				})
			}
			wg.Wait()
			works(t, s)
			if err := s.Put(ctx, "r", block("new", []byte("x"))); err != nil {
				t.Errorf("Put: %v", err)
			}
			if blocks, err := s.Blocks(ctx, "r", "new", "new"); err != nil || len(blocks) != 1 {
				t.Errorf("Blocks: %d, %v", len(blocks), err)
			}
			if n := strings.Count(log.String(), "was damaged. It was set aside, and the cache starts empty"); n != 1 {
				t.Errorf("said %d times: %s", n, &log)
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			notes, err := openBolt(t, path, store.BoltOptions{}).Notes(ctx)
			if err != nil || len(notes) != 1 || !bytes.Equal(notes["00"].Value, h.notes["00"].Value) {
				t.Errorf("Notes after it was opened again: %v, %v", notes, err)
			}
		})
	}
}

// TestBoltKeepsOneDamagedFile damages the file again and again: the folder does not fill.
func TestBoltKeepsOneDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	for i := range 3 {
		if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
			t.Fatal(err)
		}
		openBolt(t, path, store.BoltOptions{Now: at(start.Add(time.Duration(i) * time.Hour))}).Close()
	}
	found, err := filepath.Glob(path + "*")
	if want := []string{path, path + ".damaged-20260704T070607Z"}; err != nil || !slices.Equal(found, want) {
		t.Errorf("found %q, %v; want %q", found, err, want)
	}
}
