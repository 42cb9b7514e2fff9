package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func limitTrials() []trial {
	return []trial{
		{"ulimit -n 24", fewFiles},
		{"ulimit -f 400", smallFiles},
		{"87 damaged data files", damagedFiles},
	}
}

// fewFiles has so few files and connections that most callers must wait for one.
func fewFiles(ctx context.Context, b *bench) (string, error) {
	b.limit = "ulimit -n 24"
	if err := b.start(ctx); err != nil {
		return "", err
	}
	var all sync.WaitGroup
	var answered atomic.Int64
	for i := range 200 {
		all.Go(func() {
			soon, cancel := context.WithTimeout(ctx, 20*time.Second)
			defer cancel()
			if a, err := b.get(soon, fmt.Sprintf("%s&mvpd!=nobody-%d", narrow, i%20)); err == nil && a.status == 200 {
				answered.Add(1)
			}
		})
	}
	all.Wait()
	a, err := b.get(ctx, "/cmu/v2/tenant/year/month?start=2026-01&end=2026-03")
	seen := fmt.Sprintf("%d of 200 at once are answered; afterwards another caller waits %v", answered.Load(), a.took.Round(time.Millisecond))
	if answered.Load() < 200 {
		return seen, errors.New("some gave up")
	}
	if err != nil || a.status != 200 || a.took > b.allow(3*time.Second) {
		return seen, fmt.Errorf("afterwards: %d %s after %v, %w", a.status, a.body, a.took, err)
	}
	return seen, nil
}

// smallFiles has files that may not become larger than a report needs. That is no damage: what is kept stays.
func smallFiles(ctx context.Context, b *bench) (string, error) {
	b.limit = "ulimit -f 800" // of 512 bytes, as POSIX has it
	if err := b.start(ctx); err != nil {
		return "", err
	}
	before, err := b.get(ctx, narrow)
	if err != nil || before.status != 200 {
		return "", fmt.Errorf("%d %s, %w", before.status, before.body, err)
	}
	for range 2 {
		if a, err := b.get(ctx, heavy); err != nil || a.status != 200 {
			return "", fmt.Errorf("%d %s, %w", a.status, a.body, err)
		}
		a, err := b.get(ctx, "/status")
		if err != nil || !bytes.Contains(a.body, []byte("(ulimit -f)")) {
			return "", fmt.Errorf("/status does not name the limit: %s, %w", a.body, err)
		}
		b.kill()
		if err := b.start(ctx); err != nil {
			return "", err
		}
		asked := b.adobe.Counts().Report
		if a, err := b.get(ctx, narrow); err != nil || a.size != before.size || b.adobe.Counts().Report != asked {
			return "", fmt.Errorf("after a kill: %d, %d bytes, want %d, %w", a.status, a.size, before.size, err)
		}
	}
	if aside, _ := filepath.Glob(filepath.Join(b.dir, "data", "*", "*.damaged-*")); len(aside) > 0 {
		return "", errors.New("the data file was set aside")
	}
	return "answers go on, what is kept stays", nil
}

// damagedFiles starts over data files with damage of each kind: each start works, and answers are right.
func damagedFiles(ctx context.Context, b *bench) (string, error) {
	if err := b.start(ctx); err != nil {
		return "", err
	}
	want := map[string]int64{}
	for i := range 4 {
		a, err := b.get(ctx, month(i))
		if err != nil || a.status != 200 {
			return "", fmt.Errorf("%d %s, %w", a.status, a.body, err)
		}
		want[month(i)] = a.size
	}
	b.kill()
	found, err := filepath.Glob(filepath.Join(b.dir, "data", "*", "reports.db"))
	if err != nil || len(found) != 1 {
		return "", fmt.Errorf("data files: %v, %w", found, err)
	}
	whole, err := os.ReadFile(found[0])
	if err != nil {
		return "", err
	}
	random, aside, longest := rand.New(rand.NewPCG(1, 2)), 0, time.Duration(0)
	for n := range 87 {
		if err := os.WriteFile(found[0], damaged(whole, n, random), 0o600); err != nil {
			return "", err
		}
		began := time.Now()
		if err := b.start(ctx); err != nil {
			return "", fmt.Errorf("damage %d: %w", n, err)
		}
		longest = max(longest, time.Since(began))
		a, err := b.get(ctx, month(n))
		if err != nil || a.status != 200 || a.size != want[month(n)] {
			return "", fmt.Errorf("damage %d: %d, %d bytes, want %d, %w", n, a.status, a.size, want[month(n)], err)
		}
		b.kill()
		if strings.Contains(b.out.String(), "was set aside") {
			aside++
		}
	}
	seen := fmt.Sprintf("all start and answer right, %d of them anew; a start takes at most %v", aside, longest.Round(time.Millisecond))
	if aside == 0 || aside == 87 {
		return seen, errors.New("the damage is all of one kind")
	}
	return seen, nil
}

// damaged is a copy of a file with damage of the nth kind.
func damaged(whole []byte, n int, random *rand.Rand) []byte {
	file := bytes.Clone(whole)
	page := file[random.IntN(len(file)/4096)*4096:][:4096]
	switch n % 7 {
	case 0:
		file[random.IntN(len(file))] ^= 1 << random.IntN(8)
	case 1:
		page[random.IntN(64)] ^= 0xff // where a page says what it is
	case 2:
		clear(page)
	case 3:
		copy(page, file[random.IntN(len(file)/4096)*4096:][:4096])
	case 4:
		return file[:random.IntN(len(file))]
	case 5:
		return file[:4096+random.IntN(4096)]
	case 6:
		for i := range page {
			page[i] = byte(random.Uint32())
		}
	}
	return file
}
