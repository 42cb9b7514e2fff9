package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/disk"

	"go.etcd.io/bbolt"
)

// The buckets under the root bucket, and their keys and values:
//
//	blocks   block key: report hash, name     head, data
//	reports  report hash                      report
//	notes    name                             expires (s), value, sealed
//	expiry   expires (s), kind, key of a block or note; empty value
//	uses     block key                        hour of the last use; absent: the hour it was fetched
//	order    turn to go, hour of the last use, block key; empty value
//
// Numbers are 8 bytes, big endian. The head of a block is fetched (ms), expires (s), and the CRC-32C (4 bytes) of key, fetched,
// expires and data.
var (
	bucketBlocks  = []byte("blocks")
	bucketReports = []byte("reports")
	bucketNotes   = []byte("notes")
	bucketExpiry  = []byte("expiry")
	bucketUses    = []byte("uses")
	bucketOrder   = []byte("order")
)

// rootPrefix begins the name of every schema's root bucket, rootBucket is this one's.
const (
	rootPrefix = "cmu-gateway/"
	rootBucket = rootPrefix + "v1"
)

// BoltOptions are the options of OpenBolt. The zero value keeps all that is put, on the clock of this machine, and logs nothing.
type BoltOptions struct {
	// Disk bounds the file, in bytes; zero or less: no bound. Blocks make room for new ones, the least recently used first, to the
	// hour. Notes always stay. Until the next start the file may pass the bound by a few of its biggest blocks and
	// 256 KiB. A block bigger than three quarters of the bound is not kept, and under 1 MiB hardly any is. On Windows the file has
	// a power of two of bytes.
	Disk int64
	// GoesFirst tells by its name whether a block makes room before any other does; nil: none does.
	GoesFirst func(name string) bool
	// Keep has blocks without an Expires never make room. Where they leave none, no others are kept, and the log says so.
	Keep bool
	Now  func() time.Time // nil: clock.Wall
	Log  *slog.Logger     // nil: nothing is logged
}

// bolt is a Store in one bbolt file.
type bolt struct {
	file      *boltFile
	now       func() time.Time
	log       *slog.Logger
	goesFirst func(name string) bool
	keep      bool
	disk      int64
	toldFull  atomic.Int64 // the hour in which it was last said that there is no room
	uses      recentUses
	leases    boltLeases
}

