package store_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cmu-gateway/internal/store"
)

// held is what a store of the tests of damage holds.
type held struct {
	blocks map[string]store.Block
	notes  map[string]store.Note
}

// wholeFile returns a file with enough in it to have more than its first pages, and what it holds.
func wholeFile(t testing.TB) ([]byte, held) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	s := openBolt(t, path, store.BoltOptions{})
	h := held{map[string]store.Block{}, map[string]store.Note{}}
	for i := range 60 {
		b := block(fmt.Sprintf("%02d", i), bytes.Repeat([]byte{byte(i)}, 50*i))
		b.Fetched, b.Expires = start.Add(-time.Duration(i)*time.Minute), start.Add(time.Duration(i+1)*time.Hour)
		n := store.Note{Value: []byte(fmt.Sprint("the note ", i)), Expires: b.Expires}
		if err := errors.Join(s.Put(ctx, "r", b), s.PutNote(ctx, b.Name, n)); err != nil {
			t.Fatal(err)
		}
		h.blocks[b.Name], h.notes[b.Name] = b, n
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content, h
}

// failer is a test, whoever runs it.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
}

// check reads all that is left: it must be a part of what was there.
func (h held) check(t failer, s store.Store) {
	t.Helper()
	blocks, err := s.Blocks(ctx, "r", "", "~")
	if err != nil {
		t.Errorf("Blocks: %v", err)
	}
	for _, b := range blocks {
		want := h.blocks[b.Name]
		if !bytes.Equal(b.Data, want.Data) || !b.Fetched.Equal(want.Fetched) || !b.Expires.Equal(want.Expires.Truncate(time.Second)) {
			t.Errorf("wrong data: %q, fetched %v, expires %v, %d bytes", b.Name, b.Fetched, b.Expires, len(b.Data))
		}
	}
	notes, err := s.Notes(ctx)
	if err != nil {
		t.Errorf("Notes: %v", err)
	}
	for name, n := range notes {
		if want := h.notes[name]; !bytes.Equal(n.Value, want.Value) || !n.Expires.Equal(want.Expires.Truncate(time.Second)) {
			t.Errorf("wrong note: %q: %q, %v", name, n.Value, n.Expires)
		}
	}
	if _, err := s.Size(ctx); err != nil {
		t.Errorf("Size: %v", err)
	}
}

// works has a store take what it gives back, unless keys that are damaged hide it.
func works(t failer, s store.Store) {
	t.Helper()
	b := store.Block{Name: "new", Data: []byte("new"), Fetched: start.Add(time.Minute)}
	if err := s.Put(ctx, "r", b); err != nil {
		t.Errorf("Put: %v", err)
	}
	blocks, err := s.Blocks(ctx, "r", "new", "new")
	if err != nil || len(blocks) > 1 || len(blocks) == 1 && string(blocks[0].Data) != "new" {
		t.Errorf("Blocks: %d blocks, %v", len(blocks), err)
	}
	if err := s.Acquire(ctx, "lease", "me", start.Add(time.Hour)); err != nil {
		t.Errorf("Acquire: %v", err)
	}
	if _, err := s.Purge(ctx, func(store.Report) bool { return true }, nil); err != nil {
		t.Errorf("Purge: %v", err)
	}
}

// damage changes a copy of a file as a bad disk would.
func damage(t *rapid.T, whole []byte) []byte {
	file := bytes.Clone(whole)
	size := os.Getpagesize()
	for range rapid.IntRange(1, 20).Draw(t, "damages") {
		if len(file) == 0 {
			break
		}
		at := rapid.IntRange(0, len(file)-1).Draw(t, "at")
		first := at / size * size
		page := file[first:min(first+size, len(file))]
		switch rapid.SampledFrom([]string{"bit", "byte", "head", "head", "zeros", "page", "cut"}).Draw(t, "kind") {
		case "bit":
			file[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		case "byte":
			file[at] = rapid.Byte().Draw(t, "byte")
		case "head": // where a page says what it is and what is in it
			page[rapid.IntRange(0, min(len(page), 100)-1).Draw(t, "in the head")] = rapid.Byte().Draw(t, "byte")
		case "zeros":
			clear(page)
		case "page":
			copy(page, file[rapid.IntRange(0, len(file)-1).Draw(t, "from")/size*size:])
		case "cut":
			file = file[:at]
		}
	}
	return file
}

// TestBoltAnyDamageAtOpen opens damaged files. They are of no use or of some, yet never give what was not put.
func TestBoltAnyDamageAtOpen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, openDamaged(t))
}

