package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"cmu-gateway/internal/store"
)

// bounded is a store with a bound, at a time that moves. Blocks whose names begin with x go first.
type bounded struct {
	store.Store
	t    testing.TB
	path string
	o    store.BoltOptions
	now  time.Time
}

func newBounded(t testing.TB, disk int64) *bounded {
	b := &bounded{t: t, path: filepath.Join(t.TempDir(), "store.db"), now: start}
	b.o = store.BoltOptions{Disk: disk, GoesFirst: func(name string) bool { return strings.HasPrefix(name, "x") },
		Now: func() time.Time { return b.now }}
	b.Store = openBolt(t, b.path, b.o)
	return b
}

func (b *bounded) reopen() {
	b.t.Helper()
	if err := b.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.Store = openBolt(b.t, b.path, b.o)
}

func (b *bounded) put(name string, size int) {
	b.t.Helper()
	err := b.Put(ctx, store.Report("report of "+name), store.Block{Name: name, Data: make([]byte, size), Fetched: b.now, Expires: b.now.AddDate(1, 0, 0)})
	if err != nil {
		b.t.Fatalf("Put of %q: %v", name, err)
	}
}

func (b *bounded) has(name string) bool {
	b.t.Helper()
	found, err := b.Blocks(ctx, store.Report("report of "+name), name, name)
	if err != nil {
		b.t.Fatal(err)
	}
	return len(found) == 1
}