// OpenBolt opens or makes the store in the file at path (mode 0600) and its folder (0700), which must be as disk.Folder wants it. The
// file has one owner: while it is open, here or in another process, the error wraps ErrInUse. A file that is damaged, now or later, is set aside as
// <path>.damaged-<time>, logged as a warning, and the store goes on empty: it is a cache. A file that belongs to another program is
// refused. A file that is mostly free space is written anew without it.
func OpenBolt(path string, o BoltOptions) (Store, error) {
	if o.Now == nil {
		o.Now = clock.Wall
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.GoesFirst == nil {
		o.GoesFirst = func(string) bool { return false }
	}
	if err := disk.Folder(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("store: the data folder cannot be used: %w", err)
	}
	s := &bolt{now: o.Now, log: o.Log, goesFirst: o.GoesFirst, keep: o.Keep, disk: max(o.Disk, 0)}
	s.file = &boltFile{path: path, disk: s.disk, now: o.Now, log: o.Log, prepare: s.prepare}
	if err := s.file.start(); err != nil {
		return nil, err
	}
	return s, nil
}

const (
	expireAtOnce = 1000    // entries per transaction at open
	evictAtOnce  = 8 << 20 // bytes per transaction at open
)

// prepare makes the buckets that a file lacks, and removes what has expired or is beyond the bound.
func (s *bolt) prepare(db *bbolt.DB) error {
	made := false
	err := change(db, func(tx *bbolt.Tx) (err error) {
		if made, err = makeBuckets(tx); err != nil {
			return err
		}
		b := s.buckets(tx)
		if made {
			if err := errors.Join(b.orderAll(), b.sealAll()); err != nil {
				return err
			}
		}
		removed, err := b.expire(s.now(), expireAtOnce)
		if err == nil && removed == 0 && !made {
			return errUnchanged
		}
		return err
	})
	for freed := int64(1); err == nil && freed > 0; {
		err = change(db, func(tx *bbolt.Tx) error {
			b := s.buckets(tx)
			if freed, err = b.evict(min(b.excess(), evictAtOnce)); err == nil && freed == 0 {
				return errUnchanged
			}
			return err
		})
	}
	if noRoom(err) && !made {
		s.log.Warn("There is no room on the disk. What has expired stays in the cache file until there is.", "error", err)
		return nil
	}
	return err
}

// makeBuckets makes the buckets that are not there, and tells whether the last of them was not.
func makeBuckets(tx *bbolt.Tx) (made bool, err error) {
	if root := tx.Bucket([]byte(rootBucket)); root != nil && root.Bucket(bucketOrder) != nil {
		return false, nil
	}
	root, err := tx.CreateBucketIfNotExists([]byte(rootBucket))
	for _, name := range [][]byte{bucketBlocks, bucketReports, bucketNotes, bucketExpiry, bucketUses, bucketOrder} {
		if err == nil {
			_, err = root.CreateBucketIfNotExists(name)
		}
	}
	return true, err
}

// errUnchanged ends a transaction that has nothing to write.
var errUnchanged = errors.New("unchanged")

// change runs fn in a transaction that writes, and that may grow the file unless fn holds the bound.
func change(db *bbolt.DB, fn func(*bbolt.Tx) error) error {
	err := db.Update(func(tx *bbolt.Tx) error {
		db.MaxSize = 0
		return fn(tx)
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return grown(err)
}

// buckets are those of one transaction.
type buckets struct {
	*bolt
	tx                                          *bbolt.Tx
	blocks, reports, notes, expiry, used, order *bbolt.Bucket
}

func (s *bolt) buckets(tx *bbolt.Tx) buckets {
	root := tx.Bucket([]byte(rootBucket))
	return buckets{
		bolt: s, tx: tx, blocks: root.Bucket(bucketBlocks), reports: root.Bucket(bucketReports),
		notes: root.Bucket(bucketNotes), expiry: root.Bucket(bucketExpiry), used: root.Bucket(bucketUses), order: root.Bucket(bucketOrder),
	}
}

// read returns what fn returns in a transaction that only reads. What fn keeps must be its own: on a damaged file fn may go on
// after read has returned.
func read[T any](ctx context.Context, s *bolt, fn func(buckets) (T, error)) (T, error) {
	return use(ctx, s.file, func(db *bbolt.DB) (v T, err error) {
		err = db.View(func(tx *bbolt.Tx) error {
			v, err = fn(s.buckets(tx))
			return err
		})
		return v, err
	})
}

// update is read for a transaction that also writes. It may end with errUnchanged.
func update[T any](ctx context.Context, s *bolt, fn func(buckets) (T, error)) (T, error) {
	return use(ctx, s.file, func(db *bbolt.DB) (v T, err error) {
		err = change(db, func(tx *bbolt.Tx) error {
			v, err = fn(s.buckets(tx))
			return err
		})
		return v, err
	})
}

// Every write removes this many expired entries, more than it can add, and writes down this many uses.
const (
	expirePerWrite = 16
	usesPerWrite   = 100
)

// write is an update that also removes some of what has expired, and writes down what was used.
func (s *bolt) write(ctx context.Context, fn func(buckets) error) error {
	written, err := update(ctx, s, func(b buckets) ([]blockUse, error) {
		if err := fn(b); err != nil {
			return nil, err
		}
		unwritten := s.uses.unwritten(usesPerWrite)
		if err := b.writeUses(unwritten); err != nil {
			return nil, err
		}
		_, err := b.expire(s.now(), expirePerWrite)
		return unwritten, err
	})
	if err == nil {
		s.uses.written(written)
	}
	return err
}

// Close writes down what was used and closes the file, after the calls that use it.
func (s *bolt) Close() error {
	return s.file.close(func(db *bbolt.DB) error {
		return change(db, func(tx *bbolt.Tx) error {
			unwritten := s.uses.unwritten(maxUses)
			if len(unwritten) == 0 {
				return errUnchanged
			}
			return s.buckets(tx).writeUses(unwritten)
		})
	})
}
