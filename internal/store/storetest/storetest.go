// Package storetest holds the contract test of store.Store, and a Store that fails on demand.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
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
		{"BlockExpiry", blockExpiry},
		{"Names", names},
		{"Reports", reports},
		{"Purge", purge},
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

func ranges(t *testing.T, s store.Store, _ *clock) {
	want(t, get(t, s, "r", "a", "z"))
	var all []store.Block
	for month := 12; month >= 1; month-- {
		b := block(fmt.Sprintf("2026-%02d", month), strings.Repeat("x", month))
		put(t, s, "r", b)
		all = append([]store.Block{b}, all...)
	}
	put(t, s, "another", block("2026-05", "not this"))
	never := block("2027-01", "never expires")
	never.Expires = time.Time{}
	put(t, s, "r", never)
	all = append(all, never)

	want(t, get(t, s, "r", "2026-01", "2027-01"), all...)
	want(t, get(t, s, "r", "2026-03", "2026-05"), all[2:5]...)
	want(t, get(t, s, "r", "2026-03", "2026-03"), all[2])
	want(t, get(t, s, "r", "", "~"), all...)
	want(t, get(t, s, "r", "2026-031", "2026-049"), all[3])
	want(t, get(t, s, "r", "2026-05", "2026-03"))
	want(t, get(t, s, "none", "", "~"))
}

// rangeEdges asks for every range of names that begin with one another, small blocks and chunked ones, in the order of bytes.
func rangeEdges(t *testing.T, s store.Store, _ *clock) {
	edges := []string{" ", "!", "!a", "!a b", "$", "a", "a ", "a!", `a"b`, "a$", "a0", "aa", "a~", "b", "~"}
	big := noise(391_000, 1)
	for _, name := range edges {
		b := block(name, name)
		if slices.Contains([]string{"!", "!a", "a", "a!", "a$", "a~", "~"}, name) {
			b.Data = big
		}
		put(t, s, "r", b)
	}
	for i, first := range edges {
		for j, last := range edges {
			if j < i || j > i+4 && j < len(edges)-1 {
				continue
			}
			if got := blockNames(get(t, s, "r", first, last)); !slices.Equal(got, edges[i:j+1]) {
				t.Errorf("Blocks from %q to %q: got %q, want %q", first, last, got, edges[i:j+1])
			}
		}
	}
}

func sizes(t *testing.T, s store.Store, _ *clock) {
	var all []store.Block
	for i, n := range []int{0, 1, 389_000, 390_000, 390_001, 391_000, 780_000, 780_001, 20_000_000} {
		b := block(fmt.Sprintf("%d", i), "")
		b.Data = noise(n, uint64(i))
		put(t, s, "r", b)
		want(t, get(t, s, "r", b.Name, b.Name), b)
		all = append(all, b)
	}
	want(t, get(t, s, "r", "0", "9"), all...)
}

func replace(t *testing.T, s store.Store, _ *clock) {
	first, second := block("a", "first"), block("a", "second")
	second.Fetched = first.Fetched.Add(time.Millisecond)
	second.Expires = first.Expires.Add(time.Hour)
	put(t, s, "r", first)
	if err := s.Put(ctx, "r", block("a", "same time")); !errors.Is(err, store.ErrNewer) {
		t.Errorf("Put of a block fetched at the same time: %v", err)
	}
	want(t, get(t, s, "r", "a", "a"), first)
	put(t, s, "r", second)
	want(t, get(t, s, "r", "a", "a"), second)
	if err := s.Put(ctx, "r", first); !errors.Is(err, store.ErrNewer) {
		t.Errorf("Put of an older block: %v", err)
	}
	want(t, get(t, s, "r", "a", "a"), second)
	put(t, s, "another", first)
	want(t, get(t, s, "another", "a", "a"), first)
}

