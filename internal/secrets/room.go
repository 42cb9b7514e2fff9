package secrets

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"cmu-gateway/internal/disk"
)

// room is what a full disk still has for secrets, in bytes: as much as a few of the largest take.
const room = 4 * maxValue

// reserved is the file that holds the room free. No secret's file has a dot in its name.
func (s *files) reserved() string { return filepath.Join(s.dir, "room.reserved") }

// enough is how much of it must be there before Adobe is asked for what exists nowhere else: credentials, and a token after them.
const enough = 2 * maxValue

// reserve takes room on the disk as long as there is some: on a full disk what is left of it.
func (s *files) reserve() error {
	if s.hasReserved() == room {
		return nil
	}
	err := disk.WriteFile(s.reserved(), noise(room), 0o600)
	if err != nil && !disk.Full(err) {
		_ = os.Remove(s.reserved())
	}
	return err
}

// hasReserved is how much room is reserved, in bytes.
func (s *files) hasReserved() int64 {
	stat, err := os.Lstat(s.reserved())
	if err != nil || !stat.Mode().IsRegular() {
		return 0
	}
	return stat.Size()
}

// WithRoom runs write, which writes a small file beside the folder of the secrets. On a full disk it does so again in the room that is
// reserved in there, and reserves what is left.
func WithRoom(dir string, write func() error) error {
	err := write()
	s := &files{dir: dir}
	if disk.Full(err) && os.Remove(s.reserved()) == nil {
		err = write()
		_ = s.reserve()
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

// Reason says in a few words why a Write, Check or Spare failed, for people who must not be shown more: no path, no value, no name.
func Reason(err error) string {
	switch {
	case disk.Full(err):
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
