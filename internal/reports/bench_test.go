package reports

import (
	"bytes"

	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/rows"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"

	"github.com/klauspost/compress/gzip"
)

// coldService is a service over an embedded store that holds 30 blocks of 1,500 rows, about 10 MB of JSON, and one ready
// body of the same.
func coldService(tb testing.TB) (s *Service, ask cmu.Request, kept store.Store, ready store.Report) {
	tb.Helper()
	kept, err := store.OpenBolt(filepath.Join(tb.TempDir(), "cache.db"), store.BoltOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { kept.Close() })
	s = New(Options{Store: kept, Policy: policy, RowLimit: 10_000, Parallel: 4, Memory: 64 << 20})
	now := time.Now()
	if err := s.under("").notebook.noteVerdict(tb.Context(), Verdict{Proven: true, At: now}); err != nil {
		tb.Fatal(err)
	}
	fragments := manyBlocks(30, 1500)
	from := cmu.CivilDate(2024, 1, 1, 0, 0)
	ask = request(tb, fmt.Sprintf("tenant/year/month/day/mvpd/platform?start=%s&end=%s", from, cmu.Month.Step(from, 30)))
	p := newQuery(s.under("").scope, ask, nature{}, policy, now).periods(false)
	for i, month := range p.grid.Blocks(p.want) {
		b := &block{
			name: plan.Name(month.From), rows: fragments[i], lead: rows.Lead{Value: "ACME\x00", Any: true}, fetched: now,
			coverage: plan.Coverage{{Span: month, Fetched: now, Settled: true}},
		}
		if err := kept.Put(tb.Context(), p.report, b.encode(p.report)); err != nil {
			tb.Fatal(err)
		}
	}
	body := bytes.Join(rows.JoinGzip([]byte(`{"report":[`), fragments, []byte("]}")), nil)
	ready = "ready"
	if err := kept.Put(tb.Context(), ready, store.Block{Name: "body", Data: body, Fetched: now}); err != nil {
		tb.Fatal(err)
	}
	return s, ask, kept, ready
}

// BenchmarkStoreHit answers from the embedded store with nothing in memory, beside reading one ready body of that size.
func BenchmarkStoreHit(b *testing.B) {
	s, ask, kept, ready := coldService(b)
	b.Run("blocks", func(b *testing.B) {
		for b.Loop() {
			s.shelf.clear()
			a, source, err := s.Get(b.Context(), ask, Directives{})
			if err != nil || source != FromStore || a.Rows != 45_000 {
				b.Fatal(source, err)
			}
			for _, segment := range a.Gzip([]byte(`{"report":[`), []byte("]}")) {
				io.Discard.Write(segment)
			}
		}
	})
	b.Run("ready", func(b *testing.B) {
		for b.Loop() {
			blocks, err := kept.Blocks(b.Context(), ready, "body", "body")
			if err != nil || len(blocks) != 1 {
				b.Fatal(err)
			}
			io.Discard.Write(blocks[0].Data)
		}
	})
}

func BenchmarkMemoryHit(b *testing.B) {
	s, ask, _, _ := coldService(b)
	for b.Loop() {
		if _, _, err := s.Get(b.Context(), ask, Directives{}); err != nil {
			b.Fatal(err)
		}
	}
}

// manyBlocks makes n fragments of size rows each, such as a wide daily report has.
func manyBlocks(n, size int) (fragments []rows.Fragment) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		w := rows.NewWriter()
		for j := range size {
			w.Add(cmu.Row(fmt.Sprintf(`{"tenant":"ACME","year":"%d","month":"%d","day":"%d","mvpd":"MVPD-%d","platform":"platform %d","active-users":"%d","active-sessions":"%d","started-sessions":"%d","completed-sessions":"%d","failed-attempts":"%d"}`,
				2024+i/12, i%12+1, j%28+1, j%9, j%7, random.IntN(100000), random.IntN(100000), random.IntN(100000), random.IntN(100000), random.IntN(100))))
		}
		fragments = append(fragments, w.Fragment())
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
			z := gzip.NewWriter(io.Discard)
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
