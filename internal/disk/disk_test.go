//go:build unix

package disk

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func made(t *testing.T, path string, mode fs.FileMode) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLinksAreNotFollowed(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	if err := os.WriteFile(target, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{target, filepath.Join(dir, "nowhere"), dir} {
		_ = os.Remove(link)
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
		for _, flag := range []int{os.O_RDONLY, os.O_RDWR | os.O_CREATE, os.O_WRONLY | os.O_CREATE | os.O_TRUNC} {
			file, err := OpenFile(link, flag, 0o600)
			if err == nil || !strings.Contains(err.Error(), link+" is a symbolic link") {
				t.Errorf("to %s, %x: %v %v", to, flag, file, err)
			}
		}
		if err := WriteFile(link, []byte("x"), 0o600); err == nil {
			t.Errorf("to %s: written", to)
		}
	}
	if text, err := os.ReadFile(target); string(text) != "kept" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a file was made where a link led")
	}
	if _, err := OpenFile(filepath.Join(dir, "none"), os.O_RDONLY, 0); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
	if err := WriteFile(target, []byte("new"), 0o600); err != nil {
		t.Error(err)
	}
}

func TestFolders(t *testing.T) {
	for mode, want := range map[fs.FileMode]string{
		0o700: "", 0o755: "", 0o750: "", 0o500: "", 0o777: "chmod go-w", 0o707: "chmod go-w", fs.ModeSticky | 0o777: "chmod go-w", 0o702: "chmod go-w",
	} {
		dir := made(t, filepath.Join(t.TempDir(), "d"), mode)
		err := Folder(dir)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want+" "+dir) {
			t.Errorf("%v: %v", mode, err)
		}
	}
	// Only a group of the user's own may write.
	dir := made(t, filepath.Join(t.TempDir(), "d"), 0o770)
	if err := Folder(dir); (err == nil) != (os.Getegid() == os.Geteuid()) {
		t.Errorf("own group: %v", err)
	}
	if err := os.Chown(dir, -1, os.Geteuid()+1); err == nil && Folder(dir) == nil {
		t.Error("another group can write")
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(made(t, filepath.Join(t.TempDir(), "d"), 0o700), link); err != nil {
		t.Fatal(err)
	}
	if err := Folder(link); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("a link: %v", err)
	}
	fresh := filepath.Join(t.TempDir(), "a", "b")
	if err := Folder(fresh); err != nil {
		t.Error(err)
	}
	if stat, err := os.Stat(fresh); err != nil || stat.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", stat, err)
	}
}

func TestParents(t *testing.T) {
	for mode, ok := range map[fs.FileMode]bool{
		0o700: true, 0o755: true, 0o775: true, fs.ModeSticky | 0o777: true, 0o777: false, 0o757: false,
	} {
		dir := made(t, filepath.Join(t.TempDir(), "d"), mode)
		if err := Parent(dir); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "chmod o-w "+dir) {
			t.Errorf("%v: %v", mode, err)
		}
	}
	if err := Parent(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Errorf("none: %v", err)
	}
}

// A folder of another user is refused, with both numbers. Root can make one.
func TestFoldersOfOthers(t *testing.T) {
	dir := made(t, filepath.Join(t.TempDir(), "d"), 0o700)
	if err := os.Chown(dir, 12345, 12345); err != nil {
		if os.Geteuid() == 0 {
			t.Fatal(err)
		}
		stat := owned{mode: 0o700 | fs.ModeDir, uid: 12345}
		for _, err := range []error{checkOwn(dir, stat), checkParent(dir, stat)} {
			if err == nil || !strings.Contains(err.Error(), "belongs to the user 12345, and this program runs as "+strconv.Itoa(os.Geteuid())) {
				t.Error(err)
			}
		}
		return
	}
	for _, err := range []error{Folder(dir), Parent(dir)} {
		if err == nil || !strings.Contains(err.Error(), "belongs to the user 12345, and this program runs as 0") {
			t.Error(err)
		}
	}
}

// owned is what a folder of another user looks like.
type owned struct {
	fs.FileInfo
	mode fs.FileMode
	uid  uint32
}

func (o owned) Mode() fs.FileMode { return o.mode }
func (o owned) Sys() any          { return &syscall.Stat_t{Uid: o.uid} }
