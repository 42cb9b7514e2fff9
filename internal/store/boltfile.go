package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// bbolt locks its file for as long as it is open, yet several processes share one folder. So the file is opened when it
// is needed, kept open while it is used, and handed over when another process wants it: who finds it locked writes to
// the file <path>.wait and tries again every few milliseconds; who has it open looks at that file and lets go, then
// stands back long enough for the other to come in.
const (
	lookEvery   = 10 * time.Millisecond  // the holder looks for others, and whether it is idle
	idleClose   = 100 * time.Millisecond // an unused file is let go even if nobody is known to wait
	turn        = 60 * time.Millisecond  // a busy holder keeps the file this long before it lets another in
	standBack   = 30 * time.Millisecond  // and stays away this long: twice what a waiter sleeps
	waitIsFresh = time.Second            // an older <path>.wait was left by a process that is gone
	waitAtMost  = 10 * time.Second
)

// rootPrefix begins the name of every schema's root bucket, rootBucket is this one's.
const (
	rootPrefix = "cmu-gateway/"
	rootBucket = rootPrefix + "v1"
)

var (
	errClosed  = errors.New("store: used after Close")
	errCorrupt = errors.New("the file is corrupt")
)

// boltFile is a bbolt file that is shared with other processes.
type boltFile struct {
	path    string
	buckets [][]byte // made under the root bucket
	now     func() time.Time

	mu      sync.Mutex
	db      *bbolt.DB   // nil while the file is not open
	handle  *os.File    // of db
	info    os.FileInfo // of handle
	opened  time.Time
	users   int
	used    bool          // since the holder last looked
	leaving bool          // no new users; the last one closes
	broken  error         // move the file aside when it is closed
	yielded bool          // the file was let go for another process
	resume  time.Time     // stand back until then
	opening bool          // one caller is opening the file
	closed  chan struct{} // closed by close
	changed chan struct{} // closed and replaced when one of the above changes for those who wait
}

// use runs fn on the open file. fn is run again if the file proves corrupt, as that begins a new file.
func (f *boltFile) use(ctx context.Context, fn func(*bbolt.DB) error) error {
	err := f.useOnce(ctx, fn)
	if errors.Is(err, errCorrupt) {
		err = f.useOnce(ctx, fn)
	}
	return err
}

func (f *boltFile) useOnce(ctx context.Context, fn func(*bbolt.DB) error) (err error) {
	db, err := f.enter(ctx)
	if err != nil {
		return err
	}
	defer func() { f.leave(err) }()
	return guard(func() error { return fn(db) })
}

// guard turns what bbolt does on a corrupt file (it panics, or reads past the end of a mapped file) into errCorrupt.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: %w: %v", errCorrupt, p)
		}
	}()
	return fn()
}

// enter returns the open file and counts the caller as its user.
func (f *boltFile) enter(ctx context.Context) (*bbolt.DB, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	deadline := time.Now().Add(waitAtMost)
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		switch {
		case f.isClosed():
			return nil, errClosed
		case f.db != nil && !f.leaving:
			f.users++
			f.used = true
			return f.db, nil
		case f.db == nil && !f.opening:
			if err := f.open(ctx, deadline); err != nil {
				return nil, err
			}
		default:
			changed := f.changed
			f.mu.Unlock()
			err := f.wait(ctx, deadline, changed)
			f.mu.Lock()
			if err != nil {
				return nil, err
			}
		}
	}
}

// wait returns when changed is closed.
func (f *boltFile) wait(ctx context.Context, deadline time.Time, changed <-chan struct{}) error {
	timeout := time.NewTimer(time.Until(deadline))
	defer timeout.Stop()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("store: waiting for %s: %w", f.path, ctx.Err())
	case <-timeout.C:
		return f.inUse()
	}
}

func (f *boltFile) inUse() error {
	return fmt.Errorf("store: the data folder %s is in use by another process", filepath.Dir(f.path))
}

