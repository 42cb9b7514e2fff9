package reports

import (
	"fmt"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"
)

// panels are the reports of a dashboard.
var panels = []string{
	"tenant/year/month/day", "tenant/year/month/day/application-id", "year/month/day/mvpd", "year/month/day/mvpd/tenant",
	"year/month/day/tenant/platform/application-id", "mvpd/year/month/day",
}

func TestCallsOfADashboardOverSettledDays(t *testing.T) {
	plainly(t)
	t.Parallel()
	r := newRig(t)
	r.prove()
	looks, n := r.watch(panels, cmu.CivilDate(2026, 3, 5, 0, 0), 30)
	t.Logf("%d looks, %d calls to Adobe", looks, n)
	if n > int64(looks/20) {
		t.Errorf("%d calls, want at most %d", n, looks/20)
	}
}

// watch looks at panels over a window of some days that moves on by a day, 90 times. It returns how many looks that were, and how many calls
// of Adobe they cost.
func (r *rig) watch(panels []string, first cmu.Civil, days int) (looks int, calls int64) {
	before := r.calls()
	for day := range 90 {
		from := cmu.Day.Step(first, day)
		for _, p := range panels {
			r.get(fmt.Sprintf("%s?start=%s&end=%s", p, from, cmu.Day.Step(from, days)))
			r.after()
			looks++
		}
	}
	return looks, r.calls() - before
}

func TestCallsOfADashboardOnTheCurrentDay(t *testing.T) {
	for _, processes := range []int{1, 8} {
		t.Run(fmt.Sprint(processes), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.prove()
			services := []*Service{r.Service}
			for len(services) < processes {
				services = append(services, r.process())
			}
			const days, looks = 2, 100
			begin, before := r.clock.Now(), r.calls()
			for look := range days * looks {
				from := cmu.Day.Step(cmu.CivilAt(r.clock.Now(), time.UTC), -30)
				for i, p := range panels {
					if _, _, err := services[(look+i)%processes].Get(t.Context(), request(t, fmt.Sprintf("%s?start=%s", p, from)), Directives{}); err != nil {
						t.Fatal(err)
					}
				}
				r.after()
				r.clock.Add(24 * time.Hour / looks)
			}
			// One call for what is not known, then one each time the tail is no longer fresh.
			allowed := int64(len(panels)) * (1 + int64(r.clock.Now().Sub(begin)/policy.Day))
			n := r.calls() - before
			t.Logf("%d looks, %d calls to Adobe, %d allowed", days*looks*len(panels), n, allowed)
			if n > allowed {
				t.Errorf("%d calls, want at most %d", n, allowed)
			}
		})
	}
}

func TestCallsOfAColdWindow(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*sandbox.Behaviour)
	}{
		{"honoured", func(*sandbox.Behaviour) {}},
		{"clamped", func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = 1000, "clamp" }},
		{"clamped silently", func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = 1000, "clamp_silently" }},
		{"shuffled", func(b *sandbox.Behaviour) { b.Shuffle = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			worst := 0.0
			for _, path := range []string{"tenant/year/month/day/mvpd/platform/application-id", "mvpd/year/month/day/tenant"} {
				for _, days := range []int{1, 61, 160} {
					r := newRig(t)
					r.prove()
					r.behave(c.change)
					r.adobe.ResetCounts()
					const most = 1000
					if c.name == "shuffled" || c.name == "honoured" {
						r.restart(limit(most))
					}
					end := cmu.CivilDate(2026, 7, 1, 0, 0)
					ask := fmt.Sprintf("%s?start=%s&end=%s", path, cmu.Day.Step(end, -days), end)
					rows, _ := r.get(ask)
					calls := float64(r.calls())
					r.compare(ask)
					n := float64(len(rows)) / most
					allowed := 1.5*n + 2
					// Full answers and round counts look cut: only what is under the limit is one call.
					if len(rows) < most && len(rows)%500 != 0 {
						allowed = 1
					}
					if got := calls; got > allowed {
						t.Errorf("%s over %d days, %d rows: %v calls, want at most %.1f", path, days, len(rows), got, allowed)
					} else if n > 0 {
						worst = math.Max(worst, (got-2)/n)
					}
				}
			}
			t.Logf("at worst %.2f n/L + 2 calls", worst)
		})
	}
}

func TestOneFetchAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Who waits for the lease must not make its time run out: the bubble's clock waits, not the rig's.
		patient := func(o *Options) { o.Sleep = clock.Sleep }
		r := newRig(t, patient)
		r.prove()
		other := r.process(patient)
		before := r.calls()
		var callers sync.WaitGroup
		for i := range 50 {
			callers.Go(func() {
				s := []*Service{r.Service, other}[i%2]
				if _, _, err := s.Get(t.Context(), request(t, "tenant/year/month/day?start=2026-05&end=2026-06"), Directives{}); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if n := r.calls() - before; n != 1 {
			t.Errorf("%d calls for 50 callers in two processes", n)
		}
	})
}
