package archive

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/reports"
	testrig "cmu-gateway/internal/rig"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/store/storetest"
	"cmu-gateway/pkg/cmu"

	"github.com/go-json-experiment/json/jsontext"
	"pgregory.net/rapid"
)

// Rows read back from a file are those that were written, byte for byte, whatever their fields: absent, null, empty, numbers as strings and
// not, odd numbers, fields that nobody knows, in any order.
func TestRowsComeBackAsTheyWere(t *testing.T) {
	report, err := ParseReport("tenant/year/month/day/mvpd")
	if err != nil {
		t.Fatal(err)
	}
	month := inMonth(cmu.CivilDate(2026, 7, 1, 0, 0))
	number := rapid.SampledFrom([]string{"0", "7", "-3", "12.0", "+5", "1e3", "00", "9007199254740991"})
	unknown := rapid.SampledFrom([]string{"", "x", "1.50", "12", "-0", "1e400", "é\"\\\n\u2028", "true", "null", "9223372036854775808"})
	rapid.Check(t, func(t *rapid.T) {
		var rows []cmu.Row
		for n := rapid.IntRange(0, 15).Draw(t, "rows"); n > 0; n-- {
			var members []string
			add := func(name, literal string) { members = append(members, quoted(name)+":"+literal) }
			literal := func(text string) string {
				if rapid.IntRange(0, 3).Draw(t, "literal") == 0 && jsontext.Value(text).IsValid() && text != "null" && text[0] != '"' {
					return text
				}
				return quoted(text)
			}
			add("year", literal(rapid.SampledFrom([]string{"2026", "02026"}).Draw(t, "year")))
			add("month", literal(rapid.SampledFrom([]string{"7", "07"}).Draw(t, "month")))
			add("day", literal(rapid.SampledFrom([]string{"1", "31", "09"}).Draw(t, "day")))
			for _, name := range []string{"tenant", "mvpd", "Other-Field", "other_field", ""} {
				switch rapid.IntRange(0, 4).Draw(t, name) {
				case 0:
				case 1:
					add(name, "null")
				default:
					add(name, literal(unknown.Draw(t, "text")))
				}
			}
			for _, name := range []string{"active-users", "started-sessions"} {
				switch rapid.IntRange(0, 4).Draw(t, name) {
				case 0:
				case 1:
					add(name, "null")
				default:
					add(name, literal(number.Draw(t, "number")))
				}
			}
			if rapid.Bool().Draw(t, "mixed") {
				members = rapid.Permutation(members).Draw(t, "order")
			}
			rows = append(rows, cmu.Row("{"+strings.Join(members, ",")+"}"))
		}
		each := func(do func(cmu.Row) error) error {
			for _, row := range rows {
				if err := do(row); err != nil {
					return err
				}
			}
			return nil
		}
		s, err := surveyed(report.dimensions(), each)
		if err != nil {
			t.Fatal(err)
		}
		l := Label{Request: "/tenant/year/month/day/mvpd", Columns: report.columns(s.fields, true), Rows: s.rows, Digest: s.digest, Fetched: testrig.Tuesday}
		var file bytes.Buffer
		if err := writeFile(&file, l, report.Grain, each); err != nil {
			t.Fatal(err)
		}
		back, err := readStored(bytes.NewReader(file.Bytes()), int64(file.Len()), report, month)
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		if err := back.each(func(row cmu.Row) error {
			if !bytes.Equal(row, rows[i]) {
				t.Fatalf("row %d is %s, was %s", i, row, rows[i])
			}
			i++
			return nil
		}); err != nil || i != len(rows) || !back.Formed {
			t.Fatalf("%d rows of %d, formed %v: %v", i, len(rows), back.Formed, err)
		}
		// A file that does not tell the forms gives the same fields and values.
		back.exact = false
		again, err := surveyed(report.dimensions(), back.each)
		if odd := len(back.forms.Odd) > 0; err != nil || again.rows != len(rows) || !odd && again.digest != s.digest {
			t.Fatalf("without forms: %+v, want %+v: %v", again, s, err)
		}
	})
}

