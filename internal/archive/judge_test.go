package archive

import (
	"testing"
	"time"

	testrig "cmu-gateway/internal/rig"

	"cmu-gateway/internal/plan"
	"cmu-gateway/pkg/cmu"

	"pgregory.net/rapid"
)

func TestJudge(t *testing.T) {
	now := testrig.Tuesday
	june := inMonth(cmu.CivilDate(2026, 6, 1, 0, 0))
	final := cmu.BoundAt(june.To)
	old := Label{Rows: 10, Digest: "a", Complete: true, Fetched: now.Add(-time.Hour), SettledUntil: final, Licence: "1"}
	with := func(change func(*Label)) Label {
		l := old
		l.Fetched = now
		change(&l)
		return l
	}
	for name, test := range map[string]struct {
		kept  *Label
		found Label
		want  verdict
	}{
		"nothing is kept":            {nil, old, write},
		"the same":                   {&old, with(func(*Label) {}), keep},
		"restated":                   {&old, with(func(l *Label) { l.Digest = "b" }), write},
		"restated, and fewer rows":   {&old, with(func(l *Label) { l.Digest, l.Rows = "b", 9 }), write},
		"older":                      {&old, with(func(l *Label) { l.Digest, l.Fetched = "b", old.Fetched.Add(-time.Second) }), keep},
		"of the same fetch":          {&old, with(func(l *Label) { l.Digest, l.Fetched = "b", old.Fetched }), keep},
		"incomplete":                 {&old, with(func(l *Label) { l.Digest, l.Complete = "b", false }), refuse},
		"no rows":                    {&old, with(func(l *Label) { l.Digest, l.Rows = "b", 0 }), refuse},
		"another licence":            {&old, with(func(l *Label) { l.Digest, l.Licence = "b", "2" }), refuse},
		"an unknown licence":         {&old, with(func(l *Label) { l.Digest, l.Licence = "b", "" }), write},
		"made up":                    {&old, with(func(l *Label) { l.Digest, l.Simulated = "b", true }), refuse},
		"has become final":           {ptr(with(func(l *Label) { l.SettledUntil, l.Fetched = cmu.BoundAt(june.From), old.Fetched })), with(func(*Label) {}), write},
		"is not final yet, the same": {ptr(with(func(l *Label) { l.SettledUntil, l.Fetched = cmu.BoundAt(june.From), old.Fetched })), with(func(l *Label) { l.SettledUntil = cmu.BoundAt(june.From) }), keep},
		"has become complete":        {ptr(with(func(l *Label) { l.Complete, l.Fetched = false, old.Fetched })), with(func(*Label) {}), write},
		"incomplete, and more":       {ptr(with(func(l *Label) { l.Complete, l.Fetched = false, old.Fetched })), with(func(l *Label) { l.Complete, l.Digest = false, "b" }), write},
	} {
		got, why := judge(june, test.kept, test.found, now)
		if got != test.want || (why == "") != (got != refuse) {
			t.Errorf("%s: %v %q, want %v", name, got, why, test.want)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func labels(t *rapid.T, month plan.Span, now time.Time) Label {
	days := rapid.IntRange(0, 31).Draw(t, "settled days")
	return Label{
		Rows: rapid.IntRange(0, 3).Draw(t, "rows"), Digest: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "digest"),
		Complete: rapid.Bool().Draw(t, "complete"), Fetched: now.Add(-time.Duration(rapid.IntRange(0, 90).Draw(t, "age")) * 24 * time.Hour),
		SettledUntil: cmu.BoundAt(min(cmu.Day.Step(month.From, days), month.To)),
		Licence:      rapid.SampledFrom([]string{"", "1", "2"}).Draw(t, "licence"), Simulated: rapid.Bool().Draw(t, "simulated"),
	}
}

// Whatever comes in whatever order, an archive gets no worse: no month past the horizon is touched, what is complete stays complete,
// rows stay, licences do not mix, newer rows stay newer, and what is equal is written once more at most, when it has become final or complete.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := testrig.Tuesday.Add(time.Duration(rapid.IntRange(0, 1000).Draw(t, "days")) * 24 * time.Hour)
		month := inMonth(cmu.Month.Step(cmu.CivilAt(now, time.UTC), -rapid.IntRange(0, 30).Draw(t, "months ago")))
		var kept *Label
		same := 0
		for range rapid.IntRange(1, 8).Draw(t, "finds") {
			found := labels(t, month, now)
			v, _ := judge(month, kept, found, now)
			past := month.From <= plan.Horizon(now)
			if (v == forever) != past {
				t.Fatalf("verdict %v of a month from %v at %v", v, month.From, now)
			}
			if kept == nil && !past && v != write {
				t.Fatalf("nothing is kept, and %v", v)
			}
			if v == write && kept != nil {
				switch {
				case kept.Complete && !found.Complete, kept.Rows > 0 && found.Rows == 0, !found.Fetched.After(kept.Fetched),
					kept.Simulated != found.Simulated, kept.Licence != "" && found.Licence != "" && kept.Licence != found.Licence:
					t.Fatalf("%+v replaces %+v", found, *kept)
				}
				if same++; kept.Digest != found.Digest {
					same = 0
				} else if same > 2 {
					t.Fatalf("equal rows were written %d times", same)
				}
			}
			if v == write {
				kept = &found
			}
		}
	})
}

// Months are looked at once, in order, from the horizon on up to now; and each that is new, that may still change or that was settled lately.
func TestDue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := testrig.Tuesday.Add(time.Duration(rapid.IntRange(0, 24*800).Draw(t, "hours")) * time.Hour)
		p := plan.Pace{Policy: testrig.Policy, Grain: rapid.SampledFrom([]cmu.Grain{cmu.Month, cmu.Day, cmu.Hour}).Draw(t, "grain")}
		kept := map[cmu.Civil]Label{}
		for i := range 32 {
			if month := cmu.Month.Step(cmu.CivilAt(now, time.UTC), -i); rapid.Bool().Draw(t, "kept") {
				kept[month] = labels(t, inMonth(month), now)
			}
		}
		looks := due(p, now, kept)
		at := map[cmu.Civil]look{}
		for i, l := range looks {
			if at[l.month.From] = l; i > 0 && looks[i-1].month.To > l.month.From || l.month.From <= plan.Horizon(now) {
				t.Fatalf("%v comes after %v", l.month, looks[max(i-1, 0)].month)
			}
		}
		settled, lately := p.Settled(now), 0
		for month := cmu.Month.Step(plan.Horizon(now), 1); month <= cmu.CivilAt(now, time.UTC); month = cmu.Month.Step(month, 1) {
			span := inMonth(month)
			k, have := kept[month]
			l, looked := at[month]
			final := span.To <= settled
			if final && cmu.Month.Step(month, 4) > settled {
				lately++
			}
			must := !have || !final || !k.Complete || !k.settles(span) || cmu.Month.Step(month, 4) > settled
			if looked != must || looked && l.isNew == have {
				t.Fatalf("%v: looked at: %v (%+v), kept: %+v, settled until %v", month, looked, l, k, settled)
			}
		}
		if lately != 3 {
			t.Fatalf("%d settled months are looked at again", lately)
		}
	})
}
