// Package secretstest holds the contract test of secrets.Store, and a Store that fails on demand.
package secretstest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"cmu-gateway/internal/secrets"
)

var ctx = context.Background()

// Run tests that the stores which open returns keep the contract of secrets.Store. Each call of open begins a store without
// values in which secrets of these names can be written.
func Run(t *testing.T, open func(t *testing.T, names ...string) secrets.Store) {
	t.Run("Absent", func(t *testing.T) {
		s := open(t, "exists")
		for _, name := range []string{"exists", "does-not-exist"} {
			if value, err := s.Read(ctx, name); !errors.Is(err, secrets.ErrAbsent) || value != nil {
				t.Errorf("Read of %s: %d bytes, %v", name, len(value), err)
			} else if !strings.Contains(err.Error(), name) {
				t.Errorf("the error does not name %s: %v", name, err)
			}
		}
	})

	t.Run("Values", func(t *testing.T) {
		s := open(t, "a")
		for i, value := range []string{"x", " a line\n", `{"token":"é\u0000 ✓"}`, strings.Repeat("v", 64<<10), "\n"} {
			write(t, s, "a", fmt.Sprint(i), value)
			read(t, s, "a", value)
		}
	})

	t.Run("Names", func(t *testing.T) {
		names := []string{"a", "b", "A", "a/b", "a.b", "a_b", "a-b", "cmu-gateway/access-token", "a+b=c@d"}
		s := open(t, names...)
		for _, name := range names {
			write(t, s, name, "id", "the value of "+name)
		}
		for _, name := range names {
			read(t, s, name, "the value of "+name)
		}
	})

	t.Run("Ids", func(t *testing.T) {
		s := open(t, "a", "b")
		write(t, s, "a", "1", "first")
		write(t, s, "a", "1", "first") // a retry
		read(t, s, "a", "first")
		write(t, s, "a", "1", "same id, other value")
		read(t, s, "a", "same id, other value")
		write(t, s, "a", "2", "same id, other value")
		read(t, s, "a", "same id, other value")
		write(t, s, "a", "", "without an id")
		read(t, s, "a", "without an id")
		write(t, s, "a", "3", "first") // brought back on purpose
		read(t, s, "a", "first")
		write(t, s, "b", "1", "first")
		read(t, s, "b", "first")
		write(t, s, "a", strings.Repeat("a long id, ", 100), "by a long id")
		read(t, s, "a", "by a long id")
	})

	t.Run("Refused", func(t *testing.T) {
		s := open(t, "a")
		write(t, s, "a", "1", "kept")
		for what, value := range map[string]string{
			"empty":         "",
			"too big":       strings.Repeat("v", 64<<10+1),
			"not text":      "hush\xff",
			"hardly a text": "hush" + string([]byte{0xc3}),
		} {
			err := s.Write(ctx, "a", "2", []byte(value))
			if err == nil {
				t.Errorf("Write of a value that is %s succeeded", what)
			} else if strings.Contains(err.Error(), "hush") || strings.Contains(err.Error(), "vvv") {
				t.Errorf("an error holds the value: %.200v", err)
			}
		}
		read(t, s, "a", "kept")
	})

	t.Run("WriterAndReader", func(t *testing.T) {
		s := open(t, "a")
		version := func(i int) string { return strings.Repeat(fmt.Sprintf("%03d,", i), 1+i%7*1000) }
		write(t, s, "a", "0", version(0))
		done := make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			defer close(done)
			for i := range 40 {
				if err := s.Write(ctx, "a", fmt.Sprint(i), []byte(version(i))); err != nil {
					t.Errorf("Write: %v", err)
				}
			}
		})
		for range 2 {
			wg.Go(func() {
				last := 0
				for finished := false; !finished; {
					select {
					case <-done:
						finished = true
					default:
					}
					value, err := s.Read(ctx, "a")
					if err != nil {
						t.Errorf("Read: %v", err)
						return
					}
					var i int
					if _, err := fmt.Sscanf(string(value), "%03d,", &i); err != nil || string(value) != version(i) {
						t.Errorf("Read a value that was not written: %.20q (%d bytes)", value, len(value))
					}
					if i < last {
						t.Errorf("Read %d after %d", i, last)
					}
					last = i
				}
				if last != 39 {
					t.Errorf("Read %d last; want 39", last)
				}
			})
		}
		wg.Wait()
	})

	t.Run("Check", func(t *testing.T) {
		s := open(t, "a")
		for range 2 {
			if err := s.Check(ctx, "a"); err != nil {
				t.Errorf("Check of a secret without a value: %v", err)
			}
			if value, err := s.Read(ctx, "a"); !errors.Is(err, secrets.ErrAbsent) {
				t.Errorf("Read after it: %d bytes, %v", len(value), err)
			}
		}
		write(t, s, "a", "1", "kept")
		if err := s.Check(ctx, "a"); err != nil {
			t.Errorf("Check of a secret with a value: %v", err)
		}
		read(t, s, "a", "kept")
		write(t, s, "a", "2", "written after it")
		read(t, s, "a", "written after it")
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		if err := s.Check(ctx, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	})

	t.Run("Cancelled", func(t *testing.T) {
		s := open(t, "a")
		write(t, s, "a", "1", "kept")
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := s.Read(ctx, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("Read: %v", err)
		}
		if err := s.Write(ctx, "a", "2", []byte("lost")); !errors.Is(err, context.Canceled) {
			t.Errorf("Write: %v", err)
		}
		read(t, s, "a", "kept")
	})
}

func write(t *testing.T, s secrets.Store, name, id, value string) {
	t.Helper()
	if err := s.Write(ctx, name, id, []byte(value)); err != nil {
		t.Fatalf("Write of %s: %v", name, err)
	}
}

func read(t *testing.T, s secrets.Store, name, want string) {
	t.Helper()
	got, err := s.Read(ctx, name)
	if err != nil {
		t.Fatalf("Read of %s: %v", name, err)
	}
	if string(got) != want {
		t.Errorf("Read of %s: %.40q (%d bytes); want %.40q (%d bytes)", name, got, len(got), want, len(want))
	}
}
