// Package disk is for folders and files that one user has for himself: it refuses those in which others may have a hand, such as
// links that they left, which would have this user read or write elsewhere. And it knows a full disk, and the limits of a process.
package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"syscall"
)

// OpenFile is os.OpenFile, but for a symbolic link at the path, which it refuses.
func OpenFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	file, err := openFile(path, flag, mode)
	if err != nil {
		if stat, statErr := os.Lstat(path); statErr == nil && stat.Mode()&fs.ModeSymlink != 0 {
			return nil, fmt.Errorf("%s is a symbolic link, which is not followed here: remove it, or put what it leads to in its place", path)
		}
	}
	return file, err
}

// WriteFile is os.WriteFile, but for a symbolic link at the path, which it refuses.
func WriteFile(path string, text []byte, mode fs.FileMode) error {
	file, err := OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Folder makes a folder, with mode 0700, unless it is there, and fails unless it is this user's own and nobody else can write in it. The
// error says what to do. Windows has neither such owners nor such modes.
func Folder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	stat, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if !stat.IsDir() {
		return fmt.Errorf("%s is a symbolic link, which is not followed here: name the folder that it leads to", path)
	}
	return checkOwn(path, stat)
}

// Parent fails if others could put folders of theirs in the place of this user's in a folder that is there: it belongs to somebody
// else but root, or all can write in it and it is not sticky as /tmp is.
func Parent(path string) error {
	stat, err := os.Stat(path)
	if err != nil {
		return err
	}
	return checkParent(path, stat)
}

// Full tells whether an error is that of a disk without room, or of a user whose part of it is used up.
func Full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || runtime.GOOS == "windows" && errors.Is(err, errDiskFull)
}

// Capped tells whether an error is that of a file that may not become so large: by the limit of this process (ulimit -f), or in that file
// system.
func Capped(err error) bool { return errors.Is(err, syscall.EFBIG) }

// errDiskFull is ERROR_DISK_FULL of Windows.
const errDiskFull = syscall.Errno(112)