// replaceBySize replaces small by big and back, and refuses an older big one: nothing of another version shows.
func replaceBySize(t *testing.T, s store.Store, _ *clock) {
	neighbour := block("b", "neighbour")
	put(t, s, "r", neighbour)
	for i, n := range []int{10, 1_000_000, 500_000, 20, 900_000} {
		b := block("a", "")
		b.Data = noise(n, uint64(i))
		b.Fetched = start.Add(time.Duration(i) * time.Second)
		put(t, s, "r", b)
		want(t, get(t, s, "r", "a", "b"), b, neighbour)
		old := b
		old.Data, old.Fetched = noise(1_200_000, 50), start.Add(-time.Hour)
		if err := s.Put(ctx, "r", old); !errors.Is(err, store.ErrNewer) {
			t.Errorf("Put of an older block: %v", err)
		}
		want(t, get(t, s, "r", "a", "b"), b, neighbour)
	}
}

func blockExpiry(t *testing.T, s store.Store, c *clock) {
	short, long := block("short", "1"), block("long", "2")
	short.Expires = start.Truncate(time.Second).Add(10 * time.Second)
	put(t, s, "r", short, long)
	c.set(short.Expires.Add(-time.Millisecond))
	want(t, get(t, s, "r", "", "~"), long, short)
	c.set(short.Expires)
	want(t, get(t, s, "r", "", "~"), long)
	// What is past its time does not stand in the way, whenever it was fetched.
	older := block("short", "3")
	older.Fetched = start.Add(-time.Second)
	put(t, s, "r", older)
	want(t, get(t, s, "r", "", "~"), long, older)
	c.advance(2 * time.Hour)
	want(t, get(t, s, "r", "", "~"))
}

func names(t *testing.T, s store.Store, _ *clock) {
	for _, name := range []string{"", "a#b", "é", "a\x00", "a\n", strings.Repeat("x", 513)} {
		if err := s.Put(ctx, "r", block(name, "x")); err == nil {
			t.Errorf("Put of a block with the name %q succeeded", name)
		}
	}
	long := block(strings.Repeat("x", 512), "")
	long.Data = noise(400_000, 3)
	put(t, s, "r", long)
	want(t, get(t, s, "r", "", "~"), long)
	report := store.Report("long " + string(bytes.Repeat([]byte("report, "), 1250)))
	put(t, s, report, block("a", "x"))
	want(t, get(t, s, report, "", "~"), block("a", "x"))
	if all, err := s.Reports(ctx); err != nil || !slices.Contains(all, report) {
		t.Errorf("Reports lack the long one: %v", err)
	}
}

func reports(t *testing.T, s store.Store, _ *clock) {
	if all, err := s.Reports(ctx); err != nil || len(all) != 0 {
		t.Errorf("Reports of an empty store: %q, %v", all, err)
	}
	var put10 []store.Report
	for i := range 10 {
		r := store.Report(fmt.Sprintf("year/month?filter=%d", i))
		put(t, s, r, block("a", "x"), block("b", "x"))
		put10 = append(put10, r)
	}
	all, err := s.Reports(ctx)
	if err != nil {
		t.Fatalf("Reports: %v", err)
	}
	slices.Sort(all)
	if !slices.Equal(all, put10) {
		t.Errorf("Reports: got %q, want %q", all, put10)
	}
}

func purge(t *testing.T, s store.Store, _ *clock) {
	if n, err := s.Purge(ctx, func(store.Report) bool { return true }); n != 0 || err != nil {
		t.Errorf("Purge of an empty store: %d, %v", n, err)
	}
	for i := range 60 {
		put(t, s, "year/a", block(fmt.Sprintf("%02d", i), "x"))
	}
	big := block("big", "")
	big.Data = noise(800_000, 4)
	put(t, s, "year/b", big)
	put(t, s, "month/a", block("a", "kept"))
	n, err := s.Purge(ctx, func(r store.Report) bool { return strings.HasPrefix(string(r), "year/") })
	if n != 61 || err != nil {
		t.Errorf("Purge: %d, %v; want 61", n, err)
	}
	want(t, get(t, s, "year/a", "", "~"))
	want(t, get(t, s, "year/b", "", "~"))
	want(t, get(t, s, "month/a", "", "~"), block("a", "kept"))
	if all, err := s.Reports(ctx); err != nil || !slices.Contains(all, "month/a") {
		t.Errorf("Reports after Purge: %q, %v", all, err)
	}
	// A purged report is purged again after it was filled again, by any process.
	put(t, s, "year/b", big)
	want(t, get(t, s, "year/b", "", "~"), big)
	if n, err := s.Purge(ctx, func(r store.Report) bool { return r == "year/b" }); n != 1 || err != nil {
		t.Errorf("second Purge: %d, %v; want 1", n, err)
	}
	want(t, get(t, s, "year/b", "", "~"))
}

