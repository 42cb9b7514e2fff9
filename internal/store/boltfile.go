package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"cmu-gateway/internal/disk"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

var (
	errClosed  = errors.New("store: used after Close")
	errDamaged = errors.New("the file is damaged")
	errMoved   = errors.New("another file took its place")
)

// boltFile is a bbolt file that this process owns from start to close. If it proves damaged, it is set aside and a new one begun.
type boltFile struct {
	path    string
	disk    int64
	now     func() time.Time
	log     *slog.Logger
	prepare func(*bbolt.DB) error // makes an opened file ready for use

	mu     sync.RWMutex // read by every use, so that the file is replaced or closed after them
	open   *openFile    // nil: closed
	broken error        // why there is no file although none closed it
}

// openFile is one opening of the file.
type openFile struct {
	db      *bbolt.DB
	handle  *os.File    // of db, also if Open failed
	info    os.FileInfo // of handle
	once    sync.Once
	damaged chan struct{} // closed when damage shows
	cause   error         // of damage, set before that
}

func (o *openFile) markDamaged(cause error) {
	o.once.Do(func() {
		o.cause = cause
		close(o.damaged)
	})
}

// use runs fn on the open file. fn is run again if the file proves damaged, as that begins a new file.
func use[T any](ctx context.Context, f *boltFile, fn func(*bbolt.DB) (T, error)) (T, error) {
	v, o, err := useOnce(ctx, f, fn)
	if errors.Is(err, errDamaged) && o != nil {
		f.replace(o, err)
		v, _, err = useOnce(ctx, f, fn)
	}
	return v, err
}

// useOnce runs fn beside the caller: where damage makes bbolt panic, its locks may stay taken, and calls that wait for them must
// be left behind.
func useOnce[T any](ctx context.Context, f *boltFile, fn func(*bbolt.DB) (T, error)) (v T, o *openFile, err error) {
	if err := ctx.Err(); err != nil {
		return v, nil, fmt.Errorf("store: %w", err)
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if o = f.open; o == nil {
		return v, nil, f.gone()
	}
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		r.err = guard(func() (err error) {
			r.v, err = fn(o.db)
			return err
		})
		if errors.Is(r.err, errDamaged) {
			o.markDamaged(r.err)
		}
		done <- r
	}()
	select {
	case r := <-done:
		return r.v, o, r.err
	case <-o.damaged:
		return v, o, o.cause
	}
}

func (f *boltFile) gone() error {
	if f.broken != nil {
		return f.broken
	}
	return errClosed
}

// closedError is why the file cannot be used, or nil.
func (f *boltFile) closedError() error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.open == nil {
		return f.gone()
	}
	return nil
}

// guard turns what bbolt does on a damaged file (it refuses, panics, or reads where no file is) into errDamaged.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("store: %w: %v", errDamaged, p)
		}
	}()
	if err = fn(); err != nil && refused(err) {
		err = fmt.Errorf("store: %w: %w", errDamaged, err)
	}
	return err
}

// refused tells whether bbolt does not take what is in a file. No sound file gives it a key
// of no length, a bucket for a value, or a page beyond what a file can have, unless files have a limit here.
func refused(err error) bool {
	for _, known := range []error{bolterrors.ErrInvalid, bolterrors.ErrChecksum, bolterrors.ErrVersionMismatch, bolterrors.ErrInvalidMapping,
		bolterrors.ErrIncompatibleValue, bolterrors.ErrKeyRequired, bolterrors.ErrKeyTooLarge} {
		if errors.Is(err, known) {
			return true
		}
	}
	beyond := disk.Capped(err) && !disk.HasCap() && !errors.Is(err, errGrow)
	return beyond || strings.HasPrefix(err.Error(), "file size too small") // bbolt has no name for it
}

// errGrow: the file could not become larger.
var errGrow = errors.New("the file could not grow")

// grown gives the error of a file that could not grow its cause back, of which bbolt keeps the text alone.
func grown(err error) error {
	if err == nil || !strings.HasPrefix(err.Error(), "file resize error") && !strings.HasPrefix(err.Error(), "file sync error") {
		return err
	}
	for _, cause := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if strings.HasSuffix(err.Error(), ": "+cause.Error()) {
			return fmt.Errorf("%w: %w", errGrow, cause)
		}
	}
	return err
}

// noRoom tells whether an error is that of a file for which there is no room.
func noRoom(err error) bool { return disk.Full(err) || disk.Capped(err) }

// start opens the file, sets it aside if it is damaged, and makes it smaller if it is mostly free.
func (f *boltFile) start() error {
	o, err := f.openSound()
	if err == nil {
		o, err = f.compact(o)
	}
	if err != nil {
		return err
	}
	f.open = o
	return nil
}

// openSound opens the file, or a new one in its place.
func (f *boltFile) openSound() (*openFile, error) {
	for range 3 {
		o, err := f.tryOpen()
		switch {
		case errors.Is(err, errDamaged):
			if err := f.setAside(o, err); err != nil {
				return nil, err
			}
		case !errors.Is(err, errMoved):
			return o, err
		}
	}
	return nil, f.inUse()
}

func (f *boltFile) inUse() error {
	return fmt.Errorf("store: the data folder %s is %w", filepath.Dir(f.path), ErrInUse)
}

