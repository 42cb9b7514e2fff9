package reports

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"

	kgzip "github.com/klauspost/compress/gzip"
	"pgregory.net/rapid"
)

func drawRows(t *rapid.T, name string) (rows []string) {
	for range rapid.IntRange(0, 200).Draw(t, name) {
		rows = append(rows, fmt.Sprintf(`{"year":"2026","month":"%d","day":"%d","mvpd":%q,"n":"%d"}`,
			rapid.IntRange(1, 12).Draw(t, "month"), rapid.IntRange(1, 28).Draw(t, "day"), rapid.StringMatching(`[a-z{}"\\é東 ]{0,9}`).Draw(t, "mvpd"), rapid.IntRange(0, 9999).Draw(t, "n")))
	}
	return rows
}

func fragmentOf(rows []string) Fragment {
	w := newFragmentWriter(levelKept)
	for _, r := range rows {
		w.add(cmu.Row(r))
	}
	return w.fragment()
}

func TestJoinedFragmentsAreOneGzipMember(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var fragments []Fragment
		var all []string
		for range rapid.IntRange(0, 6).Draw(t, "fragments") {
			rows := drawRows(t, "rows")
			fragments = append(fragments, fragmentOf(rows))
			all = append(all, rows...)
		}
		head := strings.Repeat("h", rapid.IntRange(0, 70_000).Draw(t, "head"))
		joined := bytes.Join(joinGzip([]byte(head), fragments, []byte("]}")), nil)
		r, err := gzip.NewReader(bytes.NewReader(joined))
		if err != nil {
			t.Fatal(err)
		}
		r.Multistream(false)
		text, err := io.ReadAll(r)
		if want := head + strings.Join(all, ",") + "]}"; err != nil || string(text) != want {
			t.Fatalf("%d bytes, want %d: %v", len(text), len(want), err)
		}
	})
}

func TestFragmentGivesItsRowsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rows := drawRows(t, "rows")
		f := fragmentOf(rows)
		var got []string
		if err := f.each(func(r cmu.Row) error { got = append(got, string(r)); return nil }); err != nil || !slices.Equal(got, rows) || f.Rows != len(rows) {
			t.Fatalf("%d rows back of %d: %v", len(got), len(rows), err)
		}
		if len(rows) == 0 {
			return
		}
		f.CRC++
		if err := f.each(func(cmu.Row) error { return nil }); !errors.Is(err, errCorrupt) {
			t.Fatalf("wrong checksum: %v", err)
		}
		f.CRC--
		f.Deflate = f.Deflate[:rapid.IntRange(0, len(f.Deflate)/2).Draw(t, "cut")]
		if err := f.each(func(cmu.Row) error { return nil }); !errors.Is(err, errCorrupt) {
			t.Fatalf("cut: %v", err)
		}
	})
}

func TestCombineCRC(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOf(rapid.Byte()).Draw(t, "a"), rapid.SliceOf(rapid.Byte()).Draw(t, "b")
		if got, want := combineCRC(crc32.ChecksumIEEE(a), crc32.ChecksumIEEE(b), int64(len(b))), crc32.ChecksumIEEE(append(a, b...)); got != want {
			t.Fatalf("%x, want %x", got, want)
		}
	})
}

func TestSorterSortsAnyOrderInRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := newOrder(cmu.Request{Path: []string{"mvpd", "year", "month", "day"}})
		rows := drawRows(t, "rows")
		s := sorter{order: o}
		var k key
		keys := map[string]string{}
		for i, r := range rows {
			if err := o.of(cmu.Row(r), &k); err != nil {
				t.Fatal(err)
			}
			keys[r] = string(k.sort)
			if s.add(cmu.Row(r), &k); rapid.IntRange(0, 20).Draw(t, "spill") == 0 {
				s.spill()
			}
			_ = i
		}
		f, err := s.fragment()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := f.each(func(r cmu.Row) error { got = append(got, string(r)); return nil }); err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(rows)
		slices.SortStableFunc(want, func(a, b string) int { return strings.Compare(keys[a], keys[b]) })
		if !slices.Equal(got, want) {
			t.Fatalf("got %q\nwant %q", got, want)
		}
	})
}

func TestBlockEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		s.spans = append(s.spans, known{span: exactSpan, Fetched: noon})
		b := &block{
			name: "b2026-07-01", rows: fragmentOf(drawRows(t, "rows")), spans: s.spans, lead: rapid.String().Draw(t, "lead"), mixed: rapid.Bool().Draw(t, "mixed"),
			links: cmu.Links{Self: "/cmu/v2/year?a=b", RollUp: []cmu.Link{{Href: "/cmu/v2", Name: ""}}, DrillDown: []cmu.Link{{Href: "/x", Name: "x"}, {Href: "/y", Name: "y"}}},
		}
		kept := b.encode()
		again, err := decodeBlock(kept)
		if err != nil {
			t.Fatal(err)
		}
		if x, y := again.encode(), kept; x.Name != y.Name || !bytes.Equal(x.Data, y.Data) {
			t.Fatalf("%+v reads back as %+v", b, again)
		}
		if n := len(kept.Data) - len(b.rows.Deflate); n > 0 {
			kept.Data = kept.Data[:rapid.IntRange(0, n-1).Draw(t, "cut")]
			if _, err := decodeBlock(kept); !errors.Is(err, errBlock) {
				t.Fatalf("a cut block: %v", err)
			}
		}
	})
}

func FuzzDecodeBlock(f *testing.F) {
	f.Add((&block{spans: []known{{}}, rows: fragmentOf([]string{`{"a":"b"}`})}).encode().Data)
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeBlock(store.Block{Data: data})
		if err == nil {
			b.rows.each(func(r cmu.Row) error { return nil })
		}
	})
}

// manyBlocks makes n fragments of rows rows each, such as a wide daily report has.
func manyBlocks(n, rows int) (fragments []Fragment) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		w := newFragmentWriter(levelKept)
		for j := range rows {
			w.add(cmu.Row(fmt.Sprintf(`{"tenant":"ACME","year":"%d","month":"%d","day":"%d","mvpd":"MVPD-%d","platform":"platform %d","active-users":"%d","active-sessions":"%d","started-sessions":"%d","completed-sessions":"%d","failed-attempts":"%d"}`,
				2024+i/12, i%12+1, j%28+1, j%9, j%7, random.IntN(100000), random.IntN(100000), random.IntN(100000), random.IntN(100000), random.IntN(100))))
		}
		fragments = append(fragments, w.fragment())
	}
	return fragments
}

// BenchmarkJSONOfBlocks makes one gzip body of about 10 MB of JSON in 30 blocks: joined as the blocks are, and by
// decompressing, joining and compressing.
func BenchmarkJSONOfBlocks(b *testing.B) {
	fragments := manyBlocks(30, 1500)
	a := &Answer{Fragments: fragments}
	head, tail := []byte(`{"report":[`), []byte(`]}`)
	b.Run("joined", func(b *testing.B) {
		for b.Loop() {
			for _, s := range a.Gzip(head, tail) {
				io.Discard.Write(s)
			}
		}
	})
	b.Run("recompressed", func(b *testing.B) {
		for b.Loop() {
			z := kgzip.NewWriter(io.Discard)
			z.Write(head)
			n := 0
			if err := a.Each(func(r cmu.Row) error {
				if n++; n > 1 {
					z.Write([]byte{','})
				}
				_, err := z.Write(r)
				return err
			}); err != nil {
				b.Fatal(err)
			}
			z.Write(tail)
			z.Close()
		}
	})
}