// writerAndReader reads while blocks are replaced by ones of other sizes: each read is one version, and none is lost for long.
func writerAndReader(t *testing.T, s store.Store, _ *clock) {
	version := func(i int) store.Block {
		b := block("a", "")
		b.Data = bytes.Repeat([]byte{byte(i)}, []int{900_000, 10, 400_000}[i%3]+i)
		b.Fetched = start.Add(time.Duration(i) * time.Second)
		return b
	}
	const versions = 24
	put(t, s, "r", version(0))
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for i := 1; i <= versions; i++ {
			if err := s.Put(ctx, "r", version(i)); err != nil {
				t.Errorf("Put: %v", err)
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			last := 0
			for finished := false; !finished; {
				select {
				case <-done:
					finished = true
				default:
				}
				blocks, err := s.Blocks(ctx, "r", "a", "a")
				if err != nil {
					t.Errorf("Blocks: %v", err)
					return
				}
				if len(blocks) == 0 {
					if finished {
						t.Error("the last version is absent")
					}
					continue
				}
				i := int(blocks[0].Data[0])
				if !slices.EqualFunc([]store.Block{version(i)}, blocks, same) {
					t.Errorf("half of two versions: %s", describe(blocks))
				}
				if i < last {
					t.Errorf("version %d was read after %d", i, last)
				}
				last = i
			}
			if last != versions {
				t.Errorf("version %d was read last; want %d", last, versions)
			}
		})
	}
	wg.Wait()
}

func held(t *testing.T, err error, lease string, until time.Time) {
	t.Helper()
	var h *store.HeldError
	if !errors.As(err, &h) {
		t.Fatalf("Acquire of a held lease: %v", err)
	}
	if h.Lease != lease || !h.Until.Equal(until) {
		t.Errorf("HeldError: %+v; want %s until %s", h, lease, until)
	}
}

func leases(t *testing.T, s store.Store, c *clock) {
	acquire := func(lease, holder string, until time.Time) {
		t.Helper()
		if err := s.Acquire(ctx, lease, holder, until); err != nil {
			t.Fatalf("Acquire of %s by %s: %v", lease, holder, err)
		}
	}
	release := func(lease, holder string) {
		t.Helper()
		if err := s.Release(ctx, lease, holder); err != nil {
			t.Fatalf("Release of %s by %s: %v", lease, holder, err)
		}
	}
	until := start.Add(1500 * time.Millisecond)
	acquire("a", "x", until)
	held(t, s.Acquire(ctx, "a", "y", until.Add(time.Hour)), "a", until)
	acquire("b", "y", until)

	later := until.Add(time.Second)
	acquire("a", "x", later)
	held(t, s.Acquire(ctx, "a", "y", later), "a", later)

	release("a", "y")
	held(t, s.Acquire(ctx, "a", "y", later), "a", later)
	release("a", "x")
	release("a", "x")
	release("never held", "x")
	acquire("a", "y", later)

	c.set(later.Add(-time.Millisecond))
	held(t, s.Acquire(ctx, "a", "x", later.Add(time.Hour)), "a", later)
	c.set(later)
	acquire("a", "x", later.Add(time.Hour))
	// Who lost the lease by time does not free it for the new holder.
	release("a", "y")
	held(t, s.Acquire(ctx, "a", "y", later), "a", later.Add(time.Hour))
	if err := s.Acquire(ctx, "", "x", later); err == nil {
		t.Error("Acquire of a lease without a name succeeded")
	}
}

