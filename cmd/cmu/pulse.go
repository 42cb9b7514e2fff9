package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/store"
)

// Who has the data folder, and no door at which others could ask, shows that it is at work: it touches the data file. So whoever waits
// for it learns that it was stopped, which neither ends it nor gives the folder free.
const (
	beatEvery = 500 * time.Millisecond
	// beatMissed is how long nothing may be seen of it, in so many looks: on a busy machine there are few.
	beatMissed = 2 * time.Second
	leastLooks = 30
)

// beating is a store whose file is touched for as long as it is open.
type beating struct {
	store.Store
	stop func()
}

func (b *beating) Close() error {
	defer b.stop()
	return b.Store.Close()
}

// beat touches the data file until the store is closed, but while there is a door: a disk may rest then.
func (f *folder) beat(kept store.Store) store.Store {
	ctx, end := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := os.Stat(f.addressFile()); err != nil {
				_ = os.Chtimes(f.dataFile(), time.Time{}, time.Now()) // else others take this process for stopped
			}
			_ = clock.Sleep(ctx, beatEvery)
		}
	}()
	return &beating{kept, func() { end(); <-done }}
}

// pulse is what who waits has seen of the one that has the folder.
type pulse struct {
	touched time.Time
	since   time.Time
	looks   int
}

// missed looks once more, and reports whether nothing was seen for too long.
func (p *pulse) missed(file string, now time.Time) bool {
	info, err := os.Stat(file)
	if err != nil {
		return false
	}
	if p.looks == 0 || !info.ModTime().Equal(p.touched) {
		*p = pulse{touched: info.ModTime(), since: now}
	}
	p.looks++
	return p.looks > leastLooks && now.Sub(p.since) > beatMissed
}

// stopped says that whoever has the folder is not at work.
func (f *folder) stopped() error {
	return fmt.Errorf("the process that has the data folder %s does not go on: it was stopped, or hangs; have it go on, or end it, or name another folder "+
		"with --data (lsof %s names it)", f.path, f.dataFile())
}
