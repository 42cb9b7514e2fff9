package secrets

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"cmu-gateway/internal/disk"
)

// Check writes a file beside that of the secret, as Write does, and reads it as Read does.
func (s *files) Check(ctx context.Context, name string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("secret %s: %w", name, err)
	}
	path, err := s.path(name)
	if err != nil {
		return err
	}
	if stat, err := os.Lstat(path); err == nil && !stat.Mode().IsRegular() {
		return fmt.Errorf("the secret %s cannot be written: %s is no file; remove it", name, path)
	}
	probe := path + ".probe"
	value := []byte("written to find out whether secrets can be kept here")
	if err := s.replace(probe, value); err != nil {
		switch {
		case disk.Full(err):
			return fmt.Errorf("the secret %s cannot be written, as the disk is full: make room, or name a folder on another disk: %w", name, err)
		case errors.Is(err, os.ErrPermission):
			return fmt.Errorf("the secret %s cannot be written: %w: allow this user to write in the folder %s, or name another: %w", name, ErrDenied, s.dir, err)
		}
		return fmt.Errorf("the secret %s cannot be written in the folder %s: name another folder: %w", name, s.dir, err)
	}
	defer os.Remove(probe)
	if err := s.reserve(); disk.Full(err) && s.hasReserved() < enough {
		return fmt.Errorf("the secret %s cannot be kept for sure, as the disk is nearly full: make room, or name a folder on another disk: %w", name, err)
	}
	switch got, err := readPrivate(probe); {
	case errors.Is(err, ErrDenied):
		// A chmod would not help: the file was made with mode 0600.
		return fmt.Errorf("%w: others can read what is written in the folder %s, as its file system keeps no modes: name a folder on another",
			ErrDenied, s.dir)
	case err != nil:
		return fmt.Errorf("the secret %s can be written, but not read back: %w", name, err)
	case !bytes.Equal(got, value):
		return fmt.Errorf("the folder %s does not give back what was written to it: name a folder on another disk", s.dir)
	}
	return nil
}