// tryOpen opens the file as it is. It returns errDamaged only if no other had the file open, and then what it found as well.
func (f *boltFile) tryOpen() (*openFile, error) {
	o := &openFile{damaged: make(chan struct{})}
	err := guard(func() (err error) {
		if o.db, err = openBolt(f.path, o); err != nil {
			return err
		}
		if !f.inPlace(o) {
			return errMoved
		}
		if err := checkPages(o.db, o.handle); err != nil {
			return err
		}
		if err := checkOwner(o.db); err != nil {
			return err
		}
		return f.prepare(o.db)
	})
	if err == nil {
		return o, nil
	}
	if errors.Is(err, errDamaged) {
		o.release()
		return o, err
	}
	if noRoom(err) && o.info != nil && o.info.Size() == 0 && f.inPlace(o) {
		_ = os.Remove(f.path) // it was begun, and cannot be made
	}
	if o.db != nil {
		_ = o.db.Close()
	}
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return nil, f.inUse()
	case errors.Is(err, errMoved):
		return nil, err
	}
	return nil, fmt.Errorf("store: the file %s cannot be used: %w", f.path, err)
}

// openBolt opens a file, or fails at once with ErrTimeout if another has it open. It fills in o's handle even if it panics.
func openBolt(path string, o *openFile) (*bbolt.DB, error) {
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:      time.Nanosecond,
		FreelistType: bbolt.FreelistArrayType, // takes the first pages that fit, which keeps the others in a row
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			file, err := disk.OpenFile(path, flag, mode)
			if err == nil {
				o.handle = file
				o.info, err = file.Stat()
			}
			return file, err
		},
	})
	if err == nil {
		db.AllocSize = growBy
	}
	return db, err
}

// inPlace tells whether the file that is open is the one at the path: who opened it just before another process put a new one
// there has an old file in hand.
func (f *boltFile) inPlace(o *openFile) bool {
	found, err := os.Stat(f.path)
	return err == nil && os.SameFile(o.info, found)
}

// checkOwner refuses a file that another program made.
func checkOwner(db *bbolt.DB) error {
	return db.View(func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte(rootBucket)) != nil {
			return nil
		}
		return tx.ForEach(func(name []byte, _ *bbolt.Bucket) error {
			if strings.HasPrefix(string(name), rootPrefix) {
				return nil
			}
			return fmt.Errorf("it belongs to another program (it has the bucket %q)", name)
		})
	})
}

// replace sets a file aside that proved damaged in use, and begins a new one. Of several callers the first does.
func (f *boltFile) replace(o *openFile, cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open != o {
		return
	}
	f.open = nil
	o.release()
	err := f.setAside(o, cause)
	if err == nil {
		f.open, err = f.openSound()
	}
	if err != nil {
		f.broken = err
		f.log.Error("store: the cache cannot be used until the program starts again", "error", err)
	}
}

// setAside renames a damaged file. Only the last such file is kept. Of several processes that find a file damaged one renames it,
// and none renames the new one: bbolt's lock of a small file beside it sees to that.
func (f *boltFile) setAside(o *openFile, cause error) error {
	turn, err := bbolt.Open(f.path+".mend", 0o600, &bbolt.Options{Timeout: 10 * time.Second, OpenFile: disk.OpenFile})
	if err != nil {
		return fmt.Errorf("store: the damaged file %s cannot be set aside: %s.mend: %w", f.path, f.path, err)
	}
	defer func() {
		_ = turn.Close()
		_ = os.Remove(f.path + ".mend")
	}()
	if !f.inPlace(o) {
		return nil
	}
	folder, prefix := filepath.Dir(f.path), filepath.Base(f.path)+".damaged-"
	found, _ := os.ReadDir(folder)
	aside := filepath.Join(folder, prefix+f.now().UTC().Format("20060102T150405Z"))
	if err := os.Rename(f.path, aside); err != nil {
		return fmt.Errorf("store: the damaged file %s cannot be set aside: %w", f.path, err)
	}
	for _, old := range found {
		if name := filepath.Join(folder, old.Name()); strings.HasPrefix(old.Name(), prefix) && name != aside {
			_ = os.Remove(name)
		}
	}
	f.log.Warn("The cache file was damaged. It was set aside, and the cache starts empty.", "file", f.path, "aside", aside, "cause", cause)
	return nil
}

// renamesOpenFiles tells whether the system renames a file that is open.
const renamesOpenFiles = runtime.GOOS != "windows"

// release closes a file that is not in order, and does not wait for bbolt's own Close, which waits for calls that are left behind
// and for what a panic has left locked. Where it must be closed to be renamed, it gets some time.
func (o *openFile) release() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if o.db != nil {
			_ = guard(o.db.Close)
		}
		if o.handle != nil { // an Open that panicked leaves it open
			_ = o.handle.Close()
		}
	}()
	if !renamesOpenFiles {
		select {
		case <-closed:
		case <-time.After(time.Second):
			_ = o.handle.Close()
		}
	}
}

// close closes the file for good, after its users. last is the last use.
func (f *boltFile) close(last func(*bbolt.DB) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := f.open
	f.open, f.broken = nil, nil
	if o == nil {
		return nil
	}
	var err error
	select {
	case <-o.damaged:
		err = o.cause
	default:
		err = guard(func() error { return last(o.db) })
	}
	if errors.Is(err, errDamaged) {
		o.release()
		return f.setAside(o, err)
	}
	if closeErr := o.db.Close(); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("store: closing %s: %w", f.path, closeErr))
	}
	return err
}
