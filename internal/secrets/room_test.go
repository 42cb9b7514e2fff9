package secrets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

var ctx = context.Background()

func open(t *testing.T) *files {
	t.Helper()
	s, err := NewFiles(filepath.Join(t.TempDir(), "secrets"))
	if err != nil {
		t.Fatal(err)
	}
	return s.(*files)
}

// A disk that others have filled up to the last byte still takes a secret: room was reserved, and is reserved anew.
func TestFullDisk(t *testing.T) {
	s := open(t)
	s.create = func(dir, pattern string) (*os.File, error) {
		if _, err := os.Stat(s.reserved()); err == nil {
			return nil, &os.PathError{Op: "open", Path: dir, Err: syscall.ENOSPC}
		}
		return os.CreateTemp(dir, pattern)
	}
	for i := range 3 {
		value := fmt.Sprint("value ", i)
		if err := s.Check(ctx, "token"); err != nil {
			t.Errorf("Check %d: %v", i, err)
		}
		s.reserve()
		if err := s.Write(ctx, "token", "", []byte(value)); err != nil {
			t.Fatalf("write %d: %v", i, err)
		}
		if got, err := s.Read(ctx, "token"); err != nil || string(got) != value {
			t.Errorf("%q, %v", got, err)
		}
		if stat, err := os.Stat(s.reserved()); err != nil || stat.Size() != room || stat.Mode().Perm()&0o077 != 0 {
			t.Errorf("after write %d no room is reserved: %v", i, err)
		}
	}
	s.create = func(string, string) (*os.File, error) { return nil, syscall.ENOSPC }
	err := s.Write(ctx, "token", "", []byte("lost"))
	if !errors.Is(err, syscall.ENOSPC) || Reason(err) != "the disk is full" {
		t.Errorf("%v", err)
	}
	if got, err := s.Read(ctx, "token"); err != nil || string(got) != "value 2" {
		t.Errorf("%q, %v", got, err)
	}
}

// Whatever keeps secrets from being kept is found, with what to do about it.
func TestCheckOfFiles(t *testing.T) {
	for what, c := range map[string]struct {
		spoil func(s *files)
		is    error
		says  string
	}{
		"full": {func(s *files) {
			s.create = func(string, string) (*os.File, error) { return nil, syscall.ENOSPC }
		}, syscall.ENOSPC, "make room, or name a folder on another disk"},
		"read only": {func(s *files) {
			s.create = func(string, string) (*os.File, error) { return nil, syscall.EROFS }
		}, syscall.EROFS, "name another folder"},
		"not allowed": {func(s *files) {
			s.create = func(string, string) (*os.File, error) { return nil, os.ErrPermission }
		}, ErrDenied, "allow this user to write in the folder"},
		"gone":     {func(s *files) { os.RemoveAll(s.dir) }, os.ErrNotExist, "name another folder"},
		"a folder": {func(s *files) { os.Mkdir(filepath.Join(s.dir, "credentials"), 0o700) }, nil, "is no file; remove it"},
		"no modes": {func(s *files) {
			s.create = func(dir, pattern string) (*os.File, error) {
				f, err := os.CreateTemp(dir, pattern)
				if err == nil {
					err = f.Chmod(0o777)
				}
				return f, err
			}
		}, ErrDenied, "its file system keeps no modes: name a folder on another"},
	} {
		s := open(t)
		c.spoil(s)
		err := s.Check(ctx, "credentials")
		if err == nil || c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "chmod") {
			t.Errorf("%s: %v, want %q", what, err, c.says)
		}
		if left, _ := filepath.Glob(filepath.Join(s.dir, "*.probe")); len(left) > 0 {
			t.Errorf("%s: left %v", what, left)
		}
	}
}
