package after

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/rig"
)

// An answer that came after the end of its invocation does not begin the work of the next one before its answer.
func TestLateAnswerDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &Extension{answered: make(chan string, 1), log: rig.NewLog(t).Logger}
		e.sent("first")
		ran := false
		e.Go(func(context.Context) { ran = true })
		over := make(chan struct{})
		go func() {
			defer close(over)
			e.afterInvoke(event{RequestID: "second", DeadlineMS: time.Now().Add(time.Minute).UnixMilli()})
		}()
		synctest.Wait()
		if ran {
			t.Error("work runs before the answer")
		}
		e.sent("second")
		<-over
		if !ran {
			t.Error("work does not run after the answer")
		}
		e.sent("second") // nobody waited for it
		e.sent("third")
		began := time.Now()
		e.afterInvoke(event{RequestID: "third", DeadlineMS: began.Add(time.Minute).UnixMilli()})
		if waited := time.Since(began); waited > 0 {
			t.Errorf("an answer was missed for %v", waited)
		}
	})
}
