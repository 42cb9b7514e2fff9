package sandbox_test

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// total adds up the metrics of rows.
func total(t rapid.TB, rows []map[string]string) map[string]int64 {
	t.Helper()
	sum := map[string]int64{}
	for _, row := range rows {
		for _, m := range sandbox.Additive {
			if text, ok := row[m]; ok {
				n, err := strconv.ParseInt(text, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				sum[m] += n
			}
		}
	}
	maps.DeleteFunc(sum, func(_ string, n int64) bool { return n == 0 })
	return sum
}

func window(path string, from, to cmu.Civil) string {
	return fmt.Sprintf("%s?limit=1000000&start=%s&end=%s", path, from, to)
}

func drawDay(t *rapid.T) cmu.Civil {
	return cmu.Day.Step(cmu.CivilDate(2024, 7, 1, 0, 0), rapid.IntRange(0, 740).Draw(t, "day"))
}

// The rows of any division of a window add up to the rows of the whole: by time, and by dimension.
func TestAdditive(t *testing.T) {
	r := newRig(t)
	paths := map[string][]string{
		"/tenant/year/month/day": {
			"/tenant/year/month/day/hour", "/tenant/year/month/day/mvpd", "/tenant/year/month/day/channel/platform/application-id",
			"/tenant/year/month/day/application-id/application", "/tenant/year/month/day/hour/minute", "/tenant/year/month",
			"/mvpd/year/month/day/hour/tenant", "/tenant/year/month/day/mvpd/hour",
		},
		"/year/month": {"/year/month/day", "/year/month/mvpd/tenant/application-id/application/platform", "/year/month/day/hour/mvpd"},
	}
	rapid.Check(t, func(t *rapid.T) {
		parent := rapid.SampledFrom(slices.Sorted(maps.Keys(paths))).Draw(t, "parent")
		child := rapid.SampledFrom(paths[parent]).Draw(t, "child")
		from := drawDay(t).Add(time.Duration(rapid.IntRange(0, 24*60).Draw(t, "start")) * time.Minute)
		to := from.Add(time.Duration(rapid.IntRange(0, 30*60).Draw(t, "length")) * time.Minute)
		want := total(t, r.report(window(parent, from, to)).Rows)
		if diff := cmp.Diff(want, total(t, r.report(window(child, from, to)).Rows)); diff != "" {
			t.Fatalf("%s is not the sum of %s in %s to %s:\n%s", parent, child, from, to, diff)
		}
		cut := from.Add(time.Duration(rapid.Int64Range(0, int64(to-from)).Draw(t, "cut")) * time.Millisecond)
		parts := slices.Concat(r.report(window(parent, from, cut)).Rows, r.report(window(parent, cut, to)).Rows)
		if diff := cmp.Diff(want, total(t, parts)); diff != "" {
			t.Fatalf("%s in %s to %s is not the sum of its parts at %s:\n%s", parent, from, to, cut, diff)
		}
	})
}

// The rows of whole periods are the same in every window that covers them.
func TestWindowIndependence(t *testing.T) {
	r := newRig(t)
	paths := map[string]string{
		"/tenant/year/month/day": "active-users,active-sessions,duration_0-15", "/year/month/day/mvpd": "active-users,killed-sessions",
		"/tenant/year/month/day/hour": "active-users,duration_2h-4h", "/mvpd/year/month/day/hour": "active-users,active-sessions",
		"/year/month/day/activity-level/tenant": "users",
	}
	rapid.Check(t, func(t *rapid.T) {
		path, day := rapid.SampledFrom(slices.Sorted(maps.Keys(paths))).Draw(t, "path"), drawDay(t)
		metrics := "&metrics=" + paths[path]
		alone := r.report(window(path, day, cmu.Day.Step(day, 1)) + metrics).Rows
		before, after := rapid.IntRange(0, 30).Draw(t, "before"), rapid.IntRange(0, 30).Draw(t, "after")
		from, to := day.Add(-time.Duration(before)*time.Hour), day.Add(time.Duration(24+after)*time.Hour)
		wide := r.report(window(path, from, to) + metrics).Rows
		wide = slices.DeleteFunc(wide, func(row map[string]string) bool {
			c, err := cmu.Day.Period(func(d string) string { return row[d] })
			return err != nil || c != day
		})
		if !reflect.DeepEqual(alone, wide) {
			t.Fatalf("%s of %s differs in a wider window:\n%s", path, day, cmp.Diff(alone, wide))
		}
	})
}

func TestDistinctCountsDoNotAddUp(t *testing.T) {
	r := newRig(t)
	users := func(path string) (n int) {
		for _, row := range r.report(path + "?start=2026-05-04&end=2026-05-05&metrics=active-users").Rows {
			v, err := strconv.Atoi(row["active-users"])
			if err != nil {
				t.Fatal(err)
			}
			n += v
		}
		return n
	}
	day, byHour, byMVPD := users("/tenant/year/month/day"), users("/tenant/year/month/day/hour"), users("/year/month/day/mvpd")
	if day == 0 || byHour <= day || byMVPD <= day {
		t.Errorf("%d users in a day, %d by hour, %d by MVPD: want fewer in the day", day, byHour, byMVPD)
	}
}

// Partly covered periods hold what the covered part had, distinct counts included.
func TestPartialPeriod(t *testing.T) {
	r := newRig(t)
	whole := r.report("/tenant/year/month/day?start=2026-05-04&end=2026-05-05").Rows[0]
	part := r.report("/tenant/year/month/day?start=2026-05-04T05&end=2026-05-05").Rows[0]
	if part["day"] != "4" || part["active-sessions"] >= whole["active-sessions"] || part["active-users"] >= whole["active-users"] {
		t.Errorf("from 05:00: %v\nwhole day: %v", part, whole)
	}
	sum := total(t, r.report("/tenant/year/month/day/hour?start=2026-05-04T05&end=2026-05-05").Rows)
	if diff := cmp.Diff(sum, total(t, []map[string]string{part})); diff != "" {
		t.Error(diff)
	}
}

// Equal seeds are equal worlds, other seeds other ones.
func TestSeeds(t *testing.T) {
	body := func(seed uint64) string {
		return newSeededRig(t, seed).get("/year/month/day/mvpd?start=2026-07").Body.String()
	}
	first := body(7)
	if body(7) != first {
		t.Error("the same seed gives other data")
	}
	if body(8) == first {
		t.Error("another seed gives the same data")
	}
}

// A path is silent for some periods, and the data says so by having no row.
func TestSilence(t *testing.T) {
	r := newRig(t)
	days := r.report("/year/month/day/tenant?tenant=INITECH&start=2024-07&end=2026-07").Rows
	if n := len(days); n >= 730 || n < 650 {
		t.Errorf("the small tenant has %d days of 730: want some silent ones", n)
	}
	late := r.report("/mvpd/year/month?mvpd=Fubo&start=2025-08&end=2026-03").Rows
	if len(late) == 0 || late[0]["year"] != "2025" || late[0]["month"] != "11" {
		t.Errorf("the late MVPD begins with %v", late)
	}
	kids := r.report("/tenant/year/month/day/application-id/application?application=ACME+Kids&start=2026-03-30&end=2026-04-03").Rows
	if len(kids) != 2 {
		t.Errorf("the ended application has %d rows, want those of two days", len(kids))
	}
	if old := r.report("/year/month?start=2016&end=2024-06").Rows; len(old) != 0 {
		t.Errorf("rows older than 25 months: %v", old)
	}
	if kept := r.report("/year/month?start=2016&end=2024-07").Rows; len(kept) != 1 {
		t.Errorf("%d rows in the oldest month kept, want one", len(kept))
	}
}

// Data ends at the last recomputation, whose times depend on the grain.
func TestFreshness(t *testing.T) {
	r := newRig(t)
	last := func(path string) string {
		rows := r.report(path).Rows
		row := rows[len(rows)-1]
		return fmt.Sprint(row["day"], " ", row["hour"], " ", row["minute"])
	}
	if got := last("/tenant/year/month/day/hour/minute"); got != "21 13 46" {
		t.Errorf("last minute is %s, want the last whole one", got)
	}
	if got := last("/tenant/year/month/day/hour"); got != "21 12 " {
		t.Errorf("last hour is %s, want the last whole one", got)
	}
	daily := func() string { return r.report("/tenant/year/month/day?start=2026-07-21").Rows[0]["active-sessions"] }
	before := daily()
	r.clock.Add(time.Hour)
	if daily() != before {
		t.Error("the day changed at 14:47, before its recomputation at 15:00")
	}
	r.clock.Add(time.Hour)
	if daily() == before {
		t.Error("the day is the same at 15:47, after its recomputation at 15:00")
	}
	before = daily()
	r.Behave(func(b *sandbox.Behaviour) { b.InstantRecompute = true })
	if daily() == before {
		t.Error("the day holds no newer data with instant recomputation")
	}
}

// With a zone that changes its clock, a day has 23 or 25 hours; hour labels are skipped, or hold two hours.
func TestZoneWithSummerTime(t *testing.T) {
	r := newRig(t)
	r.Behave(func(b *sandbox.Behaviour) { b.Zone = "America/Los_Angeles" })
	for _, c := range []struct {
		day   string
		end   string
		hours int
	}{{"2026-03-08", "2026-03-09", 23}, {"2025-11-02", "2025-11-03", 24}, {"2026-05-05", "2026-05-06", 24}} {
		hourly := r.report("/tenant/year/month/day/hour?start=" + c.day + "&end=" + c.end).Rows
		if len(hourly) != c.hours {
			t.Errorf("%s has %d hours, want %d", c.day, len(hourly), c.hours)
		}
		daily := r.report("/tenant/year/month/day?start=" + c.day + "&end=" + c.end).Rows
		if diff := cmp.Diff(total(t, daily), total(t, hourly)); diff != "" {
			t.Errorf("%s is not the sum of its hours:\n%s", c.day, diff)
		}
	}
}
