package rig

import (
	"bytes"
	"sync"
)

// Transcript holds all that is written to it, by many at once.
type Transcript struct {
	mu   sync.Mutex
	text bytes.Buffer // guarded by mu
}

func (t *Transcript) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.Write(p)
}

func (t *Transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}
