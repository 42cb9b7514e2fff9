package cmu

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestPeriodsTile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyCivil(t)
		g := Grain(rapid.IntRange(int(Year), int(Minute)).Draw(t, "grain"))
		n := rapid.IntRange(-50, 50).Draw(t, "n")
		floor, next := g.Floor(c), g.Step(c, 1)
		if floor > c || c >= next || g.Floor(floor) != floor || g.Ceil(floor) != floor || g.Floor(next-1) != floor || g.Ceil(floor+1) != next {
			t.Fatalf("%v: period of %v is [%v, %v)", g, c, floor, next)
		}
		if g.Step(g.Step(c, n), -n) != floor {
			t.Fatalf("%v: %d steps there and back from %v", g, n, floor)
		}
		y, m, d, h, min := floor.Fields()
		if CivilDate(y, m, d, h, min) != floor {
			t.Fatalf("fields of %v", floor)
		}
	})
}

func TestBoundText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := anyCivil(t)
		b, err := ParseBound(c.String())
		if at, ok := b.Civil(); err != nil || !ok || at != c || b != BoundAt(c) {
			t.Fatalf("ParseBound(%q) = %v, %v", c, b, err)
		}
	})
}

func TestCivilIn(t *testing.T) {
	la, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 7, 4, 12, 30, 0, 0, time.UTC)
	c := CivilAt(at, la)
	if c.String() != "2026-07-04T05:30" || !c.In(la).Equal(at) {
		t.Fatalf("%v shows as %v, back %v", at, c, c.In(la))
	}
}

func TestPeriod(t *testing.T) {
	fields := map[string]string{"year": "2026", "month": "2", "day": "28", "hour": "23", "minute": "59"}
	get := func(d string) string { return fields[d] }
	if c, err := Minute.Period(get); err != nil || c.String() != "2026-02-28T23:59" {
		t.Errorf("period %v, %v", c, err)
	}
	for name, bad := range map[string]string{"month": "0", "day": "29", "hour": "24", "year": ""} {
		good := fields[name]
		fields[name] = bad
		if c, err := Minute.Period(get); err == nil {
			t.Errorf("%s %q read as %v", name, bad, c)
		}
		fields[name] = good
	}
}
func anyCivil(t *rapid.T) Civil {
	return Civil(rapid.Int64Range(int64(CivilDate(2020, 1, 1, 0, 0)), int64(CivilDate(2030, 1, 1, 0, 0))).Draw(t, "civil"))
}
