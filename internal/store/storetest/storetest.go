// Package storetest holds the contract test of store.Store, and a Store that fails on demand.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cmu-gateway/internal/store"
)

// Run tests that the stores which open returns keep the contract of store.Store. Each call of open begins an empty store
// that reads the time from now.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) store.Store) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, store.Store, *clock)
	}{
		{"Ranges", ranges},
		{"RangeEdges", rangeEdges},
		{"Sizes", sizes},
		{"Replace", replace},
		{"ReplaceBySize", replaceBySize},
		{"ReplaceAhead", replaceAhead},
		{"BlockExpiry", blockExpiry},
		{"Names", names},
		{"Purge", purge},
		{"PurgeSpares", purgeSpares},
		{"WriterAndReader", writerAndReader},
		{"Leases", leases},
		{"OneHolder", oneHolder},
		{"Notes", notes},
		{"Size", size},
		{"Cancelled", cancelled},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &clock{}
			c.set(start)
			s := open(t, c.now)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
			test.run(t, s, c)
		})
	}
}

var start = time.Date(2026, 7, 4, 5, 6, 7, 89e6, time.UTC)

type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return time.UnixMilli(c.at.Load()).UTC() }
func (c *clock) set(t time.Time)         { c.at.Store(t.UnixMilli()) }
func (c *clock) advance(d time.Duration) { c.set(c.now().Add(d)) }

var ctx = context.Background()

// noise is n bytes that do not compress.
func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b)
	return b
}

func block(name, data string) store.Block {
	return store.Block{Name: name, Data: []byte(data), Fetched: start, Expires: start.Add(time.Hour)}
}

func put(t *testing.T, s store.Store, r store.Report, blocks ...store.Block) {
	t.Helper()
	for _, b := range blocks {
		if err := s.Put(ctx, r, b); err != nil {
			t.Fatalf("Put of %q: %v", b.Name, err)
		}
	}
}

func get(t *testing.T, s store.Store, r store.Report, first, last string) []store.Block {
	t.Helper()
	blocks, err := s.Blocks(ctx, r, first, last)
	if err != nil {
		t.Fatalf("Blocks from %q to %q: %v", first, last, err)
	}
	return blocks
}

// same compares blocks as the contract does: times in the precision that is kept, nil as empty.
func same(a, b store.Block) bool {
	return a.Name == b.Name && bytes.Equal(a.Data, b.Data) &&
		a.Fetched.UnixMilli() == b.Fetched.UnixMilli() && a.Expires.Truncate(time.Second).Equal(b.Expires.Truncate(time.Second))
}

func want(t *testing.T, got []store.Block, want ...store.Block) {
	t.Helper()
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("blocks: got %s, want %s", describe(got), describe(want))
	}
}

func describe(blocks []store.Block) string {
	var b strings.Builder
	for _, x := range blocks {
		fmt.Fprintf(&b, "{%s data %d %.20q %v %v}", x.Name, len(x.Data), x.Data, x.Fetched, x.Expires)
	}
	return b.String()
}

func blockNames(blocks []store.Block) []string {
	var got []string
	for _, b := range blocks {
		got = append(got, b.Name)
	}
	return got
}

func cancelled(t *testing.T, s store.Store, _ *clock) {
	put(t, s, "r", block("a", "x"))
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	for op, call := range map[string]func() error{
		"Blocks":     func() error { _, err := s.Blocks(ctx, "r", "a", "b"); return err },
		"Put":        func() error { return s.Put(ctx, "r", block("b", "x")) },
		"Purge":      func() error { _, err := s.Purge(ctx, func(store.Report) bool { return true }, nil); return err },
		"Size":       func() error { _, err := s.Size(ctx); return err },
		"Acquire":    func() error { return s.Acquire(ctx, "l", "x", start.Add(time.Hour)) },
		"Release":    func() error { return s.Release(ctx, "l", "x") },
		"Notes":      func() error { _, err := s.Notes(ctx); return err },
		"PutNote":    func() error { return s.PutNote(ctx, "n", store.Note{}) },
		"DeleteNote": func() error { return s.DeleteNote(ctx, "n") },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", op, err)
		}
	}
	want(t, get(t, s, "r", "", "~"), block("a", "x"))
}
