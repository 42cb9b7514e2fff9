//go:build !unix

package disk

import (
	"fmt"
	"io/fs"
	"math"
	"os"
)

func openFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	if stat, err := os.Lstat(path); err == nil && stat.Mode()&fs.ModeSymlink != 0 {
		return nil, fmt.Errorf("%s is a symbolic link", path)
	}
	return os.OpenFile(path, flag, mode)
}

func checkOwn(string, fs.FileInfo) error { return nil }

func checkParent(string, fs.FileInfo) error { return nil }

// HasCap tells whether files of this process have a limit: no other system than Unix has one.
func HasCap() bool { return false }

// MaxOpen is how many files and connections this process may have open at once: as many as memory holds.
func MaxOpen() int { return math.MaxInt32 }
