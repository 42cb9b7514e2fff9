package main

import (
	"runtime"
	"sync"
	"syscall"
	"time"
)

// A machine that has other work is slower, and a trial beside that is no worse for it: bounds on times grow by as much as the machine
// is slower than by itself, yet not without end.
const mostSlow = 4

// allow is a bound on a time, on this machine as it is now or was when the trial began.
func (b *bench) allow(d time.Duration) time.Duration {
	return time.Duration(float64(d) * min(max(b.slow, slowness()), mostSlow))
}

// slowness is how much longer work takes here than it has of a processor, on all processors at once: 1 where there is no other work.
func slowness() float64 {
	const work = 40 * time.Millisecond
	began := time.Now()
	var all sync.WaitGroup
	for range runtime.NumCPU() {
		all.Go(func() {
			runtime.LockOSThread()
			for from := threadTime(); threadTime()-from < work; {
			}
		})
	}
	all.Wait()
	return max(float64(time.Since(began))/float64(work), 1)
}

// threadTime is the time of a processor that this thread has had.
func threadTime() time.Duration {
	const thisThread = 1 // RUSAGE_THREAD, getrusage(2)
	var r syscall.Rusage
	_ = syscall.Getrusage(thisThread, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