func quoted(text string) string {
	b, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// keepingRig archives some reports for years, on a cache that keeps.
func keepingRig(t *testing.T, years int, names ...string) *rig {
	t.Helper()
	r := newRig(t, inFolder(t), names...)
	r.adobe.Behave(func(b *sandbox.Behaviour) { b.InstantRecompute = true })
	r.policy.Keep = true
	r.reports = r.service()
	for range years * 3 {
		r.quiet()
		r.clock.Add(122 * 24 * time.Hour)
	}
	return r
}

// answer asks for all of a report from a time on, by the month.
func (r *rig) answer(report Report, from cmu.Civil) *reports.Answer {
	r.t.Helper()
	a, _, err := r.reports.Get(r.t.Context(), report.window(plan.Span{From: from, To: cmu.Month.Floor(cmu.CivilAt(r.clock.Now(), time.UTC))}), reports.Directives{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.work.Run()
	return a
}

func (r *rig) restore(change ...func(*RestoreOptions)) RestoreResult {
	r.t.Helper()
	o := RestoreOptions{Place: r.options.Place, Put: r.reports.Restore, Log: r.log.Logger}
	for _, c := range change {
		c(&o)
	}
	out, err := Restore(r.t.Context(), o)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.reports.Restored(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
	return out
}

func rowTexts(t testing.TB, a *reports.Answer) (rows []string) {
	t.Helper()
	if err := a.Each(func(row cmu.Row) error { rows = append(rows, string(row)); return nil }); err != nil {
		t.Fatal(err)
	}
	return rows
}

// What was archived over years comes back into an empty store: the same URL has the same rows, in the same bytes and order.
func TestRestoreIntoAnEmptyStore(t *testing.T) {
	if raceDetector {
		t.Skip("runs without the race detector") // which sees nothing in it that the next one does not show
	}
	r := keepingRig(t, 2, "tenant/year/month/day", "tenant/year/month?metrics=active-users,started-sessions&mvpd!=Cox", "year/month/concurrency-level")
	from := cmu.CivilDate(2024, 10, 1, 0, 0)
	var before []*reports.Answer
	for _, report := range r.options.Reports {
		a := r.answer(report, from)
		if a.BeforeHorizon != nil || a.Rows < 12 {
			t.Fatalf("%s: %d rows, %v", report.Name, a.Rows, a.BeforeHorizon)
		}
		before = append(before, a)
	}
	r.store = testrig.NewStore(t, r.clock)
	r.reports = r.service()
	if gone := r.answer(r.options.Reports[0], from); gone.BeforeHorizon == nil {
		t.Fatal("an empty store knows all")
	}
	dry := r.restore(func(o *RestoreOptions) { o.DryRun = true })
	if again := r.restore(func(o *RestoreOptions) { o.DryRun = true }); again.Restored != dry.Restored || dry.Restored < 3*12 {
		t.Errorf("a dry run changes something: %+v, then %+v", dry, again)
	}
	if out := r.restore(); out.Restored != dry.Restored || out.Refused != 0 || out.Rows == 0 {
		t.Errorf("%+v, would be %+v", out, dry)
	}
	for i, report := range r.options.Reports {
		after := r.answer(report, from)
		if after.BeforeHorizon != nil || !slices.Equal(rowTexts(t, after), rowTexts(t, before[i])) {
			t.Errorf("%s: %d rows, were %d; %v", report.Name, after.Rows, before[i].Rows, after.BeforeHorizon)
		}
		if after.Tag != before[i].Tag {
			t.Errorf("%s: links or labels are others: %v %v, were %v %v", report.Name, after.Request.Canonical(), after.DrillDown, before[i].Request.Canonical(), before[i].DrillDown)
		}
	}
	if out := r.restore(); out.Restored != 0 || out.Kept != out.Looked {
		t.Errorf("a second time: %+v", out)
	}
	// For ever.
	r.clock.Add(4 * 365 * 24 * time.Hour)
	r.reports = r.service()
	a, _, err := r.reports.Get(t.Context(), r.options.Reports[0].window(plan.Span{From: from, To: cmu.CivilDate(2026, 7, 1, 0, 0)}), reports.Directives{})
	if err != nil || a.BeforeHorizon != nil {
		t.Errorf("%v: %+v", err, a)
	}
}

// A store that fails in between loses nothing, and what was not restored is by the next run.
func TestRestoreGoesOn(t *testing.T) {
	r := keepingRig(t, 1, "tenant/year/month/day")
	from := cmu.CivilDate(2024, 10, 1, 0, 0)
	before := r.answer(r.options.Reports[0], from)
	kept := testrig.NewStore(t, r.clock)
	puts, reads, fault := 0, 0, storetest.Failed
	r.store = &storetest.Faulty{Store: kept, Hook: func(op string) storetest.Fault {
		switch op {
		case "Put":
			if puts++; puts%5 == 0 {
				return fault
			}
		case "Blocks":
			if reads++; reads%97 == 0 {
				return fault
			}
		}
		return storetest.None
	}}
	r.reports = r.service()
	failed := 0
	for n := 0; ; n++ {
		_, err := Restore(t.Context(), RestoreOptions{Place: r.options.Place, Put: r.reports.Restore, Log: r.log.Logger})
		if err == nil {
			break
		}
		if failed++; n > 100 {
			t.Fatal(err)
		}
		fault = storetest.Failed + storetest.FailedButWritten - fault
	}
	if failed == 0 {
		t.Error("nothing failed")
	}
	r.store = kept
	r.reports = r.service()
	if after := r.answer(r.options.Reports[0], from); after.BeforeHorizon != nil || !slices.Equal(rowTexts(t, after), rowTexts(t, before)) {
		t.Errorf("%d rows, were %d: %v", after.Rows, before.Rows, after.BeforeHorizon)
	}
}

// What is kept as well is left alone; rows of another licence, made-up ones, what is damaged or no file of the archive is refused.
func TestRestoreRefuses(t *testing.T) {
	r := keepingRig(t, 1, "tenant/year/month/day")
	months := len(r.months())
	if out := r.restore(); out.Restored != 0 || out.Kept != months {
		t.Errorf("over what is kept: %+v", out)
	}
	r.store = testrig.NewStore(t, r.clock)
	r.licence = "licence-2"
	r.reports = r.service()
	if out := r.restore(); out.Refused != months || !strings.Contains(out.Problems[0], `they are of "licence-1", in use is "licence-2"`) {
		t.Errorf("another licence: %+v", out)
	}
	r.licence = "licence-1"
	r.reports = r.service()
	if out := r.restore(func(o *RestoreOptions) { o.Simulated = true }); out.Refused != months {
		t.Errorf("made up: %+v", out)
	}
	root := r.options.Place.String()
	var files []string
	if err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Name() == rowsFile {
			files = append(files, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for i, bad := range [][]byte{{}, []byte("PAR1 nothing PAR1"), whole[:len(whole)/2], bytes.Replace(whole, []byte("ACME"), []byte("ACMI"), 1)} {
		if err := os.WriteFile(files[0], bad, 0o666); err != nil {
			t.Fatal(err)
		}
		if out := r.restore(); out.Refused != 1 || len(out.Problems) != 1 {
			t.Errorf("damage %d: %+v", i, out)
		}
	}
	if out := r.restore(func(o *RestoreOptions) {
		o.Reports = []Report{{Request: cmu.Request{Path: []string{"mvpd"}}, Name: "mvpd"}}
	}); out.Refused != 1 || out.Looked != 0 {
		t.Errorf("what is not there: %+v", out)
	}
	r.policy.Keep = false
	r.reports = r.service()
	if err := os.WriteFile(files[0], whole, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), RestoreOptions{Place: r.options.Place, Put: r.reports.Restore, Log: r.log.Logger}); err == nil || !strings.Contains(fmt.Sprint(err), "CMU_KEEP=true") {
		t.Errorf("without keeping: %v", err)
	}
}
