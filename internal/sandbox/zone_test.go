package sandbox

import (
	"testing"
	"time"

	"cmu-gateway/pkg/cmu"
)

// Every wall clock instant has its place in time, in order, whatever the zone does.
func TestInstantIsMonotone(t *testing.T) {
	for _, name := range []string{"UTC", "America/Los_Angeles", "Australia/Lord_Howe", "Asia/Kolkata"} {
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range []cmu.Civil{
			cmu.CivilDate(2026, 3, 7, 0, 0), cmu.CivilDate(2026, 10, 31, 0, 0),
			cmu.CivilDate(2026, 4, 4, 0, 0), cmu.CivilDate(2026, 10, 3, 0, 0),
		} {
			last := instant(from, loc)
			for c := from; c < from+3*dayMS; c += 5 * minuteMS {
				at := instant(c, loc)
				if at.Before(last) {
					t.Fatalf("%s: %s is at %s, before what came earlier, %s", name, c, at, last)
				}
				if shown := cmu.CivilAt(at, loc); shown != c && cmu.CivilAt(at.Add(-time.Millisecond), loc) >= c {
					t.Fatalf("%s: %s is at %s, which shows %s", name, c, at, shown)
				}
				last = at
			}
		}
	}
}
