package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"cmu-gateway/internal/disk"
	"cmu-gateway/internal/store"
)

// watchedStore is a store that remembers since when blocks cannot be put into it.
type watchedStore struct {
	store.Store

	mu    sync.Mutex // guards what follows
	cause error      // of the last block; nil: it was put
	since time.Time
}

func (s *watchedStore) Put(ctx context.Context, report store.Report, b store.Block) error {
	err := s.Store.Put(ctx, report, b)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil || errors.Is(err, store.ErrNewer):
		s.cause = nil
	case ctx.Err() == nil:
		if s.cause == nil {
			s.since = time.Now()
		}
		s.cause = err
	}
	return err
}

// problem is a sentence for status; empty: the last block was put.
func (s *watchedStore) problem() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause == nil {
		return ""
	}
	reason := "the cache file cannot be written"
	switch {
	case disk.Full(s.cause):
		reason = "the disk is full"
	case disk.Capped(s.cause):
		reason = "the cache file may not become larger (ulimit -f)"
	}
	return "Since " + s.since.UTC().Format(time.RFC3339) + " rows that are fetched are kept in memory alone, as " + reason + "."
}