// FuzzBoltDamage is the same for a fuzzer, which finds what chance does not.
func FuzzBoltDamage(f *testing.F) { f.Fuzz(rapid.MakeFuzz(openDamaged(f))) }

func openDamaged(t testing.TB) func(t *rapid.T) {
	whole, h := wholeFile(t)
	path := filepath.Join(t.TempDir(), "store.db")
	return func(t *rapid.T) {
		if err := os.WriteFile(path, damage(t, whole), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := store.OpenBolt(path, store.BoltOptions{Now: at(start)})
		if err != nil && strings.Contains(err.Error(), "belongs to another program") {
			return // the damage is in the one name that tells
		}
		if err != nil {
			t.Fatalf("OpenBolt: %v", err)
		}
		defer s.Close()
		h.check(t, s)
		works(t, s)
		if err := s.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
		aside, _ := filepath.Glob(path + ".damaged-*")
		for _, old := range aside {
			_ = os.Remove(old) // a fuzzer runs for long
		}
	}
}

// TestBoltAnyDamageInUse damages the file of an open store, and lets calls run into it at once.
func TestBoltAnyDamageInUse(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows lets nobody cut a file that is in use")
	}
	whole, h := wholeFile(t)
	path := filepath.Join(t.TempDir(), "store.db")
	rapid.Check(t, func(t *rapid.T) {
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := store.OpenBolt(path, store.BoltOptions{Now: at(start)})
		if err != nil {
			t.Fatalf("OpenBolt: %v", err)
		}
		defer s.Close()
		if err := os.WriteFile(path, damage(t, whole), 0o600); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { h.check(t, s) })
			wg.Go(func() {
				if err := s.PutNote(ctx, "00", h.notes["00"]); err != nil {
					t.Errorf("PutNote: %v", err)
				}
			})
		}
		wg.Wait()
		h.check(t, s)
		works(t, s)
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
}

// TestBoltDamagedBranches puts each byte of the pages that lead to blocks wrong: keys out of order, sizes past the page, pages elsewhere.
func TestBoltDamagedBranches(t *testing.T) {
	t.Parallel()
	whole, h := wholeFile(t)
	path := filepath.Join(t.TempDir(), "store.db")
	const branchKind, pageHead = 1, 16
	size, branches := os.Getpagesize(), 0
	for first := 0; first+size <= len(whole); first += size {
		page := whole[first : first+size]
		if binary.NativeEndian.Uint64(page) != uint64(first/size) || binary.NativeEndian.Uint16(page[8:]) != branchKind {
			continue
		}
		branches++
		end := pageHead
		for i := range int(binary.NativeEndian.Uint16(page[10:])) {
			e := page[pageHead+16*i:]
			end = max(end, pageHead+16*i+int(binary.NativeEndian.Uint32(e)+binary.NativeEndian.Uint32(e[4:])))
		}
		for i := first; i < first+end; i++ {
			file := bytes.Clone(whole)
			file[i] ^= []byte{1, 0x80}[i%2]
			if err := os.WriteFile(path, file, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := store.OpenBolt(path, store.BoltOptions{Now: at(start)})
			if err != nil {
				t.Fatalf("byte %d of the page at %d: %v", i-first, first, err)
			}
			h.check(t, s)
			works(t, s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if branches == 0 {
		t.Fatal("the file has no branch page")
	}
}
