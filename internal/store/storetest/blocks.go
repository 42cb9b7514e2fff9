package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cmu-gateway/internal/store"
)

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

// replaceAhead replaces what a clock that was ahead has written.
func replaceAhead(t *testing.T, s store.Store, _ *clock) {
	ahead, now := block("a", "ahead"), block("a", "now")
	ahead.Fetched = start.Add(24 * time.Hour)
	put(t, s, "r", ahead, now)
	want(t, get(t, s, "r", "a", "a"), now)
	little := block("b", "little")
	little.Fetched = start.Add(time.Minute)
	put(t, s, "r", little)
	if err := s.Put(ctx, "r", block("b", "now")); !errors.Is(err, store.ErrNewer) {
		t.Errorf("Put over what was fetched a minute ahead: %v", err)
	}
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
	if n, err := s.Purge(ctx, func(r store.Report) bool { return r == report }, nil); n != 1 || err != nil {
		t.Errorf("Purge of the long one: %d, %v", n, err)
	}
}

func purge(t *testing.T, s store.Store, _ *clock) {
	if n, err := s.Purge(ctx, func(store.Report) bool { return true }, nil); n != 0 || err != nil {
		t.Errorf("Purge of an empty store: %d, %v", n, err)
	}
	for i := range 60 {
		put(t, s, "year/a", block(fmt.Sprintf("%02d", i), "x"))
	}
	big := block("big", "")
	big.Data = noise(800_000, 4)
	put(t, s, "year/b", big)
	put(t, s, "month/a", block("a", "kept"))
	var asked []string
	n, err := s.Purge(ctx, func(r store.Report) bool {
		asked = append(asked, string(r))
		return strings.HasPrefix(string(r), "year/")
	}, nil)
	if slices.Sort(asked); !slices.Equal(asked, []string{"month/a", "year/a", "year/b"}) {
		t.Errorf("Purge asked for %q", asked)
	}
	if n != 61 || err != nil {
		t.Errorf("Purge: %d, %v; want 61", n, err)
	}
	want(t, get(t, s, "year/a", "", "~"))
	want(t, get(t, s, "year/b", "", "~"))
	want(t, get(t, s, "month/a", "", "~"), block("a", "kept"))
	// A purged report is purged again after it was filled again, by any process.
	put(t, s, "year/b", big)
	want(t, get(t, s, "year/b", "", "~"), big)
	if n, err := s.Purge(ctx, func(r store.Report) bool { return r == "year/b" }, nil); n != 1 || err != nil {
		t.Errorf("second Purge: %d, %v; want 1", n, err)
	}
	want(t, get(t, s, "year/b", "", "~"))
}

// purgeSpares leaves blocks by their names, those of many items too, and their report stays known to the next purge.
func purgeSpares(t *testing.T, s store.Store, _ *clock) {
	big := block("b2", "")
	big.Data = noise(900_000, 9)
	put(t, s, "r", block("b1", "x"), big, block("b3", "y"), block("x", "z"))
	put(t, s, "other", block("b1", "kept"))
	all := func(r store.Report) bool { return r == "r" }
	if n, err := s.Purge(ctx, all, func(name string) bool { return name == "b2" || name == "b3" }); n != 2 || err != nil {
		t.Errorf("Purge: %d, %v; want 2", n, err)
	}
	want(t, get(t, s, "r", "", "~"), big, block("b3", "y"))
	if n, err := s.Purge(ctx, all, func(name string) bool { return false }); n != 2 || err != nil {
		t.Errorf("Purge of what was spared: %d, %v; want 2", n, err)
	}
	want(t, get(t, s, "r", "", "~"))
	want(t, get(t, s, "other", "", "~"), block("b1", "kept"))
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
