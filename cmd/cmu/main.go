// Command cmu serves, asks for and looks after Adobe Concurrency Monitoring usage reports on one machine: what the Lambda
// functions do in AWS, in one process, with a simulated Adobe for those who have none yet.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes.
const (
	exitOK         = 0
	exitFailure    = 1
	exitUsage      = 2
	exitIncomplete = 3 // a report was answered, yet rows are missing
)

// terminal is what a command talks to.
type terminal struct {
	stdout, stderr io.Writer
	environ        []string
	interactive    bool // stdout is a screen
}

func (t *terminal) printf(format string, a ...any) { fmt.Fprintf(t.stdout, format, a...) }

// warnf says in a line what the reader of stdout should know.
func (t *terminal) warnf(format string, a ...any) { fmt.Fprintf(t.stderr, "cmu: "+format+"\n", a...) }

// waits says why nothing happens.
func (t *terminal) waits(message string) { t.warnf("%s; Ctrl-C gives up", message) }

// usageError is a command line or an environment that is wrong.
type usageError struct{ error }

func usagef(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// errIncomplete ends a command that has said already what is missing.
var errIncomplete = errors.New("rows are missing")

func main() {
	// The first signal ends things in good order, the second at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	info, err := os.Stdout.Stat()
	t := &terminal{os.Stdout, os.Stderr, os.Environ(), err == nil && info.Mode()&os.ModeCharDevice != 0}
	os.Exit(run(ctx, t, os.Args[1:]))
}

// run does what the command line says and returns the exit code.
func run(ctx context.Context, t *terminal, args []string) int {
	err := dispatch(ctx, t, args)
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errIncomplete):
		return exitIncomplete
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		t.warnf("interrupted")
		return exitFailure
	}
	t.warnf("%v", err)
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailure
}
