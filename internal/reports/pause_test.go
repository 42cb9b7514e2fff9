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
)

func TestAPauseIsKeptByAllProcesses(t *testing.T) {
	r := newRig(t)
	r.prove()
	r.get(daily)
	other := r.process()
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 429, Headers: map[string]string{"Retry-After": "90"}}))
	const ask = "tenant/year/month/day?start=2026-02&end=2026-03"
	var u *UnavailableError
	if _, _, err := r.Get(t.Context(), request(t, ask), Directives{}); !errors.As(err, &u) || u.RetryAfter != 90*time.Second {
		t.Fatalf("throttled: %v", err)
	}
	calls := r.calls()
	r.clock.Add(30 * time.Second)
	for _, s := range []*Service{r.Service, other} {
		if _, _, err := s.Get(t.Context(), request(t, ask), Directives{}); !errors.As(err, &u) || u.RetryAfter < 55*time.Second || u.RetryAfter > 61*time.Second {
			t.Errorf("during the pause: %v", err)
		}
		if _, _, err := s.Get(t.Context(), request(t, daily), Directives{}); err != nil {
			t.Errorf("what is known, during the pause: %v", err)
		}
	}
	if n := r.calls() - calls; n != 0 {
		t.Errorf("%d calls during the pause", n)
	}
	if st, err := r.Status(t.Context()); err != nil || st.Cooldown.IsZero() {
		t.Errorf("status %+v, %v", st, err)
	}
	r.behave(none)
	r.clock.Add(62 * time.Second)
	r.same(ask)
}

func TestAPauseStopsCallsThatWaitForTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.prove()
		r.behave(fault(sandbox.Fault{Kind: "status", Status: 429, Headers: map[string]string{"Retry-After": "90"}}))
		before := r.calls()
		gate, token := make(chan struct{}), r.token
		r.token = func(ctx context.Context) (upstream.Token, error) { <-gate; return token(ctx) }
		var callers sync.WaitGroup
		for i := range 40 {
			callers.Go(func() {
				if _, _, err := r.Get(t.Context(), request(t, fmt.Sprintf("mvpd?limit=%d", i+1)), Directives{}); err == nil {
					t.Error("an answer")
				}
			})
		}
		synctest.Wait() // four are inside, the others wait for their turn
		close(gate)
		callers.Wait()
		if n := r.calls() - before; n > 4 {
			t.Errorf("%d calls, 4 slots", n)
		}
	})
}

func TestAPauseMetByTheProofIsShared(t *testing.T) {
	r := newRig(t)
	r.behave(fault(sandbox.Fault{Kind: "status", Status: 429, Headers: map[string]string{"Retry-After": "900"}}))
	r.Prove(t.Context(), request(t, "tenant/year/month/day?start=2026-07-01"))
	notes, _ := r.store.Notes(t.Context())
	if _, ok := notes[noteCooldown]; !ok {
		t.Error("not noted; local:", r.Service.adobe.PausedUntil())
	}
}
