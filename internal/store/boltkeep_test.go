package store_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/store"
)

// What is kept for ever never makes room, whatever is put, and over a restart; where it fills the file nothing else is kept, and the log says so once.
func TestBoltKeepsWhatHasNoEnd(t *testing.T) {
	const size = 40_000
	var log bytes.Buffer
	b := newBounded(t, 2<<20)
	b.o.Keep, b.o.Log = true, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	b.reopen()
	var want []string
	for i := range 25 {
		b.now = b.now.Add(time.Hour)
		if i%2 == 0 {
			name := fmt.Sprintf("b%02d", i)
			want = append(want, name)
			b.putForEver(name, size)
		}
		b.put(fmt.Sprintf("c%02d", i), size)
		b.put(fmt.Sprintf("x%02d", i), size)
		if i == 12 {
			b.reopen()
		}
	}
	holds := func() {
		t.Helper()
		for _, name := range want {
			if !b.has(name) {
				t.Errorf("%s is gone", name)
			}
		}
	}
	holds()
	if strings.Contains(log.String(), "no room") {
		t.Errorf("there was room: %s", log.String())
	}
	for i := range 100 {
		b.now = b.now.Add(time.Second)
		b.putForEver(fmt.Sprintf("d%02d", i), size)
	}
	holds()
	if n := strings.Count(log.String(), "no room"); n != 1 {
		t.Errorf("it was said %d times that there is no room: %s", n, log.String())
	}
	// Off, it makes room as others do; on again, what is left stays.
	b.o.Keep = false
	b.reopen()
	for i := range 60 {
		b.now = b.now.Add(time.Hour)
		b.put(fmt.Sprintf("e%02d", i), size)
	}
	if !b.has("e59") || b.has(want[0]) {
		t.Errorf("off, what has no end does not make room: e59 %v, %s %v", b.has("e59"), want[0], b.has(want[0]))
	}
	b.o.Keep = true
	b.reopen()
	b.putForEver("last", size)
	for i := range 60 {
		b.now = b.now.Add(time.Hour)
		b.put(fmt.Sprintf("f%02d", i), size)
	}
	if !b.has("last") || !b.has("f59") {
		t.Errorf("on again: last %v, f59 %v", b.has("last"), b.has("f59"))
	}
}

func (b *bounded) putForEver(name string, size int) {
	b.t.Helper()
	if err := b.Put(ctx, store.Report("report of "+name), store.Block{Name: name, Data: make([]byte, size), Fetched: b.now}); err != nil {
		b.t.Fatalf("Put of %q: %v", name, err)
	}
}
