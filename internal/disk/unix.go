//go:build unix

package disk

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"syscall"
)

func openFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	return os.OpenFile(path, flag|syscall.O_NOFOLLOW, mode)
}

func checkOwn(path string, stat fs.FileInfo) error {
	owner, group := ownerOf(stat)
	if owner != os.Geteuid() {
		return notOurs(path, owner)
	}
	// A group with the owner's number is his alone, as Debian and Red Hat make it for each user.
	open := fs.FileMode(0o002)
	if group != owner {
		open |= 0o020
	}
	if mode := stat.Mode().Perm(); mode&open != 0 {
		return fmt.Errorf("others can write in the folder %s, whose mode is %#o: run chmod go-w %s", path, mode, path)
	}
	return nil
}

func checkParent(path string, stat fs.FileInfo) error {
	if owner, _ := ownerOf(stat); owner != os.Geteuid() && owner != 0 {
		return notOurs(path, owner)
	}
	if mode := stat.Mode(); mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0 {
		return fmt.Errorf("all users can write in the folder %s, whose mode is %#o: run chmod o-w %s", path, mode.Perm(), path)
	}
	return nil
}

func notOurs(path string, owner int) error {
	return fmt.Errorf("the folder %s belongs to the user %d, and this program runs as %d: run it as that user, or give the folder to this one",
		path, owner, os.Geteuid())
}

// ownerOf is a file's user and group.
func ownerOf(stat fs.FileInfo) (user, group int) {
	s, ok := stat.Sys().(*syscall.Stat_t)
	if !ok {
		return os.Geteuid(), os.Getegid() // a file system that knows none
	}
	return int(s.Uid), int(s.Gid)
}

// HasCap tells whether files of this process have a limit (ulimit -f).
func HasCap() bool {
	var limit syscall.Rlimit
	return syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit) == nil && uint64(limit.Cur) < 1<<62
}

// MaxOpen is how many files and connections this process may have open at once (ulimit -n).
func MaxOpen() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return math.MaxInt32
	}
	return int(min(uint64(limit.Cur), math.MaxInt32))
}
