package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"cmu-gateway/internal/store"
	"cmu-gateway/internal/store/storetest"
)

const childPath = "CMU_TEST_CHILD_PATH"

// TestMain lets the test binary be one of several processes on one file.
func TestMain(m *testing.M) {
	if path := os.Getenv(childPath); path != "" {
		fmt.Println(child(path))
		return
	}
	os.Exit(m.Run())
}

// child contends for a lease and leaves a note.
func child(path string) string {
	s, err := store.OpenBolt(path, at(start))
	if err != nil {
		return err.Error()
	}
	defer s.Close()
	me := fmt.Sprint(os.Getpid())
	if err := s.PutNote(ctx, me, store.Note{Value: []byte(me)}); err != nil {
		return err.Error()
	}
	var held *store.HeldError
	err = s.Acquire(ctx, "register", me, start.Add(time.Minute))
	switch {
	case err == nil:
		return "got it"
	case errors.As(err, &held):
		return "held"
	default:
		return err.Error()
	}
}

var (
	ctx   = context.Background()
	start = time.Date(2026, 7, 4, 5, 6, 7, 0, time.UTC)
)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func TestBoltContract(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) store.Store {
		return openBolt(t, filepath.Join(t.TempDir(), "cmu", "store.db"), now)
	})
}

func openBolt(t testing.TB, path string, now func() time.Time) store.Store {
	t.Helper()
	s, err := store.OpenBolt(path, now)
	if err != nil {
		t.Fatalf("OpenBolt: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func block(name string, data []byte) store.Block {
	return store.Block{Name: name, Data: data, Fetched: start}
}

func TestBoltProcessesShareOneFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	const processes = 20
	answers := make([]string, processes)
	var wg sync.WaitGroup
	for i := range processes {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), childPath+"="+path)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("process %d: %v", i, err)
			}
			answers[i] = strings.TrimSpace(string(out))
		})
	}
	wg.Wait()
	count := map[string]int{}
	for _, a := range answers {
		count[a]++
	}
	if count["got it"] != 1 || count["held"] != processes-1 {
		t.Errorf("answers: %v", count)
	}
	notes, err := openBolt(t, path, at(start)).Notes(ctx)
	if err != nil || len(notes) != processes {
		t.Errorf("%d of %d notes were kept: %v", len(notes), processes, err)
	}
}

// TestBoltIsHandedOver has one handle keep the file busy without a gap, while another works through its own calls: each gets
// its turn after the other.
func TestBoltIsHandedOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	busy, other := openBolt(t, path, at(start)), openBolt(t, path, at(start))
	progress, done := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				if _, err := busy.Notes(ctx); err != nil {
					t.Errorf("the busy one: %v", err)
				}
				select {
				case progress <- struct{}{}:
				case <-done:
					return
				default:
				}
			}
		})
	}
	for i := range 5 {
		<-progress
		if err := other.Put(ctx, "r", block(fmt.Sprint(i), []byte("x"))); err != nil {
			t.Errorf("the other: %v", err)
		}
	}
	close(done)
	wg.Wait()
	if blocks, err := busy.Blocks(ctx, "r", "", "~"); err != nil || len(blocks) != 5 {
		t.Errorf("the busy one sees %d of 5 blocks: %v", len(blocks), err)
	}
}

func TestBoltInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	locked, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer locked.Close()
	synctest.Test(t, func(t *testing.T) {
		_, err := store.OpenBolt(path, time.Now)
		if err == nil || !strings.Contains(err.Error(), "the data folder "+filepath.Dir(path)+" is in use by another process") {
			t.Errorf("OpenBolt of a locked file: %v", err)
		}
	})
}

// TestBoltWaitEnds cancels a call, and closes the store, while the file is another's.
func TestBoltWaitEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	openBolt(t, path, at(start)).Close()
	synctest.Test(t, func(t *testing.T) {
		s := openBolt(t, path, at(start))
		time.Sleep(time.Second) // of the bubble's clock: the idle store lets go
		locked, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second})
		if err != nil {
			t.Fatalf("the idle store did not let go: %v", err)
		}
		defer locked.Close()
		waiting, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := s.Notes(waiting); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a call past its deadline: %v", err)
		}
		result := make(chan error)
		go func() {
			_, err := s.Notes(ctx)
			result <- err
		}()
		synctest.Wait()
		before := time.Now()
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if waited := time.Since(before); waited > time.Second {
			t.Errorf("Close waited %v for a file that is another's", waited)
		}
		if err := <-result; err == nil {
			t.Error("a call succeeded after Close")
		}
	})
}

