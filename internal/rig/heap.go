package rig

import (
	"runtime"
	"time"
)

// WatchHeap watches the live heap, garbage of at most one collection included. grown ends that and returns by how many bytes it was
// larger at its largest than before.
func WatchHeap() (grown func() int64) {
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
	return func() int64 {
		close(quit)
		<-done
		return int64(most) - int64(before)
	}
}
