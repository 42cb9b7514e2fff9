package after_test

import (
	"encoding/json"
	"testing"
)

// A process that gets no events must not live on: each of its invocations would last until its time is up.
func TestNoEvents(t *testing.T) {
	t.Run("for a moment", func(t *testing.T) {
		p := startFailing(t, func(n int) int { return []int{1: 500, 2: 0}[min(n, 2)] })
		p.want("runtime next", "extension next", "extension next")
		p.invoke(order{Work: []string{"a"}}, later)
		p.wantFirst("answer 1")
		p.want("runtime next", "a begins")
		p.letGo("a")
		p.wantFirst("extension next")
	})
	t.Run("ever", func(t *testing.T) {
		p := startFailing(t, func(int) int { return 500 })
		p.log.Expect("event=extension_failed")
		if asks := p.exits(); asks != 4 {
			t.Errorf("the event was asked for %d times", asks)
		}
		if err := p.ended(); err == nil || err.Error() != "exit status 1" {
			t.Errorf("the process ended with %v", err)
		}
	})
	t.Run("as it is not known", func(t *testing.T) {
		p := startFailing(t, func(int) int { return 403 })
		p.log.Expect("403 Forbidden")
		if asks := p.exits(); asks != 1 {
			t.Errorf("the event was asked for %d times", asks)
		}
		if p.ended() == nil {
			t.Error("the process ended well")
		}
	})
	t.Run("while a caller waits", func(t *testing.T) {
		answering := make(chan struct{})
		p := startFailing(t, func(int) int {
			<-answering
			return 403
		})
		p.log.Expect("403 Forbidden")
		p.want("runtime next", "extension next")
		payload, _ := json.Marshal(order{Wait: true})
		p.runtime <- string(payload)
		p.wantFirst("handler begins")
		close(answering)
		p.letGo("handler")
		p.wantFirst("answer 0")
		p.exits()
		if p.ended() == nil {
			t.Error("the process ended well")
		}
	})
}