func TestBoltCorruptFile(t *testing.T) {
	// A store with enough in it to have more than its first pages.
	path := filepath.Join(t.TempDir(), "store.db")
	s := openBolt(t, path, at(start))
	for i := range 50 {
		if err := s.Put(ctx, "r", block(fmt.Sprintf("%02d", i), bytes.Repeat([]byte("x"), 3000))); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	zeroed := bytes.Clone(whole)
	clear(zeroed[2*os.Getpagesize():])
	for name, content := range map[string][]byte{
		"not a store":        bytes.Repeat([]byte("hello "), 10_000),
		"a few bytes":        []byte("hello"),
		"cut":                whole[:len(whole)/2],
		"cut after the head": whole[:2*os.Getpagesize()],
		"pages of zeros":     zeroed,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			s := openBolt(t, path, at(start))
			if err := s.Put(ctx, "r", block("new", []byte("x"))); err != nil {
				t.Fatalf("Put: %v", err)
			}
			blocks, err := s.Blocks(ctx, "r", "new", "new")
			if err != nil || len(blocks) != 1 {
				t.Errorf("Blocks: %d, %v", len(blocks), err)
			}
			aside, err := os.ReadFile(path + ".corrupt-20260704T050607Z")
			if err != nil || len(aside) < len(content) || !bytes.Equal(aside[:len(content)], content) {
				t.Errorf("the corrupt file was not kept: %d bytes, %v", len(aside), err)
			}
		})
	}
}

// TestBoltDamagedBlock changes a byte of one block in the file: that block is absent, the others are not.
func TestBoltDamagedBlock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := openBolt(t, path, at(start))
	for _, name := range []string{"a", "b"} {
		if err := s.Put(ctx, "r", block(name, []byte("the data of "+name))); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(content, []byte("data of a"), []byte("DATA of a")), 0o600); err != nil {
		t.Fatal(err)
	}
	blocks, err := openBolt(t, path, at(start)).Blocks(ctx, "r", "a", "b")
	if err != nil || len(blocks) != 1 || blocks[0].Name != "b" {
		t.Errorf("Blocks: %+v, %v", blocks, err)
	}
}

func TestBoltRefuses(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, "foreign.db")
	db, err := bbolt.Open(foreign, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucket([]byte("accounts"))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		foreign:                          "belongs to another program",
		filepath.Join(foreign, "x.db"):   "the data folder cannot be made",
		dir:                              "cannot be used",
		filepath.Join(dir, "a\x00b", ""): "cannot be used",
	} {
		if _, err := store.OpenBolt(path, at(start)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("OpenBolt of %q: %v; want %q", path, err, want)
		}
	}
}

func TestBoltModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // has no such modes
	}
	path := filepath.Join(t.TempDir(), "cmu", "store.db")
	openBolt(t, path, at(start))
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if stat, err := os.Stat(name); err != nil || stat.Mode().Perm() != want {
			t.Errorf("%s has the mode %v, %v; want %v", name, stat.Mode(), err, want)
		}
	}
}

// TestBoltForgetsExpired writes what expires for a month: the store holds what one day needs, and the file does not grow with time.
func TestBoltForgetsExpired(t *testing.T) {
	now := start
	path := filepath.Join(t.TempDir(), "store.db")
	s := openBolt(t, path, func() time.Time { return now })
	day := func(i int) {
		expires := now.Add(24 * time.Hour)
		for n := range 4 {
			b := block(fmt.Sprintf("%02d-%d", i, n), make([]byte, 50_000))
			b.Expires = expires
			report := store.Report(fmt.Sprint("report ", i))
			err := errors.Join(s.Put(ctx, report, b), s.PutNote(ctx, b.Name, store.Note{Expires: expires}),
				s.Acquire(ctx, b.Name, "me", expires))
			if err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(25 * time.Hour)
	}
	measure := func() (store.Size, int64) {
		size, err := s.Size(ctx)
		if err != nil {
			t.Fatal(err)
		}
		stat, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return size, stat.Size()
	}
	for i := range 3 {
		day(i)
	}
	wantSize, wantFile := measure()
	for i := 3; i < 10; i++ {
		day(i)
	}
	size, file := measure()
	if size.Items != wantSize.Items || file > 2*wantFile {
		t.Errorf("after ten days: %+v in a file of %d bytes; after three: %+v in %d", size, file, wantSize, wantFile)
	}
	reports, err := s.Reports(ctx)
	if err != nil || len(reports) != 1 {
		t.Errorf("Reports: %q, %v; want those of the last day", reports, err)
	}
	// What no write removed is removed when the store is opened.
	s.Close()
	s = openBolt(t, path, func() time.Time { return now })
	if size, _ := measure(); size != (store.Size{}) {
		t.Errorf("after it was opened again: %+v", size)
	}
}

func BenchmarkBoltRead(b *testing.B) {
	const total = 3_000_000
	for _, blocks := range []int{1, 30} {
		b.Run(fmt.Sprint("blocks=", blocks), func(b *testing.B) {
			s := openBolt(b, filepath.Join(b.TempDir(), "store.db"), at(start))
			for i := range blocks {
				if err := s.Put(ctx, "r", block(fmt.Sprintf("%02d", i), make([]byte, total/blocks))); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(total)
			b.ReportAllocs()
			for b.Loop() {
				if found, err := s.Blocks(ctx, "r", "", "~"); err != nil || len(found) != blocks {
					b.Fatal(len(found), err)
				}
			}
		})
	}
}