// open opens the file for all who wait. It is called with the lock and releases it meanwhile.
func (f *boltFile) open(ctx context.Context, deadline time.Time) error {
	f.opening = true
	pause := time.Until(f.resume)
	f.mu.Unlock()
	db, handle, err := f.openInTurn(ctx, pause, deadline)
	f.mu.Lock()
	f.opening = false
	if err == nil {
		f.db, f.handle, f.opened, f.used, f.leaving = db, handle.File, time.Now(), true, f.isClosed()
		f.info = handle.info
		f.closeIfLeft()
	}
	if f.db != nil {
		go f.watch(db)
	}
	f.announce()
	return err
}

func (f *boltFile) isClosed() bool {
	select {
	case <-f.closed:
		return true
	default:
		return false
	}
}

func (f *boltFile) announce() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// handle is an open file and what it was when it was opened.
type handle struct {
	*os.File
	info os.FileInfo
}

// openInTurn opens the file once no other process has it.
func (f *boltFile) openInTurn(ctx context.Context, pause time.Duration, deadline time.Time) (*bbolt.DB, handle, error) {
	for {
		if err := f.sleep(ctx, pause); err != nil {
			return nil, handle{}, err
		}
		db, h, err := f.tryOpen()
		switch {
		case err == nil:
			_ = os.Remove(f.waitPath()) // others who wait write it again
			return db, h, nil
		case errors.Is(err, errCorrupt):
			if err := f.moveAside(h.info, err); err != nil {
				return nil, handle{}, err
			}
			pause = 0
		case !errors.Is(err, bolterrors.ErrTimeout):
			return nil, handle{}, err
		case time.Now().After(deadline):
			return nil, handle{}, f.inUse()
		default:
			if err := os.WriteFile(f.waitPath(), []byte("\n"), 0o600); err != nil {
				return nil, handle{}, fmt.Errorf("store: the data folder cannot be written: %w", err)
			}
			pause = lookEvery/2 + rand.N(lookEvery)
		}
	}
}

func (f *boltFile) waitPath() string { return f.path + ".wait" }

func (f *boltFile) sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-f.closed:
		return errClosed
	case <-ctx.Done():
		return fmt.Errorf("store: waiting for %s: %w", f.path, ctx.Err())
	}
}

// tryOpen opens the file, or returns ErrTimeout at once if it is locked. The handle tells of the file it found in any case.
func (f *boltFile) tryOpen() (db *bbolt.DB, h handle, err error) {
	err = guard(func() (err error) {
		db, err = bbolt.Open(f.path, 0o600, &bbolt.Options{
			Timeout:      time.Nanosecond,
			FreelistType: bbolt.FreelistMapType,
			NoStatistics: true,
			OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
				file, err := os.OpenFile(path, flag, mode)
				if err == nil {
					h.File = file
					h.info, err = file.Stat()
				}
				return file, err
			},
		})
		if err == nil {
			err = f.prepare(db)
		}
		return err
	})
	switch {
	case err == nil || errors.Is(err, errCorrupt) || errors.Is(err, bolterrors.ErrTimeout):
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch),
		errors.Is(err, bolterrors.ErrInvalidMapping):
		err = fmt.Errorf("store: %w: %w", errCorrupt, err)
	default:
		err = fmt.Errorf("store: the file %s cannot be used: %w", f.path, err)
	}
	if err != nil {
		release(db, h.File)
		db = nil
	}
	return db, h, err
}

// prepare checks that the file is whole and ours, and makes the buckets of a new one.
func (f *boltFile) prepare(db *bbolt.DB) error {
	ready, foreign := false, ""
	err := db.View(func(tx *bbolt.Tx) error {
		stat, err := os.Stat(f.path)
		if err != nil {
			return err
		}
		if stat.Size() < tx.Size() {
			return fmt.Errorf("store: %w: it has %d bytes of %d", errCorrupt, stat.Size(), tx.Size())
		}
		ready = tx.Bucket([]byte(rootBucket)) != nil
		return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
			if !strings.HasPrefix(string(name), rootPrefix) {
				foreign = string(name)
			}
			return nil
		})
	})
	switch {
	case err != nil || ready:
		return err
	case foreign != "":
		return fmt.Errorf("it belongs to another program (it has the bucket %q)", foreign)
	}
	return db.Update(func(tx *bbolt.Tx) error {
		root, err := tx.CreateBucket([]byte(rootBucket))
		for _, name := range f.buckets {
			if err == nil {
				_, err = root.CreateBucket(name)
			}
		}
		return err
	})
}

