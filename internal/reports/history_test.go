package reports

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store/storetest"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

// keeping has what Adobe drops kept.
func keeping(o *Options) { o.Policy.Keep = true }

func months(n int) time.Duration { return time.Duration(n) * 30 * 24 * time.Hour }

// Off, all is as it was, but for the word that what comes is not all.
func TestWindowBeforeTheHorizonSaysSo(t *testing.T) {
	r := newRig(t)
	r.behave(func(b *sandbox.Behaviour) { b.InstantRecompute = true })
	get := func(ask string) *Answer {
		t.Helper()
		a, _, err := r.Get(t.Context(), request(t, ask), Directives{})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	const old = "year/month/day?start=2024-01-01&end=2024-08-01"
	june := []plan.Span{{From: cmu.CivilDate(2024, 1, 1, 0, 0), To: cmu.CivilDate(2024, 6, 23, 0, 0)}} // 25 months before, wherever on earth
	for _, c := range []struct {
		ask  string
		want []plan.Span
	}{
		{old, june},
		{"year/month/day?start=2024-07-01&end=2024-08-01", nil},
		{"year/month/day?start=2024-06-23&end=2024-08-01", nil},
		{"year/month/day?start=2024-06-22&end=2024-08-01", []plan.Span{{From: cmu.CivilDate(2024, 6, 22, 0, 0), To: cmu.CivilDate(2024, 6, 23, 0, 0)}}},
		{"year/month?start=2024-06&end=2024-09", []plan.Span{{From: cmu.CivilDate(2024, 6, 1, 0, 0), To: cmu.CivilDate(2024, 7, 1, 0, 0)}}},
		{"year?start=2024&end=2026", []plan.Span{{From: cmu.CivilDate(2024, 1, 1, 0, 0), To: cmu.CivilDate(2025, 1, 1, 0, 0)}}},
		{"year/month/day?end=2024-02", []plan.Span{{From: cmu.CivilDate(2024, 2, 1, 0, 0), To: cmu.CivilDate(2024, 2, 1, 0, 0)}}[:0]},
		{"year/month/day?start=2024-05-01T05:00&end=2024-05-03T07:00", []plan.Span{{From: cmu.CivilDate(2024, 5, 1, 5, 0), To: cmu.CivilDate(2024, 5, 3, 7, 0)}}},
		{"year/month/day?start=1714539600000&end=1714700000000", []plan.Span{{From: cmu.CivilAt(time.UnixMilli(1714539600000), time.UTC), To: cmu.CivilAt(time.UnixMilli(1714700000000), time.UTC)}}},
		{"year/month/day?start=2024-05&end=2024-06&limit=3", []plan.Span{{From: cmu.CivilDate(2024, 5, 1, 0, 0), To: cmu.CivilDate(2024, 6, 1, 0, 0)}}},
		{"mvpd", nil},
		{"year/month/day", nil},
	} {
		for _, proven := range []bool{false, true} {
			r.restart()
			if proven {
				r.prove()
			}
			if got := get(c.ask).BeforeHorizon; !slices.Equal(got, c.want) {
				t.Errorf("%s, proven %v: %v, want %v", c.ask, proven, got, c.want)
			}
			r.after()
		}
	}
	// The tag is of what is said, and the horizon that moves over a kept answer changes nothing of it.
	a := get(old)
	whole := get("year/month/day?start=2024-07-01&end=2024-08-01")
	r.clock.Add(25 * 24 * time.Hour)
	if b := get(old); b.Tag != a.Tag || !slices.Equal(b.BeforeHorizon, june) {
		t.Errorf("%v %s, was %v %s", b.BeforeHorizon, b.Tag, a.BeforeHorizon, a.Tag)
	}
	if b := get("year/month/day?start=2024-07-01&end=2024-08-01"); b.Tag != whole.Tag || b.BeforeHorizon != nil || b.Rows != whole.Rows {
		t.Errorf("%v %s, was %s", b.BeforeHorizon, b.Tag, whole.Tag)
	}
	// Where it is asked for anew, it is what Adobe gives now.
	r.clock.Add(30 * 24 * time.Hour)
	if b := get("year/month/day?start=2024-07-01&end=2024-08-01"); b.Tag == whole.Tag || b.BeforeHorizon == nil || b.Rows >= whole.Rows {
		t.Errorf("off, %d rows and %v are told of what Adobe has dropped", b.Rows, b.BeforeHorizon)
	}
}

// What was stored while keeping was off has an end; it has none from when it is read.
func TestExpiryIsLiftedWhenABlockIsRead(t *testing.T) {
	r := newRig(t)
	r.prove()
	const ask = "tenant/year/month/day?start=2025-01-01&end=2025-04-01"
	before, _ := r.get(ask)
	r.after()
	ends := func() (n, all int) {
		kept, err := r.store.Blocks(t.Context(), scoped("/tenant/year/month/day", r.under("").scope), "b2025-01-01", "b2025-03-01")
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range kept {
			if all++; !b.Expires.IsZero() {
				n++
			}
		}
		return n, all
	}
	if n, all := ends(); n != 3 || all != 3 {
		t.Fatalf("off, %d of %d blocks have an end", n, all)
	}
	r.restart(keeping)
	r.get(ask)
	r.after()
	if n, all := ends(); n != 0 || all != 3 {
		t.Errorf("on, %d of %d blocks have an end after they were read", n, all)
	}
	// Nobody asks for years, and Adobe has dropped it.
	r.clock.Add(months(40))
	r.restart(keeping)
	if after, source := r.get(ask); source != FromStore || !sameRows(before, after) {
		t.Errorf("from %v: %d rows, were %d", source, len(after), len(before))
	}
}

// history is a rig that has kept what Adobe has dropped since.
func keptHistory(t *testing.T) (r *rig, ask string, rows []string) {
	t.Helper()
	r = newRig(t, keeping)
	r.prove()
	ask = "tenant/year/month/day?start=2025-01-01&end=2025-04-01"
	rows, _ = r.get(ask)
	r.after()
	r.clock.Add(months(27))
	r.restart(keeping)
	r.prove()
	return r, ask, rows
}

func (r *rig) still(ask string, rows []string) {
	r.t.Helper()
	a, source, err := r.Get(r.t.Context(), request(r.t, ask), Directives{})
	if err != nil || a.BeforeHorizon != nil || !sameRows(rowsOf(r.t, a), slices.Clone(rows)) {
		r.t.Fatalf("%v, %v: %+v", source, err, a)
	}
}

func TestPurgeLeavesWhatAdobeNoLongerHas(t *testing.T) {
	r, ask, rows := keptHistory(t)
	r.get("tenant/year/month/day?start=2027-06-01&end=2027-08-01")
	if n, err := r.Purge(t.Context(), request(t, "tenant/year/month/day"), false); err != nil || n != (Purged{Deleted: n.Deleted, Kept: 3}) || n.Deleted < 2 {
		t.Errorf("%+v, %v", n, err)
	}
	r.still(ask, rows)
	// Nor does a calendar that is contradicted take it.
	if err := r.under("").forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.still(ask, rows)
	if n, err := r.Purge(t.Context(), request(t, "tenant/year/month/day"), true); err != nil || n.Deleted < 3 || n.Kept != 0 {
		t.Errorf("%+v, %v", n, err)
	}
	a, _, err := r.Get(t.Context(), request(t, ask), Directives{})
	if err != nil || a.Rows != 0 || len(a.BeforeHorizon) != 1 {
		t.Errorf("%v: %+v", err, a)
	}
}

// While the store cannot be read nobody knows what is kept: Adobe's word, which is less, is neither given nor stored.
func TestHistoryThatCannotBeReadIsNotReplaced(t *testing.T) {
	r, ask, rows := keptHistory(t)
	fault := storetest.Failed
	r.restart(keeping, r.faulty(func(op string) storetest.Fault {
		if op == "Blocks" {
			return fault
		}
		return storetest.None
	}))
	for _, ask := range []string{ask, "tenant/year/month/day?start=2025-03-20&end=2025-03-22"} {
		if _, _, err := r.Get(t.Context(), request(t, ask), Directives{}); !errors.Is(err, ErrStore) {
			t.Fatalf("%s: %v", ask, err)
		}
	}
	r.after()
	fault = storetest.None
	r.still(ask, rows)
	// What begins past the horizon and ends after it is one block.
	r, ask, rows = keptHistory(t)
	r.clock.Add(-months(27) + months(25) + 10*24*time.Hour)
	r.restart(keeping, r.faulty(func(op string) storetest.Fault {
		if op == "Blocks" {
			return fault
		}
		return storetest.None
	}))
	fault = storetest.Failed
	if _, _, err := r.Get(t.Context(), request(t, "tenant/year/month/day?start=2024-06-25&end=2024-07-01"), Directives{}); err != nil && !errors.Is(err, ErrStore) {
		t.Fatal(err)
	}
	r.after()
	fault = storetest.None
	r.still(ask, rows)
}

// A clock that was ahead, and an answer that was asked for a moment too early, take nothing away.
func TestFrozenRowsAreNotReplacedByAnyAnswer(t *testing.T) {
	r, ask, rows := keptHistory(t)
	for _, ahead := range []time.Duration{0, 36 * time.Hour} {
		p := newQuery(r.under("").scope, request(t, ask), nature{}, r.policy, r.clock.Now()).periods(false)
		held := r.shelf.loadAround(t.Context(), p)
		for _, b := range held.own() {
			late := *b
			late.fetched = r.clock.Now().Add(ahead)
			start, _ := plan.BlockStart(b.name)
			got, err := late.with(p, []part{{Span: p.grid.Block(start), at: r.clock.Now()}}, b.links)
			if err != nil || got.rows.Digest != b.rows.Digest || len(got.coverage) != 1 || got.coverage[0].Past {
				t.Errorf("ahead by %v: %v, %d rows of %d, %+v", ahead, err, got.rows.Rows, b.rows.Rows, got.coverage)
			}
		}
	}
	r.still(ask, rows)
}

// The proof that slices need is made at once where they may hold what Adobe no longer has.
func TestHistoryIsFoundByAProcessWithoutAVerdict(t *testing.T) {
	r, ask, rows := keptHistory(t)
	for _, note := range []string{noteCalendar} {
		if err := r.store.DeleteNote(t.Context(), r.book().own(note)); err != nil {
			t.Fatal(err)
		}
	}
	r.restart(keeping)
	r.still(ask, rows)
}

// A licence's history is its own.
func TestHistoryIsOfALicence(t *testing.T) {
	r, ask, _ := keptHistory(t)
	r.current.Store(&upstream.Token{Value: r.adobe.TokenOf("GLOBEX").Value, Licence: "other"})
	a, _, err := r.Get(context.Background(), request(t, ask), Directives{})
	if err != nil || a.Rows != 0 || len(a.BeforeHorizon) != 1 {
		t.Errorf("%v: %d rows, %v", err, a.Rows, a.BeforeHorizon)
	}
}

// Hours of years are more blocks than one window has of what Adobe can give: they are found all the same.
func TestHistoryOfHours(t *testing.T) {
	r := newRig(t, keeping)
	r.prove()
	const ask = "year/month/day/hour?start=2024-07-01&end=2024-08-01"
	rows, _ := r.get(ask)
	r.after()
	r.clock.Add(months(12))
	r.restart(keeping)
	a, _, err := r.Get(t.Context(), request(t, "year/month/day/hour?start=2024-07-01&end=2026-12-01"), Directives{})
	if err != nil || len(rows) < 700 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	if want := (plan.Span{From: cmu.CivilDate(2024, 8, 1, 0, 0), To: plan.Pace{Grain: cmu.Hour}.Retained(r.clock.Now())}); len(a.BeforeHorizon) != 1 || a.BeforeHorizon[0] != want {
		t.Errorf("%v is told, want %v", a.BeforeHorizon, want)
	}
	if got := rowsOf(t, a); !slices.Equal(got[:len(rows)], rows) {
		t.Error("the hours that were kept are others")
	}
}
