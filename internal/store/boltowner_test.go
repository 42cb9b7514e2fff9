package store_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cmu-gateway/internal/store"
)

const childPath = "CMU_TEST_CHILD_PATH"

// TestMain lets the test binary be another process that opens the file.
func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		child(path)
		return
	}
	os.Exit(m.Run())
}

// child opens the store, writes a note, says how that went, and keeps the file until its input ends.
func child(path string) {
	s, err := store.OpenBolt(path, store.BoltOptions{})
	if err == nil {
		err = s.PutNote(ctx, "child", store.Note{Value: []byte("was here")})
	}
	switch {
	case errors.Is(err, store.ErrInUse):
		fmt.Println("in use:", err)
	case err != nil:
		fmt.Println("error:", err)
	default:
		fmt.Println("open")
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// startChild starts a child and returns what it says. The child ends with its input.
func startChild(t *testing.T, path string) (cmd *exec.Cmd, input io.Closer, said string) {
	t.Helper()
	cmd = exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childPath+"="+path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	said, err = bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, stdin, strings.TrimSpace(said)
}

func TestBoltHasOneOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openBolt(t, path, store.BoltOptions{})
	sentence := "the data folder " + filepath.Dir(path) + " is in use by another process"
	if _, err := store.OpenBolt(path, store.BoltOptions{}); !errors.Is(err, store.ErrInUse) || !strings.Contains(err.Error(), sentence) {
		t.Errorf("the same process opens it again: %v", err)
	}
	if _, _, said := startChild(t, path); !strings.HasPrefix(said, "in use:") || !strings.Contains(said, sentence) {
		t.Errorf("another process says %q", said)
	}
	if err := s.PutNote(ctx, "a", store.Note{}); err != nil {
		t.Errorf("the owner's PutNote: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if _, err := s.Notes(ctx); err == nil {
		t.Error("a call after Close succeeded")
	}
	if err := s.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if _, _, said := startChild(t, path); said != "open" {
		t.Errorf("another process says %q after Close", said)
	}
}

func TestBoltOwnerEnds(t *testing.T) {
	for name, end := range map[string]func(cmd *exec.Cmd, input io.Closer) error{
		"by itself": func(_ *exec.Cmd, input io.Closer) error { return input.Close() },
		"killed":    func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			cmd, input, said := startChild(t, path)
			if said != "open" {
				t.Fatalf("the owner says %q", said)
			}
			if _, err := store.OpenBolt(path, store.BoltOptions{}); !errors.Is(err, store.ErrInUse) {
				t.Errorf("OpenBolt while another process owns the file: %v", err)
			}
			if err := end(cmd, input); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // its error is that it was killed
			notes, err := openBolt(t, path, store.BoltOptions{}).Notes(ctx)
			if err != nil || string(notes["child"].Value) != "was here" {
				t.Errorf("Notes: %v, %v", notes, err)
			}
		})
	}
}

// TestBoltOpenedAtOnce has many open one file at the same time, whatever must be done to it first: one gets it.
func TestBoltOpenedAtOnce(t *testing.T) {
	for name, begin := range map[string]func(path string){
		"no file":     func(string) {},
		"mostly free": func(path string) { mostlyFree(t, path) },
		"damaged": func(path string) {
			if err := os.WriteFile(path, []byte("damaged"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			begin(path)
			opened := openAtOnce(t, path, 20)
			if len(opened) != 1 {
				t.Fatalf("%d own the file", len(opened))
			}
			if err := opened[0].PutNote(ctx, "owner", store.Note{}); err != nil {
				t.Errorf("PutNote: %v", err)
			}
			if err := opened[0].Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if notes, err := openBolt(t, path, store.BoltOptions{}).Notes(ctx); err != nil || len(notes) == 0 {
				t.Errorf("what the owner wrote is not in the file: %v, %v", notes, err)
			}
		})
	}
}

// openAtOnce opens a file so many times at once, and returns the stores that were opened.
func openAtOnce(t *testing.T, path string, openers int) (opened []store.Store) {
	all := make(chan store.Store, openers)
	for range openers {
		go func() {
			s, err := store.OpenBolt(path, store.BoltOptions{})
			if err != nil && !errors.Is(err, store.ErrInUse) {
				t.Errorf("OpenBolt: %v", err)
			}
			all <- s
		}()
	}
	for range openers {
		if s := <-all; s != nil {
			opened = append(opened, s)
			t.Cleanup(func() { _ = s.Close() })
		}
	}
	return opened
}
