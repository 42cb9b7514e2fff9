package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"cmu-gateway/internal/sandbox"
)

func breakTrials() []trial {
	return []trial{
		{"50 kills under load", kills},
		{"a kill in mid-fetch", killInFetch},
		{"stopped processes", stopped},
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
	if longest > b.allow(3*time.Second) {
		return seen, errors.New("a start waited for the one that was killed")
	}
	return seen, nil
}

// killInFetch ends the gateway while it waits for Adobe, and asks the next one for another window of that report.
func killInFetch(ctx context.Context, b *bench) (string, error) {
	if err := b.start(ctx); err != nil {
		return "", err
	}
	if err := b.adobe.Change(func(a *sandbox.Behaviour) { a.LatencyMS = 1000 }); err != nil {
		return "", err
	}
	var longest time.Duration
	for n := range 3 {
		asked, gone := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = b.get(asked, fmt.Sprintf("%s&mvpd!=nobody-%d", month(n), n))
		}()
		before := b.adobe.Counts().Report
		for range 200 {
			if b.adobe.Counts().Report > before {
				break
			}
			if err := wait(ctx, 20*time.Millisecond); err != nil {
				break
			}
		}
		b.kill()
		gone()
		<-done
		if err := b.start(ctx); err != nil {
			return "", err
		}
		a, err := b.get(ctx, fmt.Sprintf("/cmu/v2/tenant/year/month/day/hour/mvpd?start=2025-1%d-01&end=2025-1%d-02&mvpd!=nobody-%d", n, n, n))
		if err != nil || a.status != 200 {
			return "", fmt.Errorf("%d %s, %w", a.status, a.body, err)
		}
		longest = max(longest, a.took)
	}
	seen := fmt.Sprintf("another window after %v at most, at a latency of 1 s", longest.Round(time.Millisecond))
	if longest > 8*time.Second {
		return seen, errors.New("it waited for the lease of the dead one")
	}
	return seen, nil
}

// stopped has a process that holds the data folder and does nothing, with a door and without one. Commands give it up.
func stopped(ctx context.Context, b *bench) (string, error) {
	if err := b.start(ctx); err != nil {
		return "", err
	}
	status := func(sentence string) (time.Duration, error) {
		began := time.Now()
		out, err := b.command(ctx, "status").CombinedOutput()
		took := time.Since(began)
		switch {
		case err == nil || !strings.Contains(string(out), sentence):
			return took, fmt.Errorf("cmu status: %w: %s", err, out)
		case took > b.allow(4*time.Second):
			return took, fmt.Errorf("cmu status took %v", took)
		}
		return took, nil
	}
	if err := stop(ctx, b.serve.Process); err != nil {
		return "", err
	}
	first, err := status("does not answer: end it")
	b.kill()
	if err != nil {
		return "", err
	}
	if err := b.faults(sandbox.Fault{On: "report", Kind: "hang"}); err != nil {
		return "", err
	}
	before := b.adobe.Counts().Report
	other := b.command(ctx, "report", "tenant/year")
	if err := other.Start(); err != nil {
		return "", err
	}
	defer func() { _ = other.Process.Kill(); _ = other.Wait() }()
	for range 250 {
		if b.adobe.Counts().Report > before {
			break
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return "", err
		}
	}
	if err := stop(ctx, other.Process); err != nil {
		return "", err
	}
	second, err := status("does not go on: it was stopped, or hangs")
	return fmt.Sprintf("cmu status gives up a serve after %v, a command after %v", first.Round(100*time.Millisecond), second.Round(100*time.Millisecond)), err
}

// stop stops a process, and waits until each of its threads has noticed.
func stop(ctx context.Context, p *os.Process) error {
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.Pid))
		if err != nil || len(threads) == 0 {
			return fmt.Errorf("process %d has no threads, %w", p.Pid, err)
		}
		if !slices.ContainsFunc(threads, func(name string) bool {
			text, err := os.ReadFile(name)
			return err == nil && !strings.Contains(string(text), ") T ") // source: proc_pid_stat(5)
		}) {
			return nil
		}
		if err := wait(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
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
	began := time.Now()
	filler := filepath.Join(b.dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 3<<20), 0o600); err == nil {
		return "", errors.New("the disk does not fill up")
	}
	a, err := b.get(ctx, heavy)
	if err != nil || a.status != 200 {
		return "", fmt.Errorf("with a full disk: %d %s, %w", a.status, a.body, err)
	}
	if a, err := b.get(ctx, "/status"); err != nil || !strings.Contains(string(a.body), "as the disk is full.") {
		return "", fmt.Errorf("/status does not name the full disk: %s, %w", a.body, err)
	}
	for i := range 20 {
		if a, err := b.get(ctx, fmt.Sprintf("%s&mvpd!=nobody-%d", narrow, i)); err != nil || a.status != 200 {
			return "", fmt.Errorf("with a full disk: %d %s, %w", a.status, a.body, err)
		}
	}
	since := time.Since(began)
	b.kill()
	if n := strings.Count(b.out.String(), "blocks could not be stored"); n == 0 || n > 1+int(since/time.Minute) {
		return "", fmt.Errorf("the log tells of the full disk %d times in %v", n, since)
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