// moveAside renames a corrupt file, so that a new one is begun. Of several processes that found it corrupt one renames
// it, and none renames the new one: they take turns by the lock of a small file beside it.
func (f *boltFile) moveAside(info os.FileInfo, cause error) error {
	turns, err := bbolt.Open(f.path+".mend", 0o600, &bbolt.Options{Timeout: waitAtMost})
	if err != nil {
		return fmt.Errorf("store: the corrupt file %s cannot be moved aside: %w", f.path, err)
	}
	defer func() {
		_ = turns.Close()
		_ = os.Remove(f.path + ".mend")
	}()
	if found, err := os.Stat(f.path); err != nil || !os.SameFile(found, info) {
		return nil
	}
	aside := f.path + ".corrupt-" + f.now().UTC().Format("20060102T150405Z")
	if err := os.Rename(f.path, aside); err != nil {
		return fmt.Errorf("store: the corrupt file %s cannot be moved aside: %w", f.path, err)
	}
	slog.Warn("store: a corrupt file was moved aside and a new one begun", "file", f.path, "aside", aside, "cause", cause)
	return nil
}

// release closes a file that is not in order: bbolt's own Close may wait for what a panic has left locked, and an Open that
// panicked leaves the file locked.
func release(db *bbolt.DB, file *os.File) {
	if db != nil {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = guard(db.Close)
		}()
		select {
		case <-done:
		case <-time.After(time.Second):
		}
	}
	if file != nil {
		_ = file.Close()
	}
}

// leave ends a use.
func (f *boltFile) leave(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users--
	f.used = true
	if errors.Is(err, errCorrupt) {
		f.leaving, f.broken = true, err
	}
	f.closeIfLeft()
}

// closeIfLeft closes the file after its last user, if it is to be let go.
func (f *boltFile) closeIfLeft() {
	if !f.leaving || f.users > 0 || f.db == nil {
		return
	}
	if f.broken != nil {
		release(f.db, f.handle)
		if err := f.moveAside(f.info, f.broken); err != nil {
			slog.Error(err.Error())
		}
	} else if err := f.db.Close(); err != nil {
		slog.Warn("store: closing the file failed", "file", f.path, "error", err)
	}
	if f.yielded {
		f.resume = time.Now().Add(standBack)
	}
	f.db, f.handle, f.info, f.leaving, f.broken, f.yielded = nil, nil, nil, false, nil, false
	f.announce()
}

// watch lets go of the file when it is idle or another process wants it.
func (f *boltFile) watch(db *bbolt.DB) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	lastUse := time.Now()
	for now := range tick.C {
		wanted := f.wanted(now)
		f.mu.Lock()
		if f.db != db || f.leaving {
			f.mu.Unlock()
			return
		}
		idle := f.users == 0 && !f.used
		f.used = false
		if !idle {
			lastUse = now
		}
		f.yielded = wanted && (idle || now.Sub(f.opened) >= turn)
		f.leaving = f.yielded || idle && now.Sub(lastUse) >= idleClose
		f.closeIfLeft()
		f.mu.Unlock()
	}
}

// wanted tells whether another process has asked for the file of late.
func (f *boltFile) wanted(now time.Time) bool {
	stat, err := os.Stat(f.waitPath())
	return err == nil && now.Sub(stat.ModTime()).Abs() < waitIsFresh
}

// close closes the file for good, after its users.
func (f *boltFile) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.isClosed() {
		close(f.closed)
	}
	f.leaving = f.db != nil
	f.closeIfLeft()
	for f.db != nil || f.opening {
		changed := f.changed
		f.mu.Unlock()
		<-changed
		f.mu.Lock()
	}
	return nil
}
