// Command hostile tries a cmu serve in ways that nobody means well: an Adobe whose answers have no end, callers that do not read, many
// wide reports at once, kills in mid-work, full disks, damaged files, limits of the shell. It prints what each costs, and fails where something exceeds its bound. It
// needs Linux, some minutes and no network; make hostile runs it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// trial is one case. It returns what was seen, in a few words, or an error where that is not as it must be.
type trial struct {
	name string
	run  func(ctx context.Context, b *bench) (seen string, err error)
}

// most is the memory that no trial may exceed unless it has a bound of its own.
const most = 256 << 20

func main() {
	only := flag.String("run", "", "`REGEXP` of the trials to run; empty: all")
	flag.Parse()
	chosen, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, err := runAll(ctx, chosen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err != nil || failed > 0 {
		os.Exit(1)
	}
}

func runAll(ctx context.Context, chosen *regexp.Regexp) (failed int, err error) {
	dir, err := os.MkdirTemp("", "cmu-hostile-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "cmu")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "./cmd/cmu").CombinedOutput(); err != nil {
		return 0, fmt.Errorf("cmu cannot be built: %w\n%s", err, out)
	}
	began := time.Now()
	fmt.Printf("%-34s %8s %8s %9s %6s  %s\n", "trial", "seconds", "CPU s", "peak MB", "slow", "seen")
	for _, t := range trials() {
		if !chosen.MatchString(t.name) || ctx.Err() != nil {
			continue
		}
		b := &bench{binary: binary, dir: filepath.Join(dir, strings.ReplaceAll(t.name, " ", "-")), bound: most, slow: slowness()}
		start := time.Now()
		seen, err := t.run(ctx, b)
		b.end()
		if err == nil && b.peak > b.bound {
			err = fmt.Errorf("over %d MB", b.bound>>20)
		}
		if err != nil {
			failed++
			seen = fmt.Sprintf("FAILED: %v; %s", err, seen)
		}
		fmt.Printf("%-34s %8.1f %8.1f %9d %6.1f  %s\n", t.name, time.Since(start).Seconds(), b.cpu.Seconds(), b.peak>>20, b.slow, seen)
	}
	fmt.Printf("%d failed, in %v\n", failed, time.Since(began).Round(time.Second))
	return failed, ctx.Err()
}

func trials() (all []trial) {
	all = append(all, floodTrials()...)
	all = append(all, loadTrials()...)
	all = append(all, breakTrials()...)
	return append(all, limitTrials()...)
}
