package store

import (
	"crypto/sha256"
	"fmt"
	"time"
	"unicode/utf8"
)

// hash is the key of a report: its text can be longer than any key.
func hash(r Report) [sha256.Size]byte { return sha256.Sum256([]byte(r)) }

// checkBlock refuses a block whose name would not sort or could be taken for a chunk's.
func checkBlock(b Block) error {
	for i := range len(b.Name) {
		if c := b.Name[i]; c < ' ' || c > '~' || c == '#' {
			return fmt.Errorf("store: the name of a block has the byte %#02x; allowed is printable ASCII without '#'", c)
		}
	}
	return checkKey("block", b.Name)
}

// checkNote refuses a note that is not small.
func checkNote(name string, n Note) error {
	if len(n.Value) > 4096 {
		return fmt.Errorf("store: the note %q has %d bytes; allowed are 4096", name, len(n.Value))
	}
	return checkKey("note", name)
}

// checkKey refuses names that one of the stores could not keep.
func checkKey(kind, name string) error {
	if name == "" || len(name) > 512 || !utf8.ValidString(name) {
		return fmt.Errorf("store: the name of a %s has %d bytes; allowed are 1 to 512 of UTF-8", kind, len(name))
	}
	return nil
}

// expirySeconds is t as it is stored: whole seconds, 0 for never.
func expirySeconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// expiryTime undoes expirySeconds.
func expiryTime(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}

func expired(seconds int64, now time.Time) bool { return seconds != 0 && seconds <= now.Unix() }

// maxAhead is how far clocks may differ.
const maxAhead = time.Minute

// replaceable tells whether a block that was fetched then gives way to one that was fetched at another time.
func replaceable(kept, by, now time.Time) bool {
	return kept.Before(by) || kept.After(now.Add(maxAhead))
}
