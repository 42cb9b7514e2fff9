package archive

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"
)

const daily = "tenant/year/month/day/mvpd"

// All that Adobe has is archived in one run, with few calls, and its sums are Adobe's.
func TestArchive(t *testing.T) {
	r := newRig(t, inFolder(t), daily)
	result := r.quiet()
	months := r.months()
	if len(months) != 25 || months[0] != "2024-07" || months[24] != "2026-07" || result.Written != 25 {
		t.Fatalf("%d months: %v; %+v", len(months), months, result)
	}
	if calls := r.adobe.Calls(); calls > 10 {
		t.Errorf("%d calls for %d rows", calls, result.Rows)
	}
	for _, month := range []string{"2024-07", "2025-12", "2026-02"} {
		f := r.read(month)
		from, _ := time.Parse("2006-01", month)
		rows, sum := r.asked(fmt.Sprintf("%s?start=%s&end=%s", daily, month, from.AddDate(0, 1, 0).Format("2006-01")), "started-sessions")
		if rows == 0 || len(f.values) != rows || f.Rows != rows || f.sum("started_sessions") != sum {
			t.Errorf("%s: %d rows, sum %d, want %d and %d", month, len(f.values), f.sum("started_sessions"), rows, sum)
		}
		if !f.Complete || f.Licence != "licence-1" || f.Simulated || f.SettledUntil.String() != from.AddDate(0, 1, 0).Format("2006-01-02") {
			t.Errorf("%s: licence %s, simulated %v, complete %v, settled until %s", month, f.Licence, f.Simulated, f.Complete, f.SettledUntil)
		}
	}
	// Nothing has changed: nothing is written, and settled months are not asked for again.
	before := r.adobe.Calls()
	if result := r.quiet(); result.Written != 0 || result.Looked != 4 || r.adobe.Calls() != before {
		t.Errorf("again: %+v, %d calls", result, r.adobe.Calls()-before)
	}
}

func TestColumns(t *testing.T) {
	r := newRig(t, inFolder(t), "tenant/year/month/day")
	r.quiet()
	f := r.read("2026-06")
	want := append([]string{"date", "tenant", "day"}, metricColumns()...)
	if !slices.Equal(f.names, want) {
		t.Errorf("got %v\nwant %v", f.names, want)
	}
	// Days since 1970.
	if row := f.values[0]; row["date"] != "20605" || row["day"] != "1" || row["tenant"] != "ACME" || row["users"] != "" {
		t.Errorf("the first row is %v", row)
	}
	month := inMonth(cmu.CivilDate(2026, 6, 1, 0, 0))
	for name, want := range map[string]string{
		"tenant/year/month/day/hour":                   "date timestamp, tenant string, day int, hour int, active_users bigint",
		"year/month/concurrency-level/tenant":          "date date, concurrency_level string, tenant string, active_users bigint",
		"mvpd/year/month?metrics=active-users":         "date date, mvpd string, active_users bigint",
		"year/month/day?mvpd=Cox&metrics=active-users": "date date, day int, mvpd string, active_users bigint",
	} {
		report, err := ParseReport(name)
		if err != nil {
			t.Fatal(err)
		}
		a, err := r.options.Get(t.Context(), report.window(month), reports.Directives{})
		if err != nil {
			t.Fatal(err)
		}
		l, err := report.label(a, rowsOf(a, month), true)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range l.Columns[:min(len(l.Columns), strings.Count(want, ",")+1)] {
			got = append(got, c.Name+" "+c.Type)
		}
		if all := len(report.Request.Metrics) > 0; strings.Join(got, ", ") != want || all && len(got) != len(l.Columns) {
			t.Errorf("%s: %v", name, l.Columns)
		}
	}
}

func metricColumns() (names []string) {
	for _, m := range knownMetrics() {
		names = append(names, columnName(m))
	}
	return names
}

// A day in the life of an archive: what Adobe restates is written anew, what is final is left alone, what Adobe drops stays.
func TestMonthsGoBy(t *testing.T) {
	r := newRig(t, inFolder(t), daily)
	r.quiet()
	oldest := r.read("2024-07")
	for range 14 {
		r.clock.Add(5 * 24 * time.Hour)
		r.quiet()
	}
	months := r.months()
	if len(months) != 27 || months[26] != "2026-09" {
		t.Errorf("%v", months)
	}
	if now := r.read("2024-07"); now.Digest != oldest.Digest || !now.Fetched.Equal(oldest.Fetched) {
		t.Errorf("a month past the horizon was touched: %+v", now.Label)
	}
	for month, final := range map[string]bool{"2026-07": true, "2026-08": true, "2026-09": false} {
		from, _ := time.Parse("2006-01", month)
		end := from.AddDate(0, 1, 0).Format("2006-01-02")
		f := r.read(month)
		rows, sum := r.asked(fmt.Sprintf("%s?start=%s-01&end=%s", daily, month, end), "started-sessions")
		if final && (f.Rows != rows || f.sum("started_sessions") != sum) || (f.SettledUntil.String() == end) != final {
			t.Errorf("%s: %d rows, sum %d; want %d, %d; settled until %s", month, f.Rows, f.sum("started_sessions"), rows, sum, f.SettledUntil)
		}
	}
}

// A run that is out of time, or that Adobe asks to wait, ends in good order, and the next goes on.
func TestGoesOn(t *testing.T) {
	r := newRig(t, inFolder(t), daily)
	r.adobe.Behave(func(b *sandbox.Behaviour) { b.NoThrottle, b.ReportsPerMinute = false, 3 })
	total := 0
	for runs := 0; ; runs++ {
		result := r.run()
		total += result.Written
		if result.Stopped == "" {
			break
		}
		if result.Left == 0 || len(result.Problems) > 0 || runs > 20 {
			t.Fatalf("%+v", result)
		}
		r.clock.Add(2 * time.Minute)
	}
	if total < 25 || len(r.months()) != 25 {
		t.Errorf("%d written, %v", total, r.months())
	}
}

// What Adobe refuses fails for its report alone.
func TestReportFails(t *testing.T) {
	r := newRig(t, inFolder(t), "tenant/year/month/nonsense", daily)
	result := r.run()
	if result.Failed != 1 || len(result.Problems) != 1 || !strings.Contains(result.Problems[0], "2024-07 of tenant_year_month_nonsense") || result.Written != 25 {
		t.Errorf("%+v", result)
	}
}

func TestDryRun(t *testing.T) {
	r := newRig(t, inFolder(t), daily)
	r.options.DryRun = true
	var steps []Step
	r.options.Told = func(s Step) { steps = append(steps, s) }
	if result := r.quiet(); result.Looked != 25 || result.Written != 0 || len(r.months()) != 0 || r.adobe.Calls() != 0 || len(steps) != 25 ||
		steps[0].What != "new" || steps[0].Month != "2024-07" {
		t.Errorf("%+v, %v", result, steps)
	}
}
