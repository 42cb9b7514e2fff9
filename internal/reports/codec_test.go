package reports

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/rows"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// drawFragment draws rows of some days.
func drawFragment(t *rapid.T) rows.Fragment {
	w := rows.NewWriter()
	for range rapid.IntRange(0, 100).Draw(t, "rows") {
		w.Add(fmt.Appendf(nil, `{"year":"2026","month":"7","day":"%d","mvpd":%q}`, rapid.IntRange(1, 28).Draw(t, "day"), rapid.StringMatching(`[a-z{}"é ]{0,9}`).Draw(t, "mvpd")))
	}
	return w.Fragment()
}

func TestBlockEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var known plan.Coverage
		for range rapid.IntRange(1, 4).Draw(t, "spans") {
			from := cmu.Civil(rapid.Int64Range(0, 2e12).Draw(t, "from"))
			known = append(known, plan.Known{
				Span: plan.Span{From: from, To: from + cmu.Civil(rapid.Int64Range(1, 1e9).Draw(t, "length"))},
				Fetched: noon.Add(rapid.Custom(func(t *rapid.T) time.Duration {
					return time.Duration(rapid.Int64Range(-1e6, 1e6).Draw(t, "ms")) * time.Millisecond
				}).Draw(t, "fetched")),
				Settled: rapid.Bool().Draw(t, "settled"), Truncated: rapid.Bool().Draw(t, "truncated"),
			})
		}
		b := &block{
			name: "b2026-07-01", rows: drawFragment(t), coverage: known, lead: rows.Lead{Value: rapid.String().Draw(t, "lead"), Mixed: rapid.Bool().Draw(t, "mixed")},
			links: cmu.Links{Self: "/cmu/v2/year?a=b", RollUp: []cmu.Link{{Href: "/cmu/v2", Name: ""}}, DrillDown: []cmu.Link{{Href: "/x", Name: "x"}, {Href: "/y", Name: "y"}}},
		}
		b.lead.Any = b.rows.Rows > 0
		kept := b.encode(store.Report(b.name))
		again, err := decodeBlock(kept, &linksReader{report: store.Report(b.name)})
		if err != nil {
			t.Fatal(err)
		}
		if x, y := again.encode(store.Report(b.name)), kept; x.Name != y.Name || !bytes.Equal(x.Data, y.Data) || again.lead != b.lead {
			t.Fatalf("%+v reads back as %+v", b, again)
		}
		if n := len(kept.Data) - len(b.rows.Deflate); n > 0 {
			kept.Data = kept.Data[:rapid.IntRange(0, n-1).Draw(t, "left")]
			if _, err := decodeBlock(kept, &linksReader{report: store.Report(b.name)}); !errors.Is(err, errBlock) {
				t.Fatalf("a part of a block: %v", err)
			}
		}
	})
}

func FuzzDecodeBlock(f *testing.F) {
	w := rows.NewWriter()
	w.Add(cmu.Row(`{"a":"b"}`))
	f.Add((&block{coverage: plan.Coverage{{}}, rows: w.Fragment()}).encode("").Data)
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeBlock(store.Block{Data: data}, new(linksReader))
		if err == nil {
			_ = b.rows.Each(func(cmu.Row) error { return nil })
		}
	})
}
