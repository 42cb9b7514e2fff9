package secrets

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"cmu-gateway/internal/private"
)

// room is what a full disk still has for secrets, in bytes: as much as a few of the largest take.
const room = 4 * maxValue

// reserved is the file that holds the room free. No secret's file has a dot in its name.
func (s *files) reserved() string { return filepath.Join(s.dir, "room.reserved") }

// reserve takes room on the disk as long as there is some. Where it cannot, secrets are written as long as the disk has room.
func (s *files) reserve() error {
	if stat, err := os.Stat(s.reserved()); err == nil && stat.Size() == room {
		return nil
	}
	err := private.WriteFile(s.reserved(), noise(room), 0o600)
	if err != nil {
		_ = os.Remove(s.reserved())
	}
	return err
}

// noise is what no file system makes smaller.
func noise(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.Read(b)
	return b
}

// Spare tells whether there is room in a folder beside what is reserved: it writes a file there and removes it. Reason says why not.
func Spare(dir string) error {
	if err := (&files{dir: dir}).reserve(); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, tempPattern)
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	_, err = file.Write(noise(maxValue))
	return errors.Join(err, file.Close())
}

// full tells whether an error is that of a disk without room.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || runtime.GOOS == "windows" && errors.Is(err, errDiskFull)
}

// errDiskFull is ERROR_DISK_FULL of Windows.
const errDiskFull = syscall.Errno(112)

// Reason says in a few words why a Write, Check or Spare failed, for people who must not be shown more: no path, no value, no name.
func Reason(err error) string {
	switch {
	case full(err):
		return "the disk is full"
	case errors.Is(err, syscall.EROFS):
		return "the disk can only be read"
	case errors.Is(err, ErrDenied), errors.Is(err, os.ErrPermission):
		return "access to the secret is denied"
	case errors.Is(err, ErrThrottled):
		return "the secret store is asked too often"
	case errors.Is(err, ErrAbsent):
		return "the secret does not exist"
	}
	return "the secret store fails"
}
