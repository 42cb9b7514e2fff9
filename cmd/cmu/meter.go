package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress is how many of the blocks that a report needs are there.
type progress struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

// meterAfter is how long a report may take before its progress is shown. Tests have less.
var meterAfter = time.Second

// meter shows on a screen how far a report is. A nil one shows nothing.
type meter struct {
	screen io.Writer
	begin  *time.Timer

	mu     sync.Mutex // guards what follows
	latest progress
	words  string // shown instead; empty: none
	shown  bool
	ended  bool
}

// meter begins to show progress where stderr is a screen.
func (t *terminal) meter() *meter {
	if !t.progress || t.quiet {
		return nil
	}
	m := &meter{screen: t.stderr}
	m.begin = time.AfterFunc(meterAfter, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.shown = !m.ended
		m.show()
	})
	return m
}

// tell notes progress. Of several pieces of a report the largest is shown.
func (m *meter) tell(p progress) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if p.Total >= m.latest.Total {
		m.latest = p
		m.show()
	}
}

// say has words shown instead of progress.
func (m *meter) say(words string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.words = words
	m.show()
}

// clearLine returns to the line's beginning and clears it. Source: ECMA-48, CR and EL.
const clearLine = "\r\x1b[K"

// show writes the line anew. m.mu is held.
func (m *meter) show() {
	switch {
	case !m.shown:
	case m.words != "":
		fmt.Fprint(m.screen, clearLine+"cmu: "+m.words)
	case m.latest.Total == 0:
		fmt.Fprint(m.screen, clearLine+"cmu: waiting for Adobe")
	default:
		fmt.Fprintf(m.screen, "%scmu: %d of %d blocks", clearLine, m.latest.Done, m.latest.Total)
	}
}

// end takes the line away. It may be called again.
func (m *meter) end() {
	if m == nil {
		return
	}
	m.begin.Stop()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shown {
		fmt.Fprint(m.screen, clearLine)
	}
	m.shown, m.ended = false, true
}
