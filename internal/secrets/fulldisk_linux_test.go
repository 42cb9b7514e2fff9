package secrets

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cmu-gateway/internal/disk"
	"cmu-gateway/internal/disk/disktest"
)

// Before credentials are asked for that exist nowhere else, there is room for them and a token, on a real disk that is nearly full.
func TestCheckNeedsRoomForWhatFollows(t *testing.T) {
	large := []byte(strings.Repeat("x", maxValue))
	for _, left := range []int64{0, 4, 16, 32, 64, 100, 127, 140, 200, 300} {
		root := disktest.Small(t, 2048)
		disktest.Fill(t, root, left)
		store, err := NewFiles(filepath.Join(root, "secrets"))
		if err != nil {
			if left > 4 {
				t.Errorf("%d KiB: %v", left, err)
			}
			continue
		}
		err = store.Check(ctx, "credentials")
		if (err == nil) != (left > 130) || err != nil && (!disk.Full(err) || !strings.Contains(err.Error(), "make room")) {
			t.Errorf("%d KiB: %v", left, err)
		}
		if err != nil {
			continue
		}
		disktest.Fill(t, root, 0) // somebody else takes what is left
		for _, name := range []string{"credentials", "token"} {
			if err := store.Write(ctx, name, "", large); err != nil {
				t.Errorf("%d KiB: %v", left, err)
			}
		}
	}
}

// A small file beside the secrets gets room of theirs, and they keep the rest.
func TestWithRoom(t *testing.T) {
	root := disktest.Small(t, 1024)
	dir := filepath.Join(root, "secrets")
	if _, err := NewFiles(dir); err != nil {
		t.Fatal(err)
	}
	disktest.Fill(t, root, 0)
	name, tries := filepath.Join(root, "small"), 0
	write := func() error {
		tries++
		return os.WriteFile(name, make([]byte, 500), 0o600)
	}
	if err := WithRoom(dir, write); err != nil || tries != 2 {
		t.Errorf("%d tries, %v", tries, err)
	}
	if got := (&files{dir: dir}).hasReserved(); got < room-8<<10 || got >= room {
		t.Errorf("%d bytes are reserved", got)
	}
}