func oneHolder(t *testing.T, s store.Store, c *clock) {
	for round := range 3 {
		until := c.now().Add(time.Minute)
		var got atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				err := s.Acquire(ctx, "one", fmt.Sprintf("holder %d of round %d", i, round), until)
				var h *store.HeldError
				switch {
				case err == nil:
					got.Add(1)
				case !errors.As(err, &h):
					t.Errorf("Acquire: %v", err)
				}
			})
		}
		wg.Wait()
		if got.Load() != 1 {
			t.Errorf("round %d: %d hold the lease", round, got.Load())
		}
		c.set(until)
	}
}

func notes(t *testing.T, s store.Store, c *clock) {
	wantNotes := func(want map[string]store.Note) {
		t.Helper()
		got, err := s.Notes(ctx)
		if err != nil {
			t.Fatalf("Notes: %v", err)
		}
		equal := maps.EqualFunc(got, want, func(a, b store.Note) bool {
			return bytes.Equal(a.Value, b.Value) && a.Expires.Equal(b.Expires.Truncate(time.Second))
		})
		if !equal {
			t.Errorf("Notes: got %v, want %v", got, want)
		}
	}
	putNote := func(name string, n store.Note) {
		t.Helper()
		if err := s.PutNote(ctx, name, n); err != nil {
			t.Fatalf("PutNote: %v", err)
		}
	}
	wantNotes(nil)
	cooldown := store.Note{Value: []byte("wait"), Expires: start.Add(time.Minute)}
	verdict := store.Note{Value: noise(4096, 7)}
	empty := store.Note{}
	putNote("cool-down", store.Note{Value: []byte("first"), Expires: start.Add(time.Second)})
	putNote("cool-down", cooldown)
	putNote("verdict", verdict)
	putNote("empty", empty)
	wantNotes(map[string]store.Note{"cool-down": cooldown, "verdict": verdict, "empty": empty})
	c.advance(2 * time.Second)
	putNote("another write", store.Note{Value: []byte("x")})
	wantNotes(map[string]store.Note{"cool-down": cooldown, "verdict": verdict, "empty": empty, "another write": {Value: []byte("x")}})
	for _, name := range []string{"another write", "empty", "empty", "never there"} {
		if err := s.DeleteNote(ctx, name); err != nil {
			t.Errorf("DeleteNote: %v", err)
		}
	}
	wantNotes(map[string]store.Note{"cool-down": cooldown, "verdict": verdict})
	c.set(cooldown.Expires.Truncate(time.Second))
	wantNotes(map[string]store.Note{"verdict": verdict})
	if err := s.PutNote(ctx, "", verdict); err == nil {
		t.Error("PutNote without a name succeeded")
	}
}

func size(t *testing.T, s store.Store, _ *clock) {
	b := block("a", "")
	b.Data = noise(1000, 5)
	put(t, s, "r", b)
	got, err := s.Size(ctx)
	if err != nil {
		t.Fatalf("Size: %v", err)
	}
	if !got.Approximate && (got.Items < 1 || got.Bytes < 1000 || got.Bytes > 2000) {
		t.Errorf("Size of a block of 1000 bytes: %+v", got)
	}
}

func cancelled(t *testing.T, s store.Store, _ *clock) {
	put(t, s, "r", block("a", "x"))
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	for op, call := range map[string]func() error{
		"Blocks":     func() error { _, err := s.Blocks(ctx, "r", "a", "b"); return err },
		"Put":        func() error { return s.Put(ctx, "r", block("b", "x")) },
		"Purge":      func() error { _, err := s.Purge(ctx, func(store.Report) bool { return true }); return err },
		"Reports":    func() error { _, err := s.Reports(ctx); return err },
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
