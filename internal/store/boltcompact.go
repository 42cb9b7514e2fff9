package store

import (
	"errors"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

const (
	compactFrom   = 1 << 20 // bytes of a file that is worth it
	compactAtOnce = 4 << 20 // bytes per transaction
)

// compact returns the file without its free space, if that is most of it. Until the new file is whole and on the disk the old one
// stays where it is, so a crash loses nothing. The error is that of opening the new file.
func (f *boltFile) compact(o *openFile) (*openFile, error) {
	next := f.path + ".compact"
	_ = os.Remove(next) // a crash left it
	before, worth := f.worthCompacting(o.db)
	if !worth {
		return o, nil
	}
	err := guard(func() error { return copyBolt(next, o.db) })
	closed := false
	if err == nil && !renamesOpenFiles {
		err, closed = o.db.Close(), true
	}
	if err == nil {
		err = os.Rename(next, f.path)
	}
	if err != nil {
		f.log.Warn("store: the file could not be made smaller and stays as it is", "file", f.path, "error", err)
		_ = os.Remove(next)
		if closed {
			return f.openSound()
		}
		return o, nil
	}
	syncFolder(filepath.Dir(f.path))
	if !closed {
		_ = o.db.Close() // not before the new file is in its place: who waits for the old one finds it gone
	}
	if o, err = f.openSound(); err == nil {
		f.log.Info("store: the file was made smaller", "file", f.path, "before", before, "after", fileSize(o.db))
	}
	return o, err
}

// worthCompacting tells whether a file has more free space than content, or is beyond its bound by it.
func (f *boltFile) worthCompacting(db *bbolt.DB) (size int64, worth bool) {
	size = fileSize(db)
	stats := db.Stats()
	free := int64(stats.FreePageN+stats.PendingPageN) * int64(db.Info().PageSize)
	return size, size >= compactFrom && free > size/2 || f.disk > 0 && size > f.disk && free > size/roomPart
}

// fileSize is how much of its file a database uses.
func fileSize(db *bbolt.DB) (size int64) {
	_ = db.View(func(tx *bbolt.Tx) error {
		size = tx.Size()
		return nil
	})
	return size
}

// copyBolt writes what is in a database to a new file at path, and to the disk.
func copyBolt(path string, from *bbolt.DB) error {
	to, err := openBolt(path, &openFile{})
	if err != nil {
		return err
	}
	to.NoSync, to.NoGrowSync = true, true
	err = bbolt.Compact(to, from, compactAtOnce)
	if err == nil {
		err = to.Sync()
	}
	return errors.Join(err, to.Close())
}

// syncFolder makes a rename last, where the system has a way to.
func syncFolder(path string) {
	if folder, err := os.Open(path); err == nil {
		_ = folder.Sync()
		_ = folder.Close()
	}
}
