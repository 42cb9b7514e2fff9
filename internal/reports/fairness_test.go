package reports

import (
	"cmu-gateway/internal/fair"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const adobeTakes = 860 * time.Millisecond

// wide is one of many reports that take many calls each.
func wide(i int) string {
	return fmt.Sprintf("tenant/year/month/day/mvpd/platform/application-id?start=2024-08&end=2026-07&mvpd!=no-%d", i)
}

// TestANewNarrowReportIsNotHeldUpByWideOnes opens 200 wide requests and then asks for narrow reports, each of them new: each is to be
// answered within three of Adobe's latencies, also the ones that are asked when not one of the wide has had its first call.
func TestANewNarrowReportIsNotHeldUpByWideOnes(t *testing.T) {
	for _, proven := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			if proven {
				r.prove()
			}
			r.slow(adobeTakes)
			r.restart(limit(300), func(o *Options) { o.Parallel = 4 })
			if proven {
				r.get("year?start=2025&end=2026") // the notes are read
			}
			before := r.calls()
			ctx, leave := context.WithCancel(t.Context())
			var crowd sync.WaitGroup
			for i := range 200 {
				crowd.Go(func() { r.Get(ctx, request(t, wide(i)), Directives{}) })
			}
			synctest.Wait() // all are open
			for i, wait := range []time.Duration{0, 100 * time.Millisecond, time.Second, 10 * time.Second, 30 * time.Second} {
				time.Sleep(wait)
				var victims sync.WaitGroup
				for n := range 2 {
					victims.Go(func() {
						began := time.Now()
						_, _, err := r.Get(t.Context(), request(t, fmt.Sprintf("tenant/year/month/day?start=2026-05-10&end=2026-05-20&tenant!=no-%d-%d", i, n)), Directives{})
						if took := time.Since(began); err != nil || took > 3*adobeTakes {
							t.Errorf("proven %v, %v later: a narrow report after %v, %v", proven, wait, took, err)
						}
					})
				}
				victims.Wait()
			}
			if n := r.calls() - before; n < 180 {
				t.Errorf("the others made %d calls meanwhile", n)
			}
			leave()
			crowd.Wait()
			synctest.Wait() // what had its turn already has begun
			left := r.calls()
			time.Sleep(fetchTime)
			if n := r.calls() - left; n > 0 {
				t.Errorf("%d calls began after all callers had gone", n)
			}
		})
	}
}

// TestAWideFetchLetsNarrowOnesOfTheSameReportGoFirst has many wide windows of one report under way, and asks for narrow ones of it.
func TestAWideFetchLetsNarrowOnesOfTheSameReportGoFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.prove()
		r.slow(adobeTakes)
		r.restart(limit(300))
		ctx, leave := context.WithCancel(t.Context())
		before := r.calls()
		var crowd sync.WaitGroup
		for i := range 30 {
			crowd.Go(func() {
				r.Get(ctx, request(t, fmt.Sprintf("tenant/year/month/day/mvpd/platform/application-id?start=2024-08-%02d&end=2026-06", i+1)), Directives{})
			})
		}
		for i := range 4 {
			time.Sleep(5 * time.Second)
			began := time.Now()
			_, _, err := r.Get(t.Context(), request(t, fmt.Sprintf("tenant/year/month/day/mvpd/platform/application-id?start=2026-06-%02d&end=2026-06-%02d", 2*i+1, 2*i+2)), Directives{})
			if took := time.Since(began); err != nil || took > 5*adobeTakes { // two rounds of others, and its own
				t.Errorf("a narrow window after %v, %v", took, err)
			}
		}
		leave()
		crowd.Wait()
		time.Sleep(time.Minute)
		if n := r.calls() - before; n < 60 {
			t.Errorf("%d calls: the wide ones stood still", n)
		}
	})
}

// TestAllWideOnesComeToAnEnd has more wide requests than turns, and asks each again until it is answered.
func TestAllWideOnesComeToAnEnd(t *testing.T) {
	plainly(t)
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.prove()
		r.slow(adobeTakes)
		r.restart(limit(300))
		unfinished := 0
		var mu sync.Mutex
		var crowd sync.WaitGroup
		for i := range 8 {
			crowd.Go(func() {
				for last, n := -1, 0; ; n++ {
					_, _, err := r.Get(t.Context(), request(t, fmt.Sprintf("%s&start=2026-0%d", strings.Replace(wide(i), "start=2024-08&", "", 1), i%3+1)), Directives{})
					if err == nil {
						return
					}
					u := new(UnavailableError)
					if !errors.As(err, &u) || u.Done <= last || n > 20 {
						t.Errorf("%d: %v after %d of %d blocks", i, err, last, u.Total)
						return
					}
					mu.Lock()
					unfinished++
					mu.Unlock()
					last = u.Done
					time.Sleep(u.RetryAfter)
				}
			})
		}
		crowd.Wait()
		if unfinished == 0 {
			t.Error("no request took more than one fetch")
		}
	})
}

// TestOneRequestMakesSoManyCalls asks for more than one fetch may get.
func TestOneRequestMakesSoManyCalls(t *testing.T) {
	plainly(t)
	r := newRig(t)
	r.prove()
	r.restart(limit(300))
	before, total := r.calls(), 0
	for n := 1; ; n++ {
		a, _, err := r.Get(t.Context(), request(t, wide(0)), Directives{})
		made := int(r.calls() - before)
		if before = r.calls(); made > maxCalls+r.parallel {
			t.Fatalf("%d calls in one request", made)
		}
		total += made
		if err == nil {
			if n < 3 || a.Rows == 0 || a.Incomplete {
				t.Errorf("%d rows after %d requests and %d calls", a.Rows, n, total)
			}
			break
		}
		if u := new(UnavailableError); !errors.As(err, &u) || u.Total != 23 || u.RetryAfter != time.Second {
			t.Fatal(err)
		}
	}
	r.same(wide(0))
}

func TestTooManyRequestsAreTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.prove()
		r.slow(adobeTakes)
		ctx, leave := context.WithCancel(t.Context())
		var crowd sync.WaitGroup
		turned := 0
		var mu sync.Mutex
		for i := range 1200 {
			crowd.Go(func() {
				_, _, err := r.Get(ctx, request(t, fmt.Sprintf("tenant/year/month/day?start=2026-05&end=2026-06&tenant!=no-%d", i)), Directives{})
				var u *UnavailableError
				if errors.Is(err, fair.ErrOverloaded) && errors.As(err, &u) && u.RetryAfter >= time.Second && u.RetryAfter <= time.Minute {
					mu.Lock()
					defer mu.Unlock()
					turned++
				} else if err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		if turned != 196 { // four run, a thousand wait
			t.Errorf("%d are turned away", turned)
		}
		leave()
		crowd.Wait()
		time.Sleep(time.Minute)
	})
}
