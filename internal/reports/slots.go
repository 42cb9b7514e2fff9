package reports

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"time"

	"cmu-gateway/internal/fair"
	"cmu-gateway/internal/store"
)

// slots bound the calls to Adobe of all processes together: each call holds one of so many leases.
type slots struct {
	turns *turns
	total int
}

const (
	// slotTries is how many slots are tried before a process waits. It tries again after slotPoll for each call that its fetch has had and
	// each block that it wants, up to slotLongest: a new and narrow report finds the slot that gets free before those that wait with it.
	slotTries   = 4
	slotPoll    = 100 * time.Millisecond
	slotLongest = 2 * time.Second
)

// take waits for a slot, which leave gives back. A store that fails is no reason to wait: the call is made without.
func (s slots) take(ctx context.Context, c *fair.Caller) (leave func(), err error) {
	holder := rand.Text()
	for {
		first := mathrand.N(s.total)
		for i := range min(slotTries, s.total) {
			leave, err := s.turns.claim(ctx, fmt.Sprintf("adobe/%d", (first+i)%s.total), holder)
			switch {
			case err == nil:
				return leave, nil
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case !errors.As(err, new(*store.HeldError)):
				s.turns.log.WarnContext(ctx, "no slot can be had; calling without", "error", err)
				return func() {}, nil
			}
		}
		wait := min(slotPoll*time.Duration(max(c.Cost(), 1)), slotLongest)
		if c.IsBehind() {
			wait = slotLongest
		}
		if err := s.turns.sleep(ctx, wait/2+mathrand.N(wait)); err != nil {
			return nil, err
		}
		if c.HasGone() {
			return nil, fair.ErrGone
		}
	}
}
