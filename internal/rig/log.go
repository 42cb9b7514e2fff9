package rig

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
)

// TB is what tests, benchmarks and property tests have in common.
type TB interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Log(...any)
	Errorf(string, ...any)
}

// Log is the log of a test. When the test ends, it fails on every line at level ERROR that it did not expect, and a test that
// failed shows the last lines. NewLog makes one. It is safe for concurrent use.
type Log struct {
	*slog.Logger
	t TB

	mu       sync.Mutex
	lines    []string // the last ones
	errors   []string // the lines at level ERROR
	expected []string
	allowed  []string
}

// maxLines is how many lines are kept, at least.
const maxLines = 500

// NewLog returns the log of t.
func NewLog(t TB) *Log {
	l := &Log{t: t}
	l.Logger = slog.New(slog.NewTextHandler(l, nil))
	t.Cleanup(l.end)
	return l
}

// Expect says that at least one line at level ERROR comes before the test ends that holds text, such as its message or an
// attribute as name=value, and that all such lines are right.
func (l *Log) Expect(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expected = append(l.expected, text)
}

// Allow says that lines at level ERROR that hold text may come.
func (l *Log) Allow(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.allowed = append(l.allowed, text)
}

// Write takes whole lines as slog.TextHandler writes them. Tests give it what another process logged.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(string(p)) {
		if len(l.lines) == 2*maxLines {
			l.lines = slices.Delete(l.lines, 0, maxLines)
		}
		l.lines = append(l.lines, line)
		if head, _, _ := strings.Cut(line, " msg="); strings.HasSuffix(head, "level=ERROR") && len(l.errors) < maxLines {
			l.errors = append(l.errors, line)
		}
	}
	return len(p), nil
}

// String returns the last lines.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines, "")
}

func (l *Log) end() {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.t.Failed() { // a test that broke off may not have come to it
		for _, text := range l.expected {
			if !slices.ContainsFunc(l.errors, func(line string) bool { return strings.Contains(line, text) }) {
				l.t.Errorf("no line at level ERROR has %q", text)
			}
		}
	}
	right := slices.Concat(l.expected, l.allowed)
	for _, line := range l.errors {
		if !slices.ContainsFunc(right, func(text string) bool { return strings.Contains(line, text) }) {
			l.t.Errorf("not expected in the log: %s", line)
		}
	}
	if l.t.Failed() {
		l.t.Log("the log:\n" + strings.Join(l.lines, ""))
	}
}
