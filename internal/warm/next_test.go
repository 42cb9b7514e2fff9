package warm

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 7, 21, 12, 0, 0, 0, time.UTC)

func in(d time.Duration) time.Time { return noon.Add(d) }

func TestNext(t *testing.T) {
	hour, day := 15*time.Minute, 45*time.Minute
	for name, c := range map[string]struct {
		list   []state
		paused time.Time
		ask    int
		wake   time.Duration
	}{
		"an empty list":                {nil, time.Time{}, -1, lookEvery},
		"nothing is known":             {[]state{{life: day}}, time.Time{}, 0, lookEvery},
		"all is fresh":                 {[]state{{day, in(2 * time.Minute), time.Time{}}, {hour, in(time.Minute), time.Time{}}}, time.Time{}, -1, time.Minute},
		"fresh for long":               {[]state{{day, in(24 * time.Hour), time.Time{}}}, time.Time{}, -1, lookEvery},
		"fresh until now":              {[]state{{day, noon, time.Time{}}}, time.Time{}, 0, lookEvery},
		"the shortest-lived first":     {[]state{{life: day}, {life: hour}, {life: day}}, time.Time{}, 1, lookEvery},
		"the longest not fresh first":  {[]state{{day, in(-time.Minute), time.Time{}}, {day, in(-time.Hour), time.Time{}}}, time.Time{}, 1, lookEvery},
		"equals in the list's order":   {[]state{{life: day}, {life: day}}, time.Time{}, 0, lookEvery},
		"in a pause":                   {[]state{{life: day}}, in(time.Minute), -1, time.Minute},
		"a pause that has ended":       {[]state{{life: day}}, noon, 0, lookEvery},
		"a pause, and fresh past it":   {[]state{{day, in(2 * time.Minute), time.Time{}}}, in(time.Minute), -1, 2 * time.Minute},
		"it failed":                    {[]state{{day, time.Time{}, in(time.Minute)}}, time.Time{}, -1, time.Minute},
		"it failed, the other did not": {[]state{{hour, time.Time{}, in(time.Minute)}, {life: day}}, time.Time{}, 1, time.Minute},
		"never at once":                {[]state{{hour, in(time.Second), time.Time{}}}, time.Time{}, -1, least},
	} {
		ask, wake := next(c.list, c.paused, noon)
		if ask != c.ask || !wake.Equal(in(c.wake)) {
			t.Errorf("%s: %d, in %v; want %d, in %v", name, ask, wake.Sub(noon), c.ask, c.wake)
		}
	}
}

func TestNextAlways(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		instant := rapid.Custom(func(t *rapid.T) time.Time {
			return in(time.Duration(rapid.IntRange(-3600, 3600).Draw(t, "s")) * time.Second)
		})
		list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) state {
			return state{time.Duration(rapid.IntRange(1, 4).Draw(t, "life")) * time.Minute, instant.Draw(t, "fresh"), instant.Draw(t, "retry")}
		}), 0, 8).Draw(t, "list")
		paused := instant.Draw(t, "paused")
		may := func(s state) bool { return !s.fresh.After(noon) && !s.retry.After(noon) && !paused.After(noon) }
		ask, wake := next(list, paused, noon)
		if wake.Before(in(least)) || wake.After(in(lookEvery)) {
			t.Errorf("wake in %v", wake.Sub(noon))
		}
		if ask >= 0 && !may(list[ask]) {
			t.Errorf("asks %d, which must not be asked for", ask)
		}
		for i, s := range list {
			if may(s) && (ask < 0 || s.life < list[ask].life) {
				t.Errorf("asks %d, not %d", ask, i)
			}
			if at := s.due(); !may(s) && at.After(in(least)) && !paused.After(at) && wake.After(at) {
				t.Errorf("sleeps past %d", i)
			}
		}
	})
}

func TestPatience(t *testing.T) {
	for failed, want := range map[int]time.Duration{1: time.Minute, 2: 2 * time.Minute, 6: 32 * time.Minute, 7: time.Hour, 8: time.Hour, 1000: time.Hour} {
		if got := patience(failed); got != want {
			t.Errorf("%d: %v, want %v", failed, got, want)
		}
	}
}
