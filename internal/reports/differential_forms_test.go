package reports

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"
)

// however draws forms in which people and tools write one question, each with what Adobe itself takes for the same.
type however struct {
	*asker
	zone *time.Location // of Adobe
}

// form is a question as it is put to the service, and to Adobe.
type form struct {
	path, query string
	adobe       string
	moving      bool // the window ends now: its start is taken to a step
}

func (h however) form() form {
	path, query, _ := strings.Cut(h.reports[h.IntN(len(h.reports))], "?")
	r, err := cmu.Parse(path, "")
	if err != nil {
		panic(err)
	}
	f := form{path: path}
	if h.IntN(3) == 0 {
		f.path = strings.ReplaceAll(path, "/", []string{"%2F", "%2f"}[h.IntN(2)])
	}
	grain, _ := r.Grain()
	span := map[cmu.Grain]time.Duration{cmu.Minute: 2 * time.Hour, cmu.Hour: 2 * 24 * time.Hour, cmu.Day: 40 * 24 * time.Hour, cmu.Month: 400 * 24 * time.Hour}[grain]
	if span == 0 {
		span = 500 * 24 * time.Hour
	}
	now := h.now()
	switch h.IntN(3) {
	case 0:
		start, from := h.relative(grain, now)
		f.query, f.adobe = "start="+start, "start="+from
		if h.IntN(2) == 0 {
			end, to := h.relative(grain, now)
			if to <= from {
				break
			}
			f.query, f.adobe = f.query+"&end="+end, f.adobe+"&end="+to
		}
	case 1:
		from := now.Add(-time.Duration(h.Int64N(int64(span)))).Truncate(time.Minute)
		to := from.Add(time.Duration(1+h.Int64N(int64(span))) / 2).Truncate(time.Minute).Add(time.Minute)
		if h.IntN(3) == 0 {
			to = now
		}
		f.moving = to.After(now.Add(-24 * time.Hour))
		f.query = "start=" + h.instant(from) + "&end=" + h.instant(to)
		f.adobe = fmt.Sprintf("start=%d&end=%d", from.UnixMilli(), to.UnixMilli())
	default:
		from := cmu.CivilAt(now, time.UTC).Add(-time.Duration(h.Int64N(int64(span))))
		to := from.Add(time.Duration(1 + h.Int64N(int64(span)/2)))
		f.query = fmt.Sprintf("start=%s&end=%s", from, to)
		f.adobe = f.query
	}
	f.query, f.adobe = f.query+"&"+query, path+"?"+f.adobe+"&"+query
	return f
}

// relative writes a beginning before now, and says which it is by a calendar of the standard library.
func (h however) relative(grain cmu.Grain, now time.Time) (text, civil string) {
	at := now.In(h.zone)
	in := func(t time.Time) string { return floored(t, grain, h.zone) }
	n := 1 + h.IntN(3)
	switch forms := map[cmu.Grain]int{cmu.Minute: 1, cmu.Hour: 4}[grain]; h.IntN(cmp.Or(forms, 7)) {
	case 0:
		return fmt.Sprintf("-%dh", n), in(at.Add(-time.Duration(n) * time.Hour))
	case 1:
		return fmt.Sprintf("-%dd", n), in(at.AddDate(0, 0, -n))
	case 2:
		return "yesterday", in(day(at).AddDate(0, 0, -1))
	case 3:
		return "today", in(day(at))
	case 4:
		return fmt.Sprintf("-%dw", n), in(at.AddDate(0, 0, -7*n))
	case 5:
		return "this-month", in(time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, h.zone))
	}
	return "last-month", in(time.Date(at.Year(), at.Month()-1, 1, 0, 0, 0, 0, h.zone))
}

func day(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

// floored is the beginning of the period of a grain.
func floored(t time.Time, grain cmu.Grain, zone *time.Location) string {
	t = t.In(zone)
	switch grain {
	case cmu.Year:
		t = time.Date(t.Year(), 1, 1, 0, 0, 0, 0, zone)
	case cmu.Month:
		t = time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, zone)
	case cmu.Day:
		t = day(t)
	case cmu.Hour:
		t = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), 0, 0, 0, zone)
	}
	return t.Format("2006-01-02T15:04")
}

// instant writes an instant as one of many programs prints it, escaped or with a plus that will become a space.
func (h however) instant(t time.Time) string {
	there := t.In(time.FixedZone("", 2*3600+1800))
	return []string{
		fmt.Sprint(t.UnixMilli()), t.UTC().Format("2006-01-02T15:04:05.000Z"), t.UTC().Format("2006-01-02T15:04:05.000000000Z"),
		there.Format("2006-01-02T15:04:05.0000000-07:00"), strings.ReplaceAll(there.Format(time.RFC3339), "+", "%2B"),
		strings.ReplaceAll(there.Format("2006-01-02T15:04:05-0700"), "+", "%2B"), t.UTC().Format("2006-01-02T15:04:05") + "%20UTC",
	}[h.IntN(7)]
}

