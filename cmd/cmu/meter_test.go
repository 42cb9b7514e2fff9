package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Progress is shown on a screen, once a report takes over a second, and is gone when it ends.
func TestProgressIsShown(t *testing.T) {
	const (
		clear   = "\r\x1b[K"
		waiting = clear + "cmu: waiting for Adobe"
	)
	for _, test := range []struct {
		name          string
		screen, quiet bool
		takes         time.Duration
		tells         []progress // after that, at once
		want          string
	}{
		{"in time", true, false, 900 * time.Millisecond, []progress{{1, 25}}, ""},
		{"late", true, false, 1100 * time.Millisecond, []progress{{0, 25}, {12, 25}}, waiting + clear + "cmu: 0 of 25 blocks" + clear + "cmu: 12 of 25 blocks" + clear},
		{"several pieces", true, false, 1100 * time.Millisecond, []progress{{12, 25}, {0, 1}}, waiting + clear + "cmu: 12 of 25 blocks" + clear},
		{"whole", true, false, 2 * time.Second, nil, waiting + clear},
		{"no screen", false, false, 2 * time.Second, []progress{{1, 25}}, ""},
		{"quiet", true, true, 2 * time.Second, []progress{{1, 25}}, ""},
	} {
		synctest.Test(t, func(t *testing.T) {
			var screen strings.Builder
			m := (&terminal{stderr: &screen, progress: test.screen, quiet: test.quiet}).meter()
			time.Sleep(test.takes)
			synctest.Wait()
			for _, p := range test.tells {
				m.tell(p)
			}
			m.end()
			m.tell(progress{25, 25})
			m.end()
			time.Sleep(time.Minute)
			if screen.String() != test.want {
				t.Errorf("%s: %q, want %q", test.name, screen.String(), test.want)
			}
		})
	}
}

// Progress crosses the control door, and what is shown is gone before the report is printed.
func TestProgressCrosses(t *testing.T) {
	usual := meterAfter
	meterAfter = 0
	t.Cleanup(func() { meterAfter = usual })
	shown := make(chan struct{})
	data := ownedFolder(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hello" {
			w.Write([]byte("PROOF"))
			return
		}
		obey(w, r, func(_ context.Context, _ reportOrder, say func(said)) (outcome, error) {
			say(said{Progress: &progress{12, 25}})
			<-shown
			return outcome{}, nil
		})
		w.Write([]byte("a,b\n"))
	}), func(*address) {})
	both := &screen{found: shown}
	t12 := &terminal{stdout: both, stderr: both, progress: true}
	if code := run(t.Context(), t12, []string{"report", "tenant", "--format", "csv", "--data", data}); code != exitOK {
		t.Errorf("code %d", code)
	}
	if got := both.text.String(); !strings.HasSuffix(got, "cmu: 12 of 25 blocks\r\x1b[Ka,b\n") {
		t.Errorf("%q", got)
	}
}

// screen is what a person sees; found is closed when it shows the progress.
type screen struct {
	text  strings.Builder
	found chan struct{}
}

func (s *screen) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "12 of 25") {
		close(s.found)
	}
	return s.text.Write(p)
}
