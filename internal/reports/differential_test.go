package reports

import (
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"
)

var (
	asks = flag.Int("asks", 25, "random requests that each case of the differential test compares")
	seed = flag.Uint64("seed", 1, "seed of the differential tests")
)

// documented returns the paths and metrics of Adobe's example reports.
func documented(t testing.TB) (paths []string, metrics map[string][]string) {
	t.Helper()
	f, err := os.Open("../../pkg/cmu/testdata/cmu-reports.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	records, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	metrics = map[string][]string{}
	for _, rec := range records[1:] {
		paths = append(paths, rec[2])
		metrics[rec[2]] = strings.Fields(rec[3])
	}
	return paths, metrics
}

// asker draws requests that dashboards, scripts and people might send: few reports, windows that overlap, now and then
// something odd.
type asker struct {
	*rand.Rand
	reports []string
	now     func() time.Time
}

func newAsker(t testing.TB, seed uint64, now func() time.Time) *asker {
	a := &asker{Rand: rand.New(rand.NewPCG(seed, 1)), now: now}
	paths, metrics := documented(t)
	paths = append(paths, "year", "year/month", "tenant", "mvpd", "tenant/year/month/day/hour/minute", "year/mvpd/month/day", "year/duration/occurrences/month/day/tenant", "billing/daily")
	for range 12 {
		path := paths[a.IntN(len(paths))]
		var query []string
		if m := metrics[path]; len(m) > 1 && a.IntN(3) == 0 {
			query = append(query, "metrics="+m[a.IntN(len(m))]+","+m[0])
		}
		if a.IntN(4) == 0 && strings.HasPrefix(path, "tenant/") {
			query = append(query, []string{"tenant", "tenant=ACME", "tenant!=ACME"}[a.IntN(3)])
		}
		if a.IntN(4) == 0 && strings.Contains(path, "platform") {
			query = append(query, []string{"platform!=x", "platform"}[a.IntN(2)])
		}
		a.reports = append(a.reports, path+"?"+strings.Join(query, "&"))
	}
	return a
}

func (a *asker) ask() string {
	report := a.reports[a.IntN(len(a.reports))]
	path, _, _ := strings.Cut(report, "?")
	r, err := cmu.Parse(path, "")
	if err != nil {
		panic(err)
	}
	grain, _ := r.Grain()
	span := map[cmu.Grain]time.Duration{cmu.Minute: 3 * time.Hour, cmu.Hour: 4 * 24 * time.Hour, cmu.Day: 70 * 24 * time.Hour, cmu.Month: 700 * 24 * time.Hour, cmu.Year: 800 * 24 * time.Hour}[grain]
	if span == 0 {
		span = time.Hour
	}
	now := cmu.CivilAt(a.now(), time.UTC)
	from := now.Add(-time.Duration(a.Int64N(int64(span))))
	to := from.Add(time.Duration(a.Int64N(int64(span))))
	fine := min(grain+1, cmu.Minute)
	if a.IntN(3) > 0 {
		fine = grain
	}
	if fine == cmu.NoGrain {
		fine = cmu.Day
	}
	from, to = fine.Floor(from), fine.Step(to, 1)
	ask := report
	switch a.IntN(8) {
	case 0:
		ask += fmt.Sprintf("&start=%s", from)
	case 1:
		ask += fmt.Sprintf("&end=%s", to)
	case 2:
		ask += fmt.Sprintf("&start=%s&end=%s&limit=%d", from, to, 1+a.IntN(50))
	default:
		ask += fmt.Sprintf("&start=%s&end=%s", from, to)
	}
	return ask
}

// TestSameAsAdobe compares, for random requests in a random order on a clock that moves, what the service answers with
// what the simulated Adobe itself answers, under each of the ways in which Adobe may behave where it is silent.
func TestSameAsAdobe(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*sandbox.Behaviour)
		sliced bool // the calendar check is expected to allow slicing
	}{
		"documented":          {func(b *sandbox.Behaviour) {}, true},
		"end inclusive":       {func(b *sandbox.Behaviour) { b.EndInclusive = "whole" }, true},
		"end partly included": {func(b *sandbox.Behaviour) { b.EndInclusive = "partial" }, false},
		"window zone +1":      {func(b *sandbox.Behaviour) { b.WindowShiftHours = 1 }, false},
		"window zone +8":      {func(b *sandbox.Behaviour) { b.WindowShiftHours = 8 }, false},
		"window zone -3":      {func(b *sandbox.Behaviour) { b.WindowShiftHours = -3 }, false},
		"months from 0":       {func(b *sandbox.Behaviour) { b.MonthsFromZero = true }, false},
		"days from 0":         {func(b *sandbox.Behaviour) { b.DaysFromZero = true }, false},
		"shuffled":            {func(b *sandbox.Behaviour) { b.Shuffle = true }, true},
		"numbers":             {func(b *sandbox.Behaviour) { b.JSONNumbers = true }, true},
		"Los Angeles":         {func(b *sandbox.Behaviour) { b.Zone = "America/Los_Angeles" }, true},
		"clamped":             {func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = 2000, "clamp" }, true},
		"clamped silently":    {func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = 2000, "clamp_silently" }, true},
		"limit refused":       {func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = 2000, "refuse" }, true},
		"too wide":            {func(b *sandbox.Behaviour) { b.MaxCells = 20_000 }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.behave(func(b *sandbox.Behaviour) { c.change(b); b.InstantRecompute = true })
			asker := newAsker(t, *seed, r.clock.Now)
			sources := map[Source]int{}
			for range *asks {
				sources[r.compare(asker.ask())]++
				if asker.IntN(3) > 0 {
					r.after()
				}
				if asker.IntN(10) == 0 {
					r.clock.Add(time.Duration(asker.IntN(5*3600)) * time.Second)
				}
			}
			if v := r.book().verdict(); v.Proven != c.sliced {
				t.Errorf("verdict %+v, want proven %v", v, c.sliced)
			}
			t.Log(sources, r.calls())
		})
	}
}

// whole asks Adobe directly while it cuts and refuses nothing for its size.
func (r *rig) whole(ask string) ([]string, error) {
	before := r.adobe.Behaviour()
	r.behave(func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode, b.MaxCells = 0, "", 0 })
	defer r.behave(func(b *sandbox.Behaviour) { *b = before })
	return r.tryDirect(ask)
}

// completable reports whether nothing keeps the service from asking in parts.
func (r *rig) completable(ask string) bool {
	return newQuery(r.under(r.tenant()).scope, request(r.t, ask), nature{}, policy, r.clock.Now()).sliceable() && r.book().verdict().Proven
}

// compare asks both sides. The rows of a stale answer are as Adobe had them: they are not compared.
func (r *rig) compare(ask string) Source {
	r.t.Helper()
	a, source, err := r.Get(r.t.Context(), request(r.t, ask), Directives{})
	want, refused := r.whole(ask)
	switch {
	case refused != nil || err != nil:
		var e, own *cmu.Error
		if !errors.As(refused, &e) || !errors.As(err, &own) || e.Status != own.Status {
			r.t.Fatalf("%s: %v, Adobe says %v", ask, err, refused)
		}
	case a.Incomplete && r.completable(ask):
		r.t.Fatalf("%s: incomplete from %v", ask, source)
	case source != Stale && !a.Incomplete && r.clock.Now().Sub(a.Fetched) == 0:
		r.inOrder(ask, a)
		got := rowsOf(r.t, a)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			r.t.Fatalf("%s: from %v: %d rows, Adobe has %d%s", ask, source, len(got), len(want), firstDifference(got, want))
		}
	}
	return source
}
