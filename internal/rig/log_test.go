package rig

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var _ TB = (*rapid.T)(nil)

// fake is a test whose end and failures can be seen.
type fake struct {
	end      []func()
	failures []string
	shown    string
}

func (f *fake) Helper()                   {}
func (f *fake) Cleanup(g func())          { f.end = append(f.end, g) }
func (f *fake) Failed() bool              { return len(f.failures) > 0 }
func (f *fake) Log(args ...any)           { f.shown += fmt.Sprint(args...) }
func (f *fake) Errorf(s string, a ...any) { f.failures = append(f.failures, fmt.Sprintf(s, a...)) }

func TestLogFailsTheTest(t *testing.T) {
	for name, test := range map[string]struct {
		of   func(*Log)
		want []string // the failures, by what they hold
	}{
		"nothing":                {func(l *Log) {}, nil},
		"below ERROR":            {func(l *Log) { l.Info("a"); l.Warn("level=ERROR msg=b", "c", "level=ERROR msg=d") }, nil},
		"an error":               {func(l *Log) { l.Error("broken", "cause", "rust") }, []string{"cause=rust"}},
		"two errors":             {func(l *Log) { l.Error("one"); l.Error("two") }, []string{"msg=one", "msg=two"}},
		"one of another logger":  {func(l *Log) { l.With("part", "x").WithGroup("g").Error("broken") }, []string{"part=x"}},
		"expected by message":    {func(l *Log) { l.Expect("quite broken"); l.Error("quite broken"); l.Error("quite broken") }, nil},
		"expected by attribute":  {func(l *Log) { l.Error("broken", "event", "fire"); l.Expect("event=fire") }, nil},
		"expected, and another":  {func(l *Log) { l.Expect("one"); l.Error("one"); l.Error("two") }, []string{"msg=two"}},
		"expected, never come":   {func(l *Log) { l.Expect("one") }, []string{`"one"`}},
		"expected, come as WARN": {func(l *Log) { l.Expect("one"); l.Warn("one") }, []string{`"one"`}},
		"allowed":                {func(l *Log) { l.Allow("one"); l.Error("one") }, nil},
		"allowed, never come":    {func(l *Log) { l.Allow("one") }, nil},
		"another process": {func(l *Log) {
			fmt.Fprint(l, "panic: x\ntime=2026-07-21T13:47:20Z level=ERROR msg=one\ntime=2026-07-21T13:47:20Z level=INFO msg=two\n")
		}, []string{"msg=one"}},
		"after many lines": {func(l *Log) {
			l.Error("first")
			for range 3 * maxLines {
				l.Info("more")
			}
			if n := strings.Count(l.String(), "\n"); n < maxLines || n > 2*maxLines {
				t.Errorf("%d lines are kept", n)
			}
		}, []string{"first"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{}
			test.of(NewLog(f))
			for _, end := range f.end {
				end()
			}
			if len(f.failures) != len(test.want) {
				t.Fatalf("failures %q, want %d", f.failures, len(test.want))
			}
			if (f.shown == "") != (len(test.want) == 0) {
				t.Errorf("shown %q", f.shown)
			}
			for i, want := range test.want {
				if !strings.Contains(f.failures[i], want) {
					t.Errorf("%q does not tell %s", f.failures[i], want)
				}
			}
		})
	}
}

// A test that failed shows what was logged, and is not blamed for what it did not come to.
func TestLogOfAFailedTest(t *testing.T) {
	f := &fake{}
	l := NewLog(f)
	l.Expect("later")
	l.Log(t.Context(), slog.LevelInfo, "before")
	f.Errorf("failed")
	f.end[0]()
	if !strings.Contains(f.shown, "msg=before") || len(f.failures) != 1 {
		t.Errorf("shown %q, failures %q", f.shown, f.failures)
	}
}
