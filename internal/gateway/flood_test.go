package gateway

import (
	"strings"
	"testing"
	"time"

	testrig "cmu-gateway/internal/rig"
	"cmu-gateway/internal/sandbox"
)

// An answer of Adobe's that has no end in one way or another costs one call and little memory, and the caller is told.
func TestAnswersWithoutEnd(t *testing.T) {
	for _, shape := range sandbox.Floods() {
		t.Run(shape, func(t *testing.T) {
			r := newRig(t)
			r.adobe.Client.MaxBody = 4 << 20
			most := int64(1)
			if shape == "no end" {
				r.adobe.Client.Timeout, most = 200*time.Millisecond, 2
			}
			r.adobe.Behave(func(b *sandbox.Behaviour) {
				b.Faults = []sandbox.Fault{{On: "report", Kind: "flood", Shape: shape}}
			})
			before := r.adobe.Calls()
			grown := testrig.WatchHeap()
			got := r.get(days)
			larger := grown()
			if got.StatusCode < 502 || !strings.Contains(got.body, `"code"`) {
				t.Errorf("%d %s", got.StatusCode, got.body)
			}
			if n := r.adobe.Calls() - before; n > most {
				t.Errorf("%d calls", n)
			}
			if n := larger >> 20; n > 128 { // what is held, the garbage beside it, and the flood's own
				t.Errorf("%d MB of heap", n)
			}
		})
	}
}
