package reports

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"cmu-gateway/pkg/cmu"
)

// Whoever waits for memory gets it when others are through, and the first never waits.
func TestFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlight(0)
		first, second, third := f.begin(), f.begin(), f.begin()
		if err := second.hold(t.Context(), leastFlight); err != nil {
			t.Fatal(err)
		}
		if err := first.hold(t.Context(), leastFlight+1); err != nil { // beyond what there is, as nobody is before it
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error, 2)
		go func() { got <- third.hold(ctx, 1) }()
		synctest.Wait()
		cancel()
		if err := <-got; !errors.Is(err, context.Canceled) {
			t.Fatalf("it did not wait: %v", err)
		}
		go func() { got <- third.hold(t.Context(), 1) }()
		go func() { got <- second.hold(t.Context(), leastFlight+1) }()
		synctest.Wait()
		if len(got) > 0 {
			t.Fatal("they did not wait")
		}
		first.end() // the second is the first now
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(got) > 0 {
			t.Fatal("the third did not wait for the second")
		}
		if err := second.hold(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		if err := <-got; err != nil {
			t.Fatal(err)
		}
		if err := third.hold(t.Context(), leastSingle+1); !errors.Is(err, cmu.ErrTooLarge) {
			t.Errorf("more than one may have: %v", err)
		}
		second.end()
		third.end()
		if f.held != 0 || len(f.shares) != 0 {
			t.Errorf("%d bytes in %d shares are left", f.held, len(f.shares))
		}
	})
}

// However many hold whatever: all get through, and no more is held than the bound and one beyond it.
func TestFlightNeverStopsNorExceeds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.SliceOfN(rapid.Int64Range(0, leastSingle), 1, 5), 1, 8).Draw(rt, "holds")
		synctest.Test(t, func(t *testing.T) {
			f := newFlight(0)
			var all sync.WaitGroup
			for _, holds := range steps {
				all.Go(func() {
					s := f.begin()
					defer s.end()
					for _, n := range holds {
						if err := s.hold(t.Context(), n); err != nil {
							t.Error(err)
						}
						f.mu.Lock()
						if f.held > f.most+f.single {
							t.Errorf("%d bytes are held", f.held)
						}
						f.mu.Unlock()
						runtime.Gosched()
					}
				})
			}
			all.Wait()
			if f.held != 0 {
				t.Errorf("%d bytes are left", f.held)
			}
		})
	})
}

// An answer that goes on and on is given up at a bound of memory, and is not asked for again.
func TestAnswerWithoutEndIsGivenUp(t *testing.T) {
	plainly(t)
	r := newRig(t)
	calls := 0
	r.carry = carrier(func(q *http.Request) (*http.Response, error) {
		calls++
		body, w := io.Pipe()
		go func() { w.CloseWithError(writeEndless(w)) }()
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, Request: q}, nil
	})
	_, _, err := r.Get(t.Context(), request(t, "year/mvpd?start=2026&end=2027&limit=10000000"), Directives{})
	if !errors.Is(err, cmu.ErrTooLarge) || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
}

// writeEndless writes rows that hardly compress until nobody reads.
func writeEndless(to io.Writer) error {
	w := bufio.NewWriterSize(to, 32<<10)
	fmt.Fprint(w, `{"report":[{"year":"2026"}`)
	for n := uint64(1); ; n = n*6364136223846793005 + 1442695040888963407 {
		if _, err := fmt.Fprintf(w, `,{"year":"2026","mvpd":"%016x%016x%016x"}`, n, n*n, n^n>>7); err != nil {
			return err
		}
	}
}