// TestSameAsAdobeHoweverAsked compares, for two licences by turns, what the service answers to questions in all forms that it takes with
// what Adobe itself says to the same in its own words. Whatever the form, an answer is that to its own label, and what it calls settled does
// not change any more.
func TestSameAsAdobeHoweverAsked(t *testing.T) {
	angeles, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		adobe *time.Location
		set   *time.Location // CMU_REPORT_ZONE
	}{
		"no zone":     {time.UTC, nil},
		"UTC":         {time.UTC, time.UTC},
		"Los Angeles": {angeles, angeles},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, use := twoLicences(t)
			r.restart(func(o *Options) { o.Policy.Zone = c.set })
			r.behave(func(b *sandbox.Behaviour) { b.Zone = c.adobe.String() })
			asker := however{newAsker(t, *seed, r.clock.Now), c.adobe}
			var final []finality
			sources := map[Source]int{}
			for range *asks {
				use([]string{"ACME", "GLOBEX"}[asker.IntN(2)])
				source, settled := r.compareForm(asker.form())
				sources[source]++
				final = append(final, settled...)
				if asker.IntN(3) > 0 {
					r.after()
				}
				if asker.IntN(8) == 0 {
					r.clock.Add(time.Duration(asker.IntN(5*3600)) * time.Second)
				}
			}
			if len(final) == 0 || sources[FromMemory]+sources[FromStore] == 0 {
				t.Errorf("%d answers had settled rows, sources %v", len(final), sources)
			}
			r.clock.Add(45 * 24 * time.Hour)
			rand.Shuffle(len(final), func(i, j int) { final[i], final[j] = final[j], final[i] })
			for _, f := range final[:min(len(final), 10)] {
				use(f.licence)
				if now, err := r.whole(f.ask); err != nil || !sameRows(f.rows, now) {
					t.Errorf("%s: rows called settled have changed: %d, now %d, %v%s", f.ask, len(f.rows), len(now), err, firstDifference(f.rows, now))
				}
			}
			t.Log(sources, r.calls(), len(final))
		})
	}
}

// finality is what an answer called settled.
type finality struct {
	licence, ask string
	rows         []string
}

// compareForm asks both sides.
func (r *rig) compareForm(f form) (source Source, settled []finality) {
	r.t.Helper()
	asked, err := r.Parse(f.path, f.query)
	if err != nil {
		r.t.Fatalf("%s?%s: %v", f.path, f.query, err)
	}
	a, source, err := r.Get(r.t.Context(), asked, Directives{})
	want, refused := r.whole(f.adobe)
	if err != nil || refused != nil {
		if err == nil || refused == nil {
			r.t.Fatalf("%s?%s: %v, Adobe says %v to %s", f.path, f.query, err, refused, f.adobe)
		}
		return source, nil
	}
	if source == Stale || a.Incomplete || !r.clock.Now().Equal(a.Fetched) {
		return source, nil
	}
	got := rowsOf(r.t, a)
	said := a.Request
	said.Filters = asked.Filters // the one that Adobe adds by itself adds a column where it is written
	label := said.Canonical()
	labelled, err := r.whole(label)
	if err != nil || !sameRows(slices.Clone(got), labelled) {
		r.t.Fatalf("%s?%s from %v: %d rows, Adobe has %d for the label %s, %v%s", f.path, f.query, source, len(got), len(labelled), label, err, firstDifference(got, labelled))
	}
	if !f.moving && !sameRows(got, want) {
		r.t.Fatalf("%s?%s from %v: %d rows, Adobe has %d for %s%s", f.path, f.query, source, len(got), len(want), f.adobe, firstDifference(got, want))
	}
	start, starts := a.Request.Start.Civil()
	until, ok := a.SettledUntil.Civil()
	if !starts || !ok || until <= start || start < cmu.CivilAt(r.clock.Now(), time.UTC).Add(-600*24*time.Hour) {
		return source, nil
	}
	q := said
	q.End, q.Limit = a.SettledUntil, 0
	rows, err := r.whole(q.Canonical())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, row := range rows {
		if !slices.Contains(got, row) && len(rows) > 0 && a.SettledUntil == a.Request.End {
			r.t.Fatalf("%s?%s: lacks the settled row %s", f.path, f.query, row)
		}
	}
	return source, []finality{{r.tenant(), q.Canonical(), rows}}
}