// kept are the names of the blocks that are there, found without a use of them.
func (b *bounded) kept() (names []string) {
	b.t.Helper()
	_, err := b.Purge(ctx, func(r store.Report) bool {
		names = append(names, strings.TrimPrefix(string(r), "report of "))
		return false
	}, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func TestBoltBoundOrder(t *testing.T) {
	const size = 20_000
	b := newBounded(t, 1<<20)
	if err := b.PutNote(ctx, "note", store.Note{Value: []byte("kept")}); err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		b.put(fmt.Sprint("a", i), size)
		b.put(fmt.Sprint("x", i), size)
		b.now = b.now.Add(time.Hour)
	}
	if kept := b.kept(); len(kept) != 16 {
		t.Fatalf("%q fit", kept)
	}
	// The first of each kind are used: once while the store stays open, once before it is closed.
	b.has("x0")
	b.put("a8", size)
	b.has("a0")
	b.reopen()
	b.now = b.now.Add(time.Hour)
	goneAt := map[string]int{}
	last := b.kept()
	for i := range 40 {
		b.put(fmt.Sprintf("b%02d", i), size)
		now := b.kept()
		for _, name := range last {
			if !slices.Contains(now, name) {
				goneAt[name] = i
			}
		}
		last = now
	}
	order := []string{"x1", "x2", "x3", "x4", "x5", "x6", "x7", "x0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "a0"}
	for i, name := range order {
		if at, gone := goneAt[name]; !gone || at < goneAt[order[max(i-1, 0)]] {
			t.Errorf("went after so many others: %v; want the order %q", goneAt, order)
			break
		}
	}
	if goneAt["x1"] == goneAt["a0"] || goneAt["a1"] <= goneAt["x1"] {
		t.Errorf("all went at once: %v", goneAt)
	}
	notes, err := b.Notes(ctx)
	if err != nil || string(notes["note"].Value) != "kept" {
		t.Errorf("Notes: %v, %v", notes, err)
	}
}

// TestBoltBoundHolds writes much more than fits, of all sizes, and is read all the while.
func TestBoltBoundHolds(t *testing.T) {
	t.Parallel()
	const (
		disk    = 4 << 20
		biggest = 60_000
	)
	b := newBounded(t, disk)
	random := rand.New(rand.NewPCG(1, 2))
	file := int64(0)
	for i := range 500 {
		b.put(fmt.Sprintf("%c%03d", "ax"[i%2], random.IntN(300)), []int{100, 3000, 20_000, biggest}[random.IntN(4)])
		b.now = b.now.Add(20 * time.Minute)
		if i%3 == 0 {
			b.has(fmt.Sprintf("a%03d", random.IntN(300)))
		}
		if i%50 == 49 {
			b.reopen()
		}
		file = max(file, sizeOf(t, b.path))
	}
	size, err := b.Size(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if file > disk+4*biggest+256<<10 || size.Bytes < disk/2 {
		t.Errorf("a file of up to %d bytes of %d; %+v at the end", file, disk, size)
	}
	b.consistent()
}

// consistent looks into the file: every block has what belongs to it, and nothing is left of others.
func (b *bounded) consistent() {
	b.t.Helper()
	if err := b.Close(); err != nil {
		b.t.Fatal(err)
	}
	db, err := bbolt.Open(b.path, 0o600, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		root := tx.Bucket([]byte("cmu-gateway/v1"))
		count := func(bucket string) map[string]bool {
			keys := map[string]bool{}
			_ = root.Bucket([]byte(bucket)).ForEach(func(k, _ []byte) error {
				switch bucket {
				case "order", "expiry":
					k = k[9:]
				case "blocks":
					keys["report "+string(k[:32])] = true
				case "reports":
					k = append([]byte("report "), k...)
				}
				keys[string(k)] = true
				return nil
			})
			return keys
		}
		all := map[string]bool{}
		for _, bucket := range []string{"order", "expiry", "reports"} {
			for k := range count(bucket) {
				all[k] = true
			}
		}
		blocks := count("blocks")
		for k := range blocks {
			if !all[k] {
				return fmt.Errorf("a block lacks an entry: %q", k)
			}
		}
		for k := range all {
			if !blocks[k] {
				return fmt.Errorf("an entry has no block: %q", k)
			}
		}
		for k := range count("uses") {
			if !blocks[k] {
				return fmt.Errorf("a use has no block: %q", k)
			}
		}
		if orders, expiries := root.Bucket([]byte("order")).Stats().KeyN, root.Bucket([]byte("expiry")).Stats().KeyN; orders != expiries {
			return fmt.Errorf("%d entries in order, %d in expiry", orders, expiries)
		}
		for err := range tx.Check() {
			return err
		}
		return nil
	})
	if err != nil {
		b.t.Error(err)
	}
}

// TestBoltBoundTooBig puts a block that can never fit: it is not kept, and nothing goes for it.
func TestBoltBoundTooBig(t *testing.T) {
	var log bytes.Buffer
	b := newBounded(t, 1<<20)
	b.o.Log = slog.New(slog.NewTextHandler(&log, nil))
	b.reopen()
	b.put("a", 1000)
	b.put("big", 2<<20)
	if kept := b.kept(); !slices.Equal(kept, []string{"a"}) || sizeOf(t, b.path) > 1<<20 {
		t.Errorf("kept %q in a file of %d bytes", kept, sizeOf(t, b.path))
	}
	if !strings.Contains(log.String(), "a block is not kept") || !strings.Contains(log.String(), "block=big") {
		t.Errorf("log: %s", &log)
	}
}

// TestBoltBoundLowered opens a file with a lower bound than it was filled under: it shrinks below it at once.
func TestBoltBoundLowered(t *testing.T) {
	b := newBounded(t, 0)
	for i := range 60 {
		b.put(fmt.Sprintf("a%02d", i), 100_000)
		b.now = b.now.Add(time.Hour)
	}
	b.o.Disk = 4 << 20
	b.reopen()
	kept := b.kept()
	if sizeOf(t, b.path) > b.o.Disk || len(kept) < 20 || kept[len(kept)-1] != "a59" {
		t.Errorf("%q are kept in a file of %d bytes", kept, sizeOf(t, b.path))
	}
	b.consistent()
}

// TestBoltEarlierRelease opens a file of a release that knew no uses and summed less.
func TestBoltEarlierRelease(t *testing.T) {
	b := newBounded(t, 1<<20)
	var want []string
	put := func(name string) {
		b.put(name, 20_000)
		want = append(want, name)
	}
	for i := range 20 {
		put(fmt.Sprintf("a%02d", i))
		b.now = b.now.Add(time.Hour)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(b.path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		root := tx.Bucket([]byte("cmu-gateway/v1"))
		expires := []byte{0, 0, 0, 0, 0xF0, 0, 0, 0}
		return errors.Join(root.DeleteBucket([]byte("uses")), root.DeleteBucket([]byte("order")),
			root.Bucket([]byte("notes")).Put([]byte("note"), append(expires, "a value"...)))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	b.Store = openBolt(t, b.path, b.o)
	notes, err := b.Notes(ctx)
	if err != nil || string(notes["note"].Value) != "a value" || notes["note"].Expires.Unix() != 0xF0000000 {
		t.Errorf("Notes: %v, %v", notes, err)
	}
	for i := range 10 {
		put(fmt.Sprintf("b%02d", i))
		b.now = b.now.Add(time.Hour)
	}
	kept := b.kept()
	if len(kept) < 15 || len(kept) == len(want) || !slices.Equal(kept, want[len(want)-len(kept):]) {
		t.Errorf("kept %q of %q", kept, want)
	}
}
