package store

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// boltLeases are in memory: the file has one owner, so that all who could hold one are in this process, and a lease ends with it at
// the latest.
type boltLeases struct {
	mu   sync.Mutex
	held map[string]heldLease // by name
}

type heldLease struct {
	holder string
	until  time.Time // to the millisecond
}

// maxLeases is how many are held before those whose time is over are removed.
const maxLeases = 1000

func (s *bolt) Acquire(ctx context.Context, lease, holder string, until time.Time) error {
	if err := checkKey("lease", lease); err != nil {
		return err
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	now := s.now()
	if l := s.leases.held[lease]; l.holder != holder && l.until.After(now) {
		return &HeldError{Lease: lease, Until: l.until}
	}
	if s.leases.held == nil {
		s.leases.held = map[string]heldLease{}
	}
	if len(s.leases.held) >= maxLeases {
		for name, l := range s.leases.held {
			if !l.until.After(now) {
				delete(s.leases.held, name)
			}
		}
	}
	s.leases.held[lease] = heldLease{holder, until.Truncate(time.Millisecond).UTC()}
	return nil
}

func (s *bolt) Release(ctx context.Context, lease, holder string) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	if s.leases.held[lease].holder == holder {
		delete(s.leases.held, lease)
	}
	return nil
}

// ready fails for a caller who has gone, and after Close.
func (s *bolt) ready(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return s.file.closedError()
}
