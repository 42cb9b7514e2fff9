package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// The buckets under the root bucket, and their keys and values:
//
//	blocks   report hash, name     head, data
//	reports  report hash           report
//	leases   name                  until (ms), holder
//	notes    name                  expires (s), value
//	expiry   expires (s), kind, key of one of the above; empty value
//
// Numbers are 8 bytes, big endian. The head of a block is fetched (ms), expires (s), CRC-32C of data (4 bytes).
var (
	bucketBlocks  = []byte("blocks")
	bucketReports = []byte("reports")
	bucketLeases  = []byte("leases")
	bucketNotes   = []byte("notes")
	bucketExpiry  = []byte("expiry")
)

const (
	headSize = 20
	// Every write removes this many expired entries, more than it can add.
	expirePerWrite = 16
	expireAtOpen   = 1000
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// bolt is a Store in one bbolt file.
type bolt struct {
	file *boltFile
	now  func() time.Time
}

// OpenBolt opens or makes the store in the file at path (mode 0600) and its folder (0700). Several processes may use the
// file at once: they take turns of some 60 ms. A call that does not get its turn within 10 s fails with a sentence that
// names the folder. A file that is corrupt is moved aside, logged, and begun anew: it is a cache.
func OpenBolt(path string, now func() time.Time) (Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("store: the data folder cannot be made: %w", err)
	}
	s := &bolt{now: now, file: &boltFile{
		path:    path,
		buckets: [][]byte{bucketBlocks, bucketReports, bucketLeases, bucketNotes, bucketExpiry},
		now:     now,
		changed: make(chan struct{}),
		closed:  make(chan struct{}),
	}}
	err := s.update(context.Background(), func(b buckets) error {
		removed, err := b.expire(now(), expireAtOpen)
		if err == nil && removed == 0 {
			err = errUnchanged
		}
		return err
	})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// errUnchanged ends a transaction that has nothing to write.
var errUnchanged = errors.New("unchanged")

type buckets struct{ blocks, reports, leases, notes, expiry *bbolt.Bucket }

func open(tx *bbolt.Tx) buckets {
	root := tx.Bucket([]byte(rootBucket))
	return buckets{root.Bucket(bucketBlocks), root.Bucket(bucketReports), root.Bucket(bucketLeases), root.Bucket(bucketNotes),
		root.Bucket(bucketExpiry)}
}

func (s *bolt) view(ctx context.Context, fn func(buckets) error) error {
	return s.file.use(ctx, func(db *bbolt.DB) error {
		return db.View(func(tx *bbolt.Tx) error { return fn(open(tx)) })
	})
}

func (s *bolt) update(ctx context.Context, fn func(buckets) error) error {
	err := s.file.use(ctx, func(db *bbolt.DB) error {
		return db.Update(func(tx *bbolt.Tx) error { return fn(open(tx)) })
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// write is an update that also removes some of what has expired.
func (s *bolt) write(ctx context.Context, fn func(buckets) error) error {
	return s.update(ctx, func(b buckets) error {
		if err := fn(b); err != nil {
			return err
		}
		_, err := b.expire(s.now(), expirePerWrite)
		return err
	})
}

func (s *bolt) Blocks(ctx context.Context, report Report, first, last string) ([]Block, error) {
	var found []Block
	key := hash(report)
	err := s.view(ctx, func(b buckets) error {
		found = nil
		now := s.now()
		end := append(key[:len(key):len(key)], last...)
		c := b.blocks.Cursor()
		for k, v := c.Seek(append(key[:len(key):len(key)], first...)); k != nil && bytes.Compare(k, end) <= 0; k, v = c.Next() {
			if len(v) >= headSize && expired(int64(binary.BigEndian.Uint64(v[8:])), now) {
				continue
			}
			block, err := decodeBlock(string(k[len(key):]), bytes.Clone(v))
			if err != nil {
				slog.WarnContext(ctx, "store: a block cannot be read and counts as absent", "block", string(k[len(key):]), "error", err)
				continue
			}
			found = append(found, block)
		}
		return nil
	})
	return found, err
}

func (s *bolt) Put(ctx context.Context, report Report, block Block) error {
	if err := checkBlock(block); err != nil {
		return err
	}
	hashed := hash(report)
	key := append(hashed[:], block.Name...)
	value := encodeBlock(block)
	return s.write(ctx, func(b buckets) error {
		old := b.blocks.Get(key)
		if len(old) >= headSize {
			fetched, expires := int64(binary.BigEndian.Uint64(old)), int64(binary.BigEndian.Uint64(old[8:]))
			if fetched >= block.Fetched.UnixMilli() && !expired(expires, s.now()) {
				return ErrNewer
			}
			if err := b.forgetExpiry('b', key, expires); err != nil {
				return err
			}
		}
		if b.reports.Get(hashed[:]) == nil {
			if err := b.reports.Put(hashed[:], []byte(report)); err != nil {
				return err
			}
		}
		if err := b.blocks.Put(key, value); err != nil {
			return err
		}
		return b.noteExpiry('b', key, expirySeconds(block.Expires))
	})
}

func encodeBlock(b Block) []byte {
	v := make([]byte, headSize, headSize+len(b.Data))
	binary.BigEndian.PutUint64(v, uint64(b.Fetched.UnixMilli()))
	binary.BigEndian.PutUint64(v[8:], uint64(expirySeconds(b.Expires)))
	binary.BigEndian.PutUint32(v[16:], crc32.Checksum(b.Data, castagnoli))
	v = append(v, b.Data...)
	return v
}

// decodeBlock returns a block that shares v's memory.
func decodeBlock(name string, v []byte) (Block, error) {
	if len(v) < headSize {
		return Block{}, fmt.Errorf("%d bytes are less than a head", len(v))
	}
	if crc32.Checksum(v[headSize:], castagnoli) != binary.BigEndian.Uint32(v[16:]) {
		return Block{}, errors.New("the checksum is wrong")
	}
	return Block{
		Name:    name,
		Data:    v[headSize:],
		Fetched: time.UnixMilli(int64(binary.BigEndian.Uint64(v))).UTC(),
		Expires: expiryTime(int64(binary.BigEndian.Uint64(v[8:]))),
	}, nil
}

func (s *bolt) Purge(ctx context.Context, match func(Report) bool) (int, error) {
	// The caller's function runs outside of the write, which is the only one at a time.
	reports, err := s.Reports(ctx)
	if err != nil {
		return 0, err
	}
	var doomed []Report
	for _, r := range reports {
		if match(r) {
			doomed = append(doomed, r)
		}
	}
	n := 0
	err = s.update(ctx, func(b buckets) error {
		n = 0
		for _, r := range doomed {
			key := hash(r)
			var keys [][]byte
			c := b.blocks.Cursor()
			for k, v := c.Seek(key[:]); bytes.HasPrefix(k, key[:]); k, v = c.Next() {
				keys = append(keys, bytes.Clone(k))
				if len(v) >= headSize {
					if err := b.forgetExpiry('b', k, int64(binary.BigEndian.Uint64(v[8:]))); err != nil {
						return err
					}
				}
			}
			for _, k := range keys {
				if err := b.blocks.Delete(k); err != nil {
					return err
				}
			}
			if err := b.reports.Delete(key[:]); err != nil {
				return err
			}
			n += len(keys)
		}
		if len(doomed) == 0 {
			return errUnchanged
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

func (s *bolt) Reports(ctx context.Context) ([]Report, error) {
	var reports []Report
	err := s.view(ctx, func(b buckets) error {
		reports = nil
		return b.reports.ForEach(func(_, v []byte) error {
			reports = append(reports, Report(v))
			return nil
		})
	})
	return reports, err
}

// Size counts keys and values, not the free pages of the file.
func (s *bolt) Size(ctx context.Context) (Size, error) {
	var size Size
	err := s.view(ctx, func(b buckets) error {
		size = Size{}
		for _, bucket := range []*bbolt.Bucket{b.blocks, b.reports, b.leases, b.notes} {
			c := bucket.Cursor()
			for k, v := c.First(); k != nil; k, v = c.Next() {
				size.Items++
				size.Bytes += int64(len(k) + len(v))
			}
		}
		return nil
	})
	return size, err
}

func (s *bolt) Acquire(ctx context.Context, lease, holder string, until time.Time) error {
	if err := checkKey("lease", lease); err != nil {
		return err
	}
	key := []byte(lease)
	return s.write(ctx, func(b buckets) error {
		if old := b.leases.Get(key); len(old) >= 8 {
			held := time.UnixMilli(int64(binary.BigEndian.Uint64(old)))
			if string(old[8:]) != holder && held.After(s.now()) {
				return &HeldError{Lease: lease, Until: held}
			}
			if err := b.forgetExpiry('l', key, leaseExpiry(held)); err != nil {
				return err
			}
		}
		value := append(binary.BigEndian.AppendUint64(nil, uint64(until.UnixMilli())), holder...)
		if err := b.leases.Put(key, value); err != nil {
			return err
		}
		return b.noteExpiry('l', key, leaseExpiry(until))
	})
}

// leaseExpiry is the first whole second at which the lease is surely over.
func leaseExpiry(until time.Time) int64 { return until.UnixMilli()/1000 + 1 }

func (s *bolt) Release(ctx context.Context, lease, holder string) error {
	key := []byte(lease)
	return s.update(ctx, func(b buckets) error {
		old := b.leases.Get(key)
		if len(old) < 8 || string(old[8:]) != holder {
			return errUnchanged
		}
		if err := b.forgetExpiry('l', key, leaseExpiry(time.UnixMilli(int64(binary.BigEndian.Uint64(old))))); err != nil {
			return err
		}
		return b.leases.Delete(key)
	})
}

func (s *bolt) Notes(ctx context.Context) (map[string]Note, error) {
	var notes map[string]Note
	err := s.view(ctx, func(b buckets) error {
		notes = map[string]Note{}
		return b.notes.ForEach(func(k, v []byte) error {
			if len(v) < 8 {
				return nil
			}
			if expires := int64(binary.BigEndian.Uint64(v)); !expired(expires, s.now()) {
				notes[string(k)] = Note{Value: bytes.Clone(v[8:]), Expires: expiryTime(expires)}
			}
			return nil
		})
	})
	return notes, err
}

func (s *bolt) PutNote(ctx context.Context, name string, n Note) error {
	if err := checkNote(name, n); err != nil {
		return err
	}
	key := []byte(name)
	return s.write(ctx, func(b buckets) error {
		if old := b.notes.Get(key); len(old) >= 8 {
			if err := b.forgetExpiry('n', key, int64(binary.BigEndian.Uint64(old))); err != nil {
				return err
			}
		}
		expires := expirySeconds(n.Expires)
		if err := b.notes.Put(key, append(binary.BigEndian.AppendUint64(nil, uint64(expires)), n.Value...)); err != nil {
			return err
		}
		return b.noteExpiry('n', key, expires)
	})
}

func (s *bolt) DeleteNote(ctx context.Context, name string) error {
	key := []byte(name)
	return s.update(ctx, func(b buckets) error {
		old := b.notes.Get(key)
		if len(old) < 8 {
			return errUnchanged
		}
		if err := b.forgetExpiry('n', key, int64(binary.BigEndian.Uint64(old))); err != nil {
			return err
		}
		return b.notes.Delete(key)
	})
}

func (s *bolt) Close() error { return s.file.close() }

func expiryKey(kind byte, key []byte, expires int64) []byte {
	return append(append(binary.BigEndian.AppendUint64(nil, uint64(expires)), kind), key...)
}

func (b buckets) noteExpiry(kind byte, key []byte, expires int64) error {
	if expires == 0 {
		return nil
	}
	return b.expiry.Put(expiryKey(kind, key, expires), nil)
}

func (b buckets) forgetExpiry(kind byte, key []byte, expires int64) error {
	return b.expiry.Delete(expiryKey(kind, key, expires))
}

// expire removes up to limit expired entries, and the reports that have no blocks left by it.
func (b buckets) expire(now time.Time, limit int) (int, error) {
	var due [][]byte
	c := b.expiry.Cursor()
	for k, _ := c.First(); len(due) < limit && len(k) > 8 && expired(int64(binary.BigEndian.Uint64(k)), now); k, _ = c.Next() {
		due = append(due, bytes.Clone(k))
	}
	for _, k := range due {
		if err := b.expiry.Delete(k); err != nil {
			return 0, err
		}
		kind, key := k[8], k[9:]
		bucket := map[byte]*bbolt.Bucket{'b': b.blocks, 'l': b.leases, 'n': b.notes}[kind]
		if bucket == nil {
			continue
		}
		if err := bucket.Delete(key); err != nil {
			return 0, err
		}
		if kind == 'b' && len(key) > len(hash("")) {
			report := key[:len(hash(""))]
			if next, _ := b.blocks.Cursor().Seek(report); !bytes.HasPrefix(next, report) {
				if err := b.reports.Delete(report); err != nil {
					return 0, err
				}
			}
		}
	}
	return len(due), nil
}
