package reports

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/rows"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// watched is a store that tells what is put into it.
type watched struct {
	store.Store
	mu     sync.Mutex
	put    []store.Block
	report store.Report // of the latest
}

func (w *watched) Put(ctx context.Context, r store.Report, b store.Block) error {
	w.mu.Lock()
	w.put, w.report = append(w.put, b), r
	w.mu.Unlock()
	return w.Store.Put(ctx, r, b)
}

func (r *rig) watchStore() *watched {
	w := &watched{Store: r.store}
	r.restart(func(o *Options) { o.Store = w })
	r.prove()
	r.after()
	w.put = nil
	return w
}

// A report without a row is asked for again sooner than that it takes hundreds of items for a year.
func TestReportWithoutRowsIsStoredForAShortTime(t *testing.T) {
	r := newRig(t)
	w := r.watchStore()
	const none = "tenant/year/month/day/hour/minute?tenant=Nobody&start=2026-05-01&end=2026-06-02T23:00"
	if got, source := r.get(none); len(got) != 0 || source != FromAdobe {
		t.Fatal(len(got), source)
	}
	r.after()
	if n := len(w.put); n == 0 || n > storeBarren {
		t.Errorf("%d blocks were stored, want at most %d", n, storeBarren)
	}
	for _, b := range w.put {
		if life := b.Expires.Sub(r.clock.Now()); life > keepBarren {
			t.Fatalf("a block without rows of a report without rows is kept for %v", life)
		}
	}
	// In memory all is known, and what is stored goes on counting elsewhere.
	before := r.calls()
	if _, source := r.get(none); source != FromMemory || r.calls() != before {
		t.Error(source, r.calls()-before)
	}
	r.restart()
	if _, source := r.get("tenant/year/month/day/hour/minute?tenant=Nobody&start=2026-06-01&end=2026-06-02"); source != FromStore || r.calls() != before {
		t.Errorf("a day: %v, %d calls", source, r.calls()-before)
	}
	// Hours without rows beside such with rows are kept as long as those.
	w = r.watchStore()
	r.get("year/month/day/hour?tenant=ACME&start=2026-05-01&end=2026-05-03")
	r.after()
	if len(w.put) == 0 {
		t.Fatal("nothing was stored")
	}
	for _, b := range w.put {
		if strings.HasPrefix(b.Name, "b") && b.Expires.Sub(r.clock.Now()) < keepPeriods-time.Hour {
			t.Errorf("block %s is kept for %v", b.Name, b.Expires.Sub(r.clock.Now()))
		}
	}
}

// What Adobe's links say of a report, with all its filters, is not stored anew with each block.
func TestLinksTakeLittleInEachBlock(t *testing.T) {
	r := newRig(t)
	w := r.watchStore()
	var filters strings.Builder
	for i := range 170 {
		fmt.Fprintf(&filters, "&application-id!=application%%20%d-%x", i, i*7919)
	}
	ask := "tenant/year/month/day/hour?start=2026-05-01&end=2026-05-31" + filters.String()
	got, _ := r.get(ask)
	r.after()
	beside := 0
	for _, b := range w.put {
		d, err := decodeBlock(b, &linksReader{report: w.report})
		if err != nil {
			t.Fatal(err)
		}
		beside += len(b.Data) - len(d.rows.Deflate)
	}
	if n := len(w.put); n < 30 || beside/n > 750 {
		t.Errorf("%d blocks take %d bytes beside their rows, want at most 750 each", n, beside)
	}
	// The answer from the store tells all the same.
	a, _, err := r.Get(t.Context(), request(t, ask), Directives{})
	if err != nil {
		t.Fatal(err)
	}
	r.restart()
	b, source, err := r.Get(t.Context(), request(t, ask), Directives{})
	if err != nil || source != FromStore || b.Tag != a.Tag || len(b.DrillDown) == 0 || len(rowsOf(t, b)) != len(got) {
		t.Errorf("%v, %v: %d rows, links %v, want %v", source, err, b.Rows, b.DrillDown, a.DrillDown)
	}
	if diff := cmp.Diff(a.Columns, b.Columns); diff != "" || len(a.Columns) == 0 {
		t.Errorf("columns: %s", diff)
	}
}

func TestStoreOfOneFetchIsBounded(t *testing.T) {
	var s budgetOfStore
	big := &block{rows: rows.Fragment{Rows: 1, Deflate: make([]byte, storeBytes/4)}}
	if n := len(s.within([]*block{big, big, big, big, big}, false)); n != 3 {
		t.Errorf("%d quarters of the bound, and what goes with them, fit", n)
	}
	if n := len(s.within([]*block{{}}, false)); n != 1 {
		t.Error("a small block does not fit beside them")
	}
}

// encode010 is how release 0.1.0 stored a block.
func encode010(b *block) store.Block {
	d := binary.AppendUvarint(nil, 0)
	d = binary.AppendUvarint(d, uint64(len(b.coverage)))
	for _, s := range b.coverage {
		d = binary.AppendVarint(d, int64(s.From))
		d = binary.AppendVarint(d, int64(s.To))
		d = binary.AppendVarint(d, s.Fetched.UnixMilli())
		d = binary.AppendUvarint(d, flagSettled)
	}
	d = appendString(d, b.lead.Value)
	d = appendString(d, b.links.Self)
	for _, links := range [][]cmu.Link{b.links.RollUp, b.links.DrillDown} {
		d = binary.AppendUvarint(d, uint64(len(links)))
		for _, l := range links {
			d = appendString(appendString(d, l.Href), l.Name)
		}
	}
	d = binary.AppendUvarint(d, uint64(b.rows.Rows))
	d = binary.AppendUvarint(d, uint64(b.rows.Len))
	d = binary.BigEndian.AppendUint32(d, b.rows.CRC)
	d = append(d, b.rows.Digest[:]...)
	return store.Block{Name: b.name, Data: append(d, b.rows.Deflate...), Fetched: b.fetched}
}

// decode010 is how release 0.1.0 read the beginning of one.
func decode010(data []byte) bool {
	d := decoder{data: data}
	d.uvarint()
	d.count()
	return !d.broken
}

func TestBlocksOfAnEarlierRelease(t *testing.T) {
	w := rows.NewWriter()
	w.Add(cmu.Row(`{"year":"2026","month":"7","users":"1"}`))
	b := &block{
		name: "b2026", rows: w.Fragment(), fetched: noon, lead: rows.Lead{Value: "ACME\x00", Any: true},
		coverage: plan.Coverage{{Span: plan.Span{From: 1, To: 2}, Fetched: noon, Settled: true}},
		links:    cmu.Links{Self: "/cmu/v2/year?a=b", RollUp: []cmu.Link{{Href: "/cmu/v2", Name: "x"}}},
	}
	old, err := decodeBlock(encode010(b), new(linksReader))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b.links, old.links); diff != "" {
		t.Error(diff)
	}
	if old.rows.Columns != (rows.Columns{}) || old.rows.Rows != 1 || old.rows.Digest != b.rows.Digest {
		t.Errorf("%+v", old.rows)
	}
	if !decode010(encode010(b).Data) || decode010(b.encode("").Data) {
		t.Error("an earlier release does not take a block of this one for damaged")
	}
}
