package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// folder is a Place on disk.
type folder struct {
	root string
	now  func() time.Time
}

// Folder returns a place in a folder, which need not exist: it is made when something is put.
func Folder(root string, now func() time.Time) Place { return folder{root, now} }

func (f folder) String() string { return f.root }

func (f folder) path(key string) string { return filepath.Join(f.root, filepath.FromSlash(key)) }

func (f folder) Keys(ctx context.Context, prefix string) (keys []string, err error) {
	under := f.path(prefix)
	err = filepath.WalkDir(under, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		name, err := filepath.Rel(f.root, path)
		if err == nil && e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			keys = append(keys, filepath.ToSlash(name))
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		if _, gone := os.Stat(under); errors.Is(gone, fs.ErrNotExist) {
			return nil, nil
		}
	}
	return keys, err
}

func (f folder) Open(_ context.Context, key string) (*Object, error) {
	file, err := os.Open(f.path(key))
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Object{ReaderAt: file, Size: info.Size(), Version: fileVersion(info), close: file.Close}, nil
}

// fileVersion tells files apart that were put one after another.
func fileVersion(info fs.FileInfo) string {
	return fmt.Sprintf("%d-%d", info.Size(), info.ModTime().UnixNano())
}

// writeTime is how long a write may take. What is older was left by a process that was killed.
const writeTime = 15 * time.Minute

// Put writes a temporary file beside the object and renames it. The temporary one is the right to write as well: one writer at a time
// can make it.
func (f folder) Put(_ context.Context, key string, body io.ReadSeeker, version string) (err error) {
	path := f.path(key)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".partial")
	if info, err := os.Stat(temporary); err == nil && f.now().Sub(info.ModTime()) > writeTime {
		os.Remove(temporary) // what fails here, fails below
	}
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w: it is writing %s; where none does, that was left by one that was killed", key, ErrChanged, temporary)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(temporary)
		}
	}()
	_, err = io.Copy(file, body)
	if err == nil {
		err = file.Sync()
	}
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	have := ""
	switch info, err := os.Stat(path); {
	case err == nil:
		have = fileVersion(info)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if have != version {
		return fmt.Errorf("%s: %w", key, ErrChanged)
	}
	return os.Rename(temporary, path)
}
