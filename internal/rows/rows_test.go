package rows

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"testing"

	"cmu-gateway/pkg/cmu"

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
	w := NewWriter()
	for _, r := range rows {
		w.Add(cmu.Row(r))
	}
	return w.Fragment()
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
		joined := bytes.Join(JoinGzip([]byte(head), fragments, []byte("]}")), nil)
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
		if err := f.Each(func(r cmu.Row) error { got = append(got, string(r)); return nil }); err != nil || !slices.Equal(got, rows) || f.Rows != len(rows) {
			t.Fatalf("%d rows back of %d: %v", len(got), len(rows), err)
		}
		if len(rows) == 0 {
			return
		}
		f.CRC++
		if err := f.Each(func(cmu.Row) error { return nil }); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("wrong checksum: %v", err)
		}
		f.CRC--
		f.Deflate = f.Deflate[:rapid.IntRange(0, len(f.Deflate)/2).Draw(t, "cut")]
		if err := f.Each(func(cmu.Row) error { return nil }); !errors.Is(err, ErrCorrupt) {
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
		o := NewOrder(cmu.Request{Path: []string{"mvpd", "year", "month", "day"}}, cmu.Day, cmu.Month)
		rows := drawRows(t, "rows")
		s := NewSorter(o)
		var k Key
		keys := map[string]string{}
		for _, r := range rows {
			if err := o.Read(cmu.Row(r), &k); err != nil {
				t.Fatal(err)
			}
			keys[r] = string(k.Sort)
			if s.Add(cmu.Row(r), &k); rapid.IntRange(0, 20).Draw(t, "spill") == 0 {
				s.Spill()
			}
		}
		f, err := s.Fragment()
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := f.Each(func(r cmu.Row) error { got = append(got, string(r)); return nil }); err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(rows)
		slices.SortStableFunc(want, func(a, b string) int { return strings.Compare(keys[a], keys[b]) })
		if !slices.Equal(got, want) {
			t.Fatalf("got %q\nwant %q", got, want)
		}
	})
}
