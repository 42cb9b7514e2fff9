package secrets

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"cmu-gateway/internal/disk"
)

// files is a Store of one file for each secret.
type files struct {
	dir    string
	create func(dir, pattern string) (*os.File, error) // os.CreateTemp, but in tests
}

// A temporary file has a dot in its name, which no secret's file has.
const (
	tempPattern = "write-*.tmp"
	tempAge     = time.Minute // an older one was left by a process that was killed
)

// NewFiles returns the store in a folder, which is made with mode 0700 if it does not exist, and must be as disk.Folder wants it. A
// secret is a file of mode 0600 that
// is named for it; bytes other than lower-case letters, digits, '-' and '_' are percent-encoded. A file that others than its
// owner can read is refused with ErrDenied, and the error tells how to repair it; Windows has no such modes. The id of a
// write is not used: writing the same value again changes nothing.
func NewFiles(dir string) (Store, error) {
	if err := disk.Folder(dir); err != nil {
		return nil, fmt.Errorf("the folder of the secrets cannot be used: %w", err)
	}
	s := &files{dir, os.CreateTemp}
	s.removeLeftovers()
	_ = s.reserve()
	return s, nil
}

// path returns the file of a secret. It is inside the folder and differs from any other name's, also where the file system ignores case.
func (s *files) path(name string) (string, error) {
	var b strings.Builder
	for i := range len(name) {
		switch c := name[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			b.WriteByte(c)
		case c > ' ' && c <= '~':
			fmt.Fprintf(&b, "%%%02x", c)
		default:
			return "", fmt.Errorf("the name of a secret has the byte %#02x; allowed is printable ASCII without blanks", c)
		}
	}
	if b.Len() == 0 || b.Len() > 200 {
		return "", fmt.Errorf("the name of a secret takes %d bytes as a file name; allowed are 1 to 200", b.Len())
	}
	return filepath.Join(s.dir, b.String()), nil
}

func (s *files) Read(ctx context.Context, name string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("secret %s: %w", name, err)
	}
	path, err := s.path(name)
	if err != nil {
		return nil, err
	}
	var value []byte
	err = patiently(func() (err error) {
		value, err = readPrivate(path)
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: there is no file %s", ErrAbsent, path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: %w", ErrDenied, err)
	case err != nil:
		return nil, fmt.Errorf("secret %s: %w", name, err)
	case len(value) == 0:
		return nil, fmt.Errorf("%w: the file %s is empty", ErrAbsent, path)
	case len(value) > maxValue:
		return nil, fmt.Errorf("secret %s: the file %s has more than %d bytes", name, path, maxValue)
	}
	return value, nil
}

// readPrivate reads a file that nobody but its owner can read, one byte more than a secret may have at most.
func readPrivate(path string) ([]byte, error) {
	file, err := disk.OpenFile(path, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	stat, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if runtime.GOOS != "windows" && stat.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: others can read the file %s, whose mode is %#o: run chmod 600 %s", ErrDenied, path, stat.Mode().Perm(), path)
	}
	return io.ReadAll(io.LimitReader(file, maxValue+1))
}

func (s *files) Write(ctx context.Context, name, _ string, value []byte) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("secret %s: %w", name, err)
	}
	path, err := s.path(name)
	if err != nil {
		return err
	}
	if err := checkValue(name, value); err != nil {
		return err
	}
	s.removeLeftovers()
	if err := s.replace(path, value); err != nil {
		return fmt.Errorf("secret %s could not be written: %w", name, err)
	}
	_ = s.reserve()
	return nil
}

// replace writes a new file and puts it in the place of the old one, so that the path holds one of the two at any moment. On a full
// disk it takes the room that is reserved.
func (s *files) replace(path string, value []byte) error {
	err := s.tryReplace(path, value)
	if disk.Full(err) && os.Remove(s.reserved()) == nil {
		err = s.tryReplace(path, value)
	}
	return err
}

func (s *files) tryReplace(path string, value []byte) error {
	temp, err := s.create(s.dir, tempPattern) // of mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name()) // nothing is left to remove after the rename
	_, err = temp.Write(value)
	if err == nil {
		err = temp.Sync()
	}
	if err := errors.Join(err, temp.Close()); err != nil {
		return err
	}
	if err := patiently(func() error { return os.Rename(temp.Name(), path) }); err != nil {
		return err
	}
	return syncFolder(s.dir)
}

// syncFolder makes a rename last through a power cut, where the system has a way to.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// patiently repeats what Windows refuses while another process has the file open or is replacing it.
func patiently(do func() error) error {
	err := do()
	for i := 0; i < 20 && runtime.GOOS == "windows" && err != nil && !errors.Is(err, fs.ErrNotExist); i++ {
		time.Sleep(5 * time.Millisecond)
		err = do()
	}
	return err
}

// removeLeftovers removes what killed processes left in the middle of a write. Those of running ones are younger.
func (s *files) removeLeftovers() {
	entries, _ := os.ReadDir(s.dir)
	for _, entry := range entries {
		if match, _ := filepath.Match(tempPattern, entry.Name()); !match {
			continue
		}
		if info, err := entry.Info(); err == nil && time.Since(info.ModTime()) > tempAge {
			_ = os.Remove(filepath.Join(s.dir, entry.Name()))
		}
	}
}
