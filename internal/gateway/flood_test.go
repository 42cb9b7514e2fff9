package gateway

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
)

// An answer of Adobe's that has no end in one way or another costs one call and little memory, and the caller is told.
func TestAnswersWithoutEnd(t *testing.T) {
	for _, shape := range sandbox.Floods() {
		t.Run(shape, func(t *testing.T) {
			r := newRig(t)
			r.adobe.Client.MaxBody = 4 << 20
			most := int64(1)
			switch shape {
			case "no end":
				r.adobe.Client.Timeout, most = 200*time.Millisecond, 2
			case "headers":
				most = 2 // no answer, as far as anybody can tell
			}
			r.adobe.Behave(func(b *sandbox.Behaviour) {
				b.Faults = []sandbox.Fault{{On: "report", Kind: "flood", Shape: shape}}
			})
			before := r.adobe.Calls()
			peak, stop := heap()
			got := r.get(days)
			stop()
			if got.StatusCode < 502 || !strings.Contains(got.body, `"code"`) {
				t.Errorf("%d %s", got.StatusCode, got.body)
			}
			if n := r.adobe.Calls() - before; n > most {
				t.Errorf("%d calls", n)
			}
			if n := peak() >> 20; n > 128 { // what is held, the garbage beside it, and the flood's own
				t.Errorf("%d MB of heap", n)
			}
		})
	}
}

// heap watches how large the heap becomes until stop.
func heap() (peak func() uint64, stop func()) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	before, most := m.HeapAlloc, uint64(0)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		often := time.NewTicker(5 * time.Millisecond)
		defer often.Stop()
		for {
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapAlloc)
			select {
			case <-quit:
				return
			case <-often.C:
			}
		}
	}()
	return func() uint64 { return most - min(before, most) }, func() { close(quit); <-done }
}
