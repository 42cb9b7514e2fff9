package reports

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

const others = "tenant/year/month/day/mvpd?start=2026-05-10&end=2026-06-01&tenant!=no-%d"

// TestAPlain503IsTriedAgainAfterASecond has Adobe answer 503 or 500 a few times, naming no time, and be well at once.
func TestAPlain503IsTriedAgainAfterASecond(t *testing.T) {
	for status, times := range map[int][]time.Duration{503: {0, time.Second, 3 * time.Second}, 500: {0, time.Second, 3 * time.Second}} {
		for failures, want := range times {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.prove()
				r.clock.Go()
				if failures > 0 {
					r.behave(fault(sandbox.Fault{Kind: "status", Status: status, Count: 2*failures - 1}))
				}
				began := time.Now()
				for {
					_, _, err := r.Get(t.Context(), request(t, daily), Directives{})
					if err == nil {
						break
					}
					f := new(FailedError)
					if !errors.As(err, &f) || f.RetryAfter < time.Second || f.RetryAfter > 4*time.Second {
						t.Fatalf("%d: %v", status, err)
					}
					time.Sleep(f.RetryAfter)
				}
				if took := time.Since(began); took > want {
					t.Errorf("%d, %d times: answered after %v", status, 2*failures-1, took)
				}
			})
		}
	}
}

// TestOneReportsTroubleIsNoOthers has one report fail in every way for ten minutes while others are asked for.
func TestOneReportsTroubleIsNoOthers(t *testing.T) {
	plainly(t)
	for _, f := range []sandbox.Fault{
		{Kind: "status", Status: 503}, {Kind: "status", Status: 503, Headers: map[string]string{"Retry-After": "90"}}, {Kind: "status", Status: 500},
		{Kind: "status", Status: 401}, {Kind: "status", Status: 403}, {Kind: "status", Status: 200, Body: "<p>no"}, {Kind: "cut"}, {Kind: "hang"},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.prove()
			r.clock.Go()
			r.adobe.Client.Timeout = 30 * time.Second
			r.restart()
			f.On, f.Of = "report", "year/month/mvpd"
			r.behave(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{f} })
			doubted := 0
			refused := r.refused
			r.refused = func(ctx context.Context, s cmu.Secret) (upstream.Token, error) { doubted++; return refused(ctx, s) }
			before, began := r.calls(), time.Now()
			for i := range 40 {
				_, _, err := r.Get(t.Context(), request(t, "year/month/mvpd?start=2026"), Directives{})
				if err == nil {
					t.Fatal("an answer")
				}
				if e := new(upstream.RefusedError); f.Status == 401 && !errors.As(err, &e) {
					t.Errorf("refused: %v", err)
				}
				if _, _, err := r.Get(t.Context(), request(t, fmt.Sprintf(others, i)), Directives{}); err != nil {
					t.Errorf("%+v: another report: %v", f, err)
				}
				time.Sleep(15 * time.Second)
			}
			// The pause doubles to a minute: some twenty tries, each of two calls at most.
			if n := r.calls() - before - 40; n > 45 || doubted > 0 {
				t.Errorf("%+v: %d calls in %v for a report that fails, the token doubted %d times", f, n, time.Since(began), doubted)
			}
		})
	}
}

// TestSeveralReportsThatFailPauseAll has Adobe down for a minute: it is asked little, by anybody, and at once when it is back.
func TestSeveralReportsThatFailPauseAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.prove()
		r.clock.Go()
		r.behave(fault(sandbox.Fault{Kind: "status", Status: 503}))
		before, began, n := r.calls(), time.Now(), 0
		for ; time.Since(began) < time.Minute; n++ { // ten new reports a second
			if _, _, err := r.Get(t.Context(), request(t, fmt.Sprintf(others, n)), Directives{}); err == nil {
				t.Fatal("an answer")
			}
			time.Sleep(100 * time.Millisecond)
		}
		if calls := r.calls() - before; calls > 30 {
			t.Errorf("%d calls for %d reports while Adobe is down", calls, n)
		}
		r.behave(none)
		for began = time.Now(); ; n++ {
			if _, _, err := r.Get(t.Context(), request(t, fmt.Sprintf(others, n)), Directives{}); err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if took := time.Since(began); took > 9*time.Second {
			t.Errorf("answered %v after Adobe was back", took)
		}
	})
}

// TestReportsThatFailKeepNobodyElseWaiting has one caller ask again and again for reports that Adobe fails for, always the same ones or always
// others, and another caller for new reports that it answers.
func TestReportsThatFailKeepNobodyElseWaiting(t *testing.T) {
	plainly(t)
	for _, f := range []sandbox.Fault{
		{Kind: "status", Status: 500}, {Kind: "status", Status: 503, Headers: map[string]string{"Retry-After": "90"}}, {Kind: "hang"},
	} {
		for _, kinds := range []int{3, 1 << 20} {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.prove()
				r.clock.Go()
				r.adobe.Client.Timeout = 2 * time.Second
				r.restart()
				f.On, f.Of = "report", "bad"
				r.behave(func(b *sandbox.Behaviour) { b.Faults = []sandbox.Fault{f} })
				began, asking := time.Now(), sync.WaitGroup{}
				goesOn := func() bool { return time.Since(began) < 40*time.Second }
				for i := range 3 {
					asking.Go(func() {
						for n := i; goesOn(); n += 3 {
							if _, _, err := r.Get(t.Context(), request(t, fmt.Sprintf("year/month?start=2026&mvpd!=bad%d", n%kinds)), Directives{}); err == nil {
								t.Error("an answer")
							}
							time.Sleep(200 * time.Millisecond)
						}
					})
				}
				before, n := r.calls(), 0
				for ; goesOn(); n++ {
					if _, _, err := r.Get(t.Context(), request(t, fmt.Sprintf(others, n)), Directives{}); err != nil {
						t.Errorf("%+v, %d kinds: the other caller: %v", f, kinds, err)
					}
					time.Sleep(300 * time.Millisecond)
				}
				asking.Wait()
				if calls := r.calls() - before; calls <= int64(n) {
					t.Errorf("%+v, %d kinds: %d calls, %d of them of the other caller", f, kinds, calls, n)
				}
			})
		}
	}
}
