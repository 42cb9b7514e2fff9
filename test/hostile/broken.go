package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func breakTrials() []trial {
	return []trial{
		{"50 kills under load", kills},
		{"a full disk", fullDisk},
		{"a small CMU_DISK", smallDisk},
	}
}

// month is a report of a month by hour, the same rows whenever it is asked.
func month(i int) string {
	return fmt.Sprintf("/cmu/v2/tenant/year/month/day/hour/mvpd?start=2026-0%d-01&end=2026-0%d-01&format=ndjson", i%4+1, i%4+2)
}

// kills ends the gateway again and again while it fetches and stores. Each start is quick and every answer has all rows.
func kills(ctx context.Context, b *bench) (string, error) {
	want := map[int]int64{}
	if err := b.start(ctx); err != nil {
		return "", err
	}
	for i := range 4 {
		a, err := b.get(ctx, month(i))
		if err != nil || a.status != 200 {
			return "", fmt.Errorf("%d, %w", a.status, err)
		}
		want[i] = a.size
	}
	b.kill()
	var longest time.Duration
	var answers atomic.Int64
	for n := range 50 {
		began := time.Now()
		if err := b.start(ctx); err != nil {
			return fmt.Sprintf("%d kills", n), err
		}
		longest = max(longest, time.Since(began))
		var asking sync.WaitGroup
		asked, done := context.WithCancel(ctx)
		wrong := make(chan error, 4)
		for i := range 4 {
			asking.Go(func() {
				for asked.Err() == nil {
					path := month(i) // is kept, or was
					if i%2 == 1 {
						path += fmt.Sprintf("&mvpd!=nobody-%d", n) // must be fetched; it is the same rows
					}
					a, err := b.get(asked, path)
					switch {
					case err != nil:
						return // it was killed
					case a.status == 200 && a.size != want[i]:
						wrong <- fmt.Errorf("%s has %d bytes, want %d", path, a.size, want[i])
						return
					case a.status == 200:
						answers.Add(1)
					}
				}
			})
		}
		before := answers.Load()
		err := wait(ctx, time.Duration(20+n*7)*time.Millisecond)
		for tries := 0; n%2 == 0 && err == nil && answers.Load() == before && tries < 100; tries++ { // not all of them before an answer
			err = wait(ctx, 50*time.Millisecond)
		}
		b.kill()
		done()
		asking.Wait()
		select {
		case err = <-wrong:
		default:
		}
		if err != nil {
			return fmt.Sprintf("%d kills", n), err
		}
	}
	seen := fmt.Sprintf("%d answers, all whole; a start takes at most %v", answers.Load(), longest.Round(time.Millisecond))
	if answers.Load() < 25 {
		return seen, errors.New("hardly any answer came")
	}
	if longest > 10*time.Second {
		return seen, errors.New("a start waited for the one that was killed")
	}
	return seen, nil
}

// fullDisk has a data folder on a small file system that fills up.
func fullDisk(ctx context.Context, b *bench) (string, error) {
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return "", err
	}
	if err := syscall.Mount("tmpfs", b.dir, "tmpfs", 0, "size=3m"); err != nil {
		return fmt.Sprintf("not tried: no file system can be mounted here (%v)", err), nil
	}
	defer func() {
		b.kill()
		_ = syscall.Unmount(b.dir, 0)
	}()
	if err := b.start(ctx); err != nil {
		return "", err
	}
	sizes := map[string]int64{}
	for i := range 8 {
		path := fmt.Sprintf("%s&mvpd!=nobody-%d", month(i), i)
		a, err := b.get(ctx, path)
		if err != nil || a.status != 200 {
			return "", fmt.Errorf("%d %s, %w", a.status, a.body, err)
		}
		sizes[path] = a.size
	}
	filler := filepath.Join(b.dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 3<<20), 0o600); err == nil {
		return "", errors.New("the disk does not fill up")
	}
	a, err := b.get(ctx, heavy)
	if err != nil || a.status != 200 {
		return "", fmt.Errorf("with a full disk: %d %s, %w", a.status, a.body, err)
	}
	for range 3 {
		b.kill()
		if err := b.start(ctx); err != nil {
			return "", fmt.Errorf("a start with a full disk: %w", err)
		}
		for path, size := range sizes {
			if a, err := b.get(ctx, path); err != nil || a.status != 200 || a.size != size {
				return "", fmt.Errorf("after a kill: %d with %d bytes, want %d, %w", a.status, a.size, size, err)
			}
		}
	}
	return "answers go on, and so does a start after a kill", nil
}

// smallDisk keeps far more than fits.
func smallDisk(ctx context.Context, b *bench) (string, error) {
	const most = 16 << 20
	if err := b.start(ctx, fmt.Sprintf("CMU_DISK=%d", most)); err != nil {
		return "", err
	}
	for i := range 24 {
		if a, err := b.get(ctx, fmt.Sprintf("%s&mvpd!=nobody-%d", heavy, i)); err != nil || a.status != 200 {
			return "", fmt.Errorf("%d %s, %w", a.status, a.body, err)
		}
	}
	size := int64(0)
	err := filepath.WalkDir(filepath.Join(b.dir, "data"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // a file that went away
		}
		if i, err := d.Info(); err == nil {
			size += i.Size()
		}
		return nil
	})
	seen := fmt.Sprintf("%.1f MB on disk at a bound of %d", float64(size)/(1<<20), most>>20)
	if err == nil && size > most+1<<20 {
		err = errors.New("over the bound")
	}
	return seen, err
}
