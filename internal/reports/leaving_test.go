package reports

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/sandbox"
)

// halves delivers the first half of each body, and the rest after a while or not at all, if the call is ended before.
func (r *rig) halves(wait time.Duration) {
	adobe := r.carry
	r.carry = carrier(func(q *http.Request) (*http.Response, error) {
		resp, err := adobe.RoundTrip(q)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		resp.Body.Close()
		out, in := io.Pipe()
		resp.Body = out
		go func() {
			in.Write(text[:len(text)/2])
			select {
			case <-time.After(wait):
				in.Write(text[len(text)/2:])
				in.Close()
			case <-q.Context().Done():
				in.CloseWithError(q.Context().Err())
			}
		}()
		return resp, nil
	})
}

// within is a context with a deadline by the clock of the rig, which goes by itself.
func (r *rig) within(d time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	return deadlineAt{ctx, r.clock.Now().Add(d)}, cancel
}

// TestACallerWhoLeavesInMidRow has the one who asked first go while rows come, and others wait for the same.
func TestACallerWhoLeavesInMidRow(t *testing.T) {
	for _, others := range []int{0, 20} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.prove()
			r.clock.Go()
			r.carry = http.RoundTripper(r.adobe.Client.Transport)
			r.halves(4 * time.Second)
			before := r.calls()
			first, leave := context.WithCancel(t.Context())
			var callers sync.WaitGroup
			callers.Go(func() {
				if _, _, err := r.Get(first, request(t, daily), Directives{}); !errors.Is(err, context.Canceled) {
					t.Errorf("who left: %v", err)
				}
			})
			synctest.Wait()
			for range others {
				callers.Go(func() {
					if a, _, err := r.Get(t.Context(), request(t, daily), Directives{}); err != nil || a.Rows == 0 {
						t.Errorf("who waited: %v", err)
					}
				})
			}
			time.Sleep(time.Second)
			leave()
			callers.Wait()
			r.after() // until the call has ended
			if _, source := r.get(daily); source == FromAdobe || r.calls()-before != 1 {
				t.Errorf("afterwards from %v, with %d calls", source, r.calls()-before)
			}
		})
	}
}

// TestCallersWithLessTimeThanACallTakes asks five times with a limit of 3 s for what takes Adobe 4 s.
func TestCallersWithLessTimeThanACallTakes(t *testing.T) {
	for _, hangsUp := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.prove()
			r.get("year?start=2025&end=2026")
			r.slow(4 * time.Second)
			before, answered := r.calls(), 0
			for range 5 {
				ctx, cancel := r.within(3 * time.Second)
				if hangsUp {
					ctx, cancel = context.WithCancel(t.Context())
					time.AfterFunc(3*time.Second, cancel)
				}
				_, _, err := r.Get(ctx, request(t, daily), Directives{})
				cancel()
				u := new(UnavailableError)
				switch {
				case err == nil:
					answered++
				case !hangsUp && !errors.As(err, &u), hangsUp && !errors.Is(err, context.Canceled):
					t.Errorf("hangs up %v: %v", hangsUp, err)
				}
				time.Sleep(time.Second)
			}
			if n := r.calls() - before; n != 1 || answered < 3 {
				t.Errorf("hangs up %v: %d calls, %d answers", hangsUp, n, answered)
			}
		})
	}
}

// TestOneWhoLeavesStopsWhatNobodyWants goes in the midst of many calls.
func TestOneWhoLeavesStopsWhatNobodyWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.prove()
		r.slow(time.Second)
		r.restart(limit(300))
		before := r.calls()
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(10500*time.Millisecond, leave)
		r.Get(ctx, request(t, wide(0)), Directives{})
		made := r.calls() - before
		r.after()
		time.Sleep(time.Minute)
		if n := r.calls() - before; n > made || made < 20 {
			t.Errorf("%d calls, %d when the caller left", n, made)
		}
		// The next one goes on, and finds nothing noted.
		if _, _, err := r.Get(t.Context(), request(t, wide(0)+"&limit=1"), Directives{}); err != nil {
			t.Error(err)
		}
	})
}

// TestWhatALeavingCallerLeavesIsNoFailure has callers go in each phase of a fetch, and the next one ask at once.
func TestWhatALeavingCallerLeavesIsNoFailure(t *testing.T) {
	for after := time.Duration(0); after < 5*time.Second; after += 250 * time.Millisecond {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t)
			r.prove()
			r.slow(2 * time.Second)
			r.halves(time.Second)
			r.behave(func(b *sandbox.Behaviour) {
				b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: 500, Count: 1}}
			})
			ctx, leave := r.within(after)
			defer leave()
			r.Get(ctx, request(t, daily), Directives{})
			if _, _, err := r.Get(t.Context(), request(t, daily), Directives{}); err != nil {
				t.Errorf("who left after %v: %v", after, err)
			}
		})
	}
}

// TestWhatHangsHoldsNobodyUpForLong has as many reports hang as calls may run at once, and their callers go.
func TestWhatHangsHoldsNobodyUpForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.prove()
		r.slow(time.Second)
		r.behave(func(b *sandbox.Behaviour) {
			b.Faults = []sandbox.Fault{{On: "report", Kind: "hang", Of: "hanging"}}
		})
		var crowd sync.WaitGroup
		ctx, leave := context.WithTimeout(t.Context(), 2*time.Second)
		defer leave()
		for i := range 8 {
			crowd.Go(func() {
				r.Get(ctx, request(t, fmt.Sprintf("tenant/year/month/day?start=2026-05&end=2026-06&tenant!=hanging-%d", i)), Directives{})
			})
		}
		crowd.Wait()
		began := time.Now()
		if _, _, err := r.Get(t.Context(), request(t, daily), Directives{}); err != nil || time.Since(began) > lingerTime+time.Second {
			t.Errorf("another report after %v: %v", time.Since(began), err)
		}
	})
}
