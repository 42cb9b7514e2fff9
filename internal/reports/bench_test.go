package reports

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// coldService is a service over an embedded store that holds 30 blocks of 1,500 rows, about 10 MB of JSON, and one ready
// body of the same.
func coldService(tb testing.TB) (s *Service, ask cmu.Request, ready store.Report) {
	tb.Helper()
	kept, err := store.OpenBolt(filepath.Join(tb.TempDir(), "cache.db"), store.BoltOptions{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { kept.Close() })
	s = &Service{Store: kept, Policy: policy, RowLimit: 10_000, Parallel: 4, Memory: 64 << 20}
	s.Start()
	now := time.Now()
	if err := s.setVerdict(tb.Context(), Verdict{Proven: true, At: now}); err != nil {
		tb.Fatal(err)
	}
	fragments := manyBlocks(30, 1500)
	from := cmu.CivilDate(2024, 1, 1, 0, 0)
	to := cmu.Month.Step(from, 30)
	ask = request(tb, fmt.Sprintf("tenant/year/month/day/mvpd/platform?start=%s&end=%s", from, to))
	job := s.Policy.periodsJob(ask, span{from, to})
	for i, start := range blockStarts(cmu.Day, job.want) {
		b := &block{name: blockName(start), rows: fragments[i], lead: "ACME\x00", fetched: now, spans: []known{{span{start, cmu.Month.Step(start, 1)}, now, true, false}}}
		if err := kept.Put(tb.Context(), job.report, b.encode()); err != nil {
			tb.Fatal(err)
		}
	}
	body := bytes.Join(joinGzip([]byte(`{"report":[`), fragments, []byte("]}")), nil)
	ready = "ready"
	if err := kept.Put(tb.Context(), ready, store.Block{Name: "body", Data: body, Fetched: now}); err != nil {
		tb.Fatal(err)
	}
	return s, ask, ready
}

// BenchmarkStoreHit answers from the embedded store with nothing in memory, beside reading one ready body of that size.
func BenchmarkStoreHit(b *testing.B) {
	s, ask, ready := coldService(b)
	b.Run("blocks", func(b *testing.B) {
		for b.Loop() {
			s.memory.clear()
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
			blocks, err := s.Store.Blocks(b.Context(), ready, "body", "body")
			if err != nil || len(blocks) != 1 {
				b.Fatal(err)
			}
			io.Discard.Write(blocks[0].Data)
		}
	})
}

func BenchmarkMemoryHit(b *testing.B) {
	s, ask, _ := coldService(b)
	for b.Loop() {
		if _, _, err := s.Get(b.Context(), ask, Directives{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestMemoryOfALargeReport lets a report of 100 MB pass through for the first time. The race detector needs memory and time of
// its own: under it a tenth of that does.
func TestMemoryOfALargeReport(t *testing.T) {
	const days = 30
	rows := 420_000
	if raceDetector {
		rows /= 10
	}
	now := time.Date(2026, 7, 21, 12, 0, 0, 0, time.UTC)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"_links":{"self":{"href":"/cmu/v2/year?limit=1000000"}},"report":[`)
		row := []byte(nil)
		for i := range rows {
			if row = row[:0]; i > 0 {
				row = append(row, ',')
			}
			row = fmt.Appendf(row, `{"year":"2026","month":"6","day":"%d","tenant":"ACME","mvpd":"MVPD %d","application-id":"%08x-1111-2222-3333-%012x","active-users":"%d","active-sessions":"%d","started-sessions":"%d","completed-sessions":"%d","failed-attempts":"%d"}`,
				i*days/rows+1, i%17, i%41, i%41, i*7919%10007, i*104729%20011, i*1299709%15013, i%99991, i%7)
			w.Write(row)
		}
		io.WriteString(w, `]}`)
	}))
	defer server.Close()
	kept, err := store.OpenBolt(filepath.Join(t.TempDir(), "cache.db"), store.BoltOptions{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	r := &rig{t: t, clock: &clock{t: now}}
	s := r.process(&cmu.Client{ReportsURL: server.URL}, kept)
	s.RowLimit = 1_000_000
	s.Start()
	if err := s.setVerdict(t.Context(), Verdict{Proven: true, At: now}); err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	peak, stop := peakHeap()
	a, _, err := s.Get(t.Context(), request(t, "year/month/day/tenant/mvpd/application-id?start=2026-06&end=2026-07"), Directives{})
	stop()
	if err != nil || a.Rows != rows {
		t.Fatal(a, err)
	}
	plain, compressed := int64(0), int64(0)
	for _, f := range a.Fragments {
		plain, compressed = plain+f.Len, compressed+int64(len(f.Deflate))
	}
	used := int64(*peak) - int64(before.HeapAlloc)
	t.Logf("%d MB of JSON, %d MB compressed, at most %d MB of heap", plain>>20, compressed>>20, used>>20)
	if bound := 3*compressed + 64<<20; used > bound || plain < int64(rows)*200 {
		t.Errorf("%d bytes of heap for %d, want at most %d", used, plain, bound)
	}
}

// peakHeap watches the live heap, garbage of at most one collection included, until stop.
func peakHeap() (peak *uint64, stop func()) {
	peak = new(uint64)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		often := time.NewTicker(5 * time.Millisecond)
		defer often.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			*peak = max(*peak, m.HeapAlloc)
			select {
			case <-quit:
				return
			case <-often.C:
			}
		}
	}()
	return peak, func() { close(quit); <-done }
}
