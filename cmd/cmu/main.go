// Command cmu serves, asks for and looks after Adobe Concurrency Monitoring usage reports on one machine: what the Lambda
// functions do in AWS, in one process, with a simulated Adobe for those who have none yet.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"cmu-gateway/pkg/cmu"
)

// Exit codes.
const (
	exitOK         = 0
	exitFailure    = 1
	exitUsage      = 2
	exitIncomplete = 3
)

// exitCodes are what help and docs tell of them.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitOK, "success; of a report with a limit too, if the rows past that are all that is missing"},
	{exitFailure, "failure, or not all could be found out, or access is in doubt; a sentence on stderr says why"},
	{exitUsage, "a wrong command line or environment, or no Adobe is named; nothing was done"},
	{exitIncomplete, "a report was written, and rows are missing that Adobe has"},
}

// terminal is what a command talks to.
type terminal struct {
	stdout, stderr io.Writer
	environ        []string
	interactive    bool // stdout is a screen
	progress       bool // stderr is a screen
	json           bool // what is told is told in JSON
	quiet          bool // what was not asked for is not told
}

// printf prints what was asked for.
func (t *terminal) printf(format string, a ...any) {
	io.WriteString(t.stdout, shown(fmt.Sprintf(format, a...)))
}

// sayf tells in words what was done, where nobody wants to be without, and nobody wants JSON.
func (t *terminal) sayf(format string, a ...any) {
	if !t.quiet && !t.json {
		t.printf(format, a...)
	}
}

// document prints v if JSON is wanted.
func (t *terminal) document(v any) error {
	if !t.json {
		return nil
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		t.printf("%s\n", text)
	}
	return err
}

// warnf says in a line what the reader of stdout should know.
func (t *terminal) warnf(format string, a ...any) {
	if !t.quiet {
		t.errorf(format, a...)
	}
}

// errorf says in a line what must not be missed.
func (t *terminal) errorf(format string, a ...any) {
	io.WriteString(t.stderr, "cmu: "+shown(cmu.Redact(fmt.Sprintf(format, a...)))+"\n")
}

// waits says why nothing happens.
func (t *terminal) waits(message string) { t.warnf("%s; Ctrl-C gives up", message) }

// usageError is a command line or an environment that is wrong.
type usageError struct{ error }

func usagef(format string, a ...any) error { return usageError{fmt.Errorf(format, a...)} }

// remembering is a Writer that remembers why it failed first.
type remembering struct {
	io.Writer
	err error
}

func (r *remembering) Write(text []byte) (int, error) {
	n, err := r.Writer.Write(text)
	if r.err == nil {
		r.err = err
	}
	return n, err
}

// errIncomplete ends a command that has said already what is missing.
var errIncomplete = errors.New("rows are missing")

func main() {
	ends := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		ends = append(ends, syscall.SIGHUP)
	}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, ends...)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		// The first ends things in good order, the second at once: also where a shell has it ignored, as for what it runs behind.
		<-signals
		cancel()
		<-signals
		os.Exit(exitFailure)
	}()
	t := &terminal{
		stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(), interactive: isScreen(os.Stdout), progress: isScreen(os.Stderr),
	}
	os.Exit(run(ctx, t, os.Args[1:]))
}

func isScreen(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// run does what the command line says and returns the exit code.
func run(ctx context.Context, t *terminal, args []string) int {
	out := &remembering{Writer: t.stdout}
	t.stdout = out
	err := dispatch(ctx, t, args)
	if err == nil && out.err != nil && !errors.Is(out.err, syscall.EPIPE) { // nobody reads on, as with head
		err = fmt.Errorf("not all could be written: %w", out.err)
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errIncomplete):
		return exitIncomplete
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		t.errorf("interrupted")
		return exitFailure
	}
	t.errorf("%v", err)
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailure
}
