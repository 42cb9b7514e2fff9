package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"sync"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const headSize = 20

func blockKey(r Report, name string) []byte {
	h := hash(r)
	return append(h[:], name...)
}

func (s *bolt) Blocks(ctx context.Context, report Report, first, last string) ([]Block, error) {
	found, err := read(ctx, s, func(b buckets) (found []Block, err error) {
		now, begin, end := s.now(), blockKey(report, first), blockKey(report, last)
		c := b.blocks.Cursor()
		var before []byte
		for k, v := c.Seek(begin); k != nil && bytes.Compare(k, end) <= 0; k, v = c.Next() {
			// Where keys are out of order, one may be found twice, or not at all.
			if bytes.Compare(k, begin) < 0 || bytes.Compare(k, before) <= 0 {
				return nil, fmt.Errorf("store: %w: its keys are out of order", errDamaged)
			}
			before = k
			if err := b.plausible(v); err != nil {
				return nil, err
			}
			if len(v) >= headSize && expired(int64(binary.BigEndian.Uint64(v[8:])), now) {
				continue
			}
			block, err := decodeBlock(k, bytes.Clone(v))
			if err != nil {
				s.log.WarnContext(ctx, "store: a block cannot be read and counts as absent", "block", string(k[sha256.Size:]), "error", err)
				continue
			}
			found = append(found, block)
		}
		return found, nil
	})
	s.uses.note(report, found, s.now())
	return found, err
}

// plausible refuses a value that is bigger than the file, before memory is made for it.
func (b buckets) plausible(v []byte) error {
	if int64(len(v)) > b.tx.Size() {
		return fmt.Errorf("store: %w: it has %d bytes, and a value in it %d", errDamaged, b.tx.Size(), len(v))
	}
	return nil
}

// putAttempts is how often a block is tried to be written to a file that is full.
const putAttempts = 4

func (s *bolt) Put(ctx context.Context, report Report, block Block) error {
	if err := checkBlock(block); err != nil {
		return err
	}
	key := blockKey(report, block.Name)
	value := encodeBlock(key, block)
	size := int64(len(key) + len(value))
	tooBig := s.disk > 0 && size > s.limit()
	for attempt := 0; attempt < putAttempts && !tooBig; attempt++ {
		err := s.write(ctx, func(b buckets) error { return b.putBlock(report, key, value) })
		if !errors.Is(err, bolterrors.ErrMaxSizeReached) {
			return err
		}
		// Enough is free, yet not in one piece. Freeing more makes pieces grow together.
		if _, err = update(ctx, s, func(b buckets) (int64, error) { return b.evict(size << attempt) }); err != nil {
			return err
		}
	}
	level := slog.LevelInfo
	if hour := hourOf(s.now()); s.keep && s.toldFull.Swap(hour) != hour {
		level = slog.LevelWarn // what is kept for ever does not make room: a person must
	}
	s.log.Log(ctx, level, "store: a block is not kept: it finds no room", "block", block.Name, "bytes", size, "bound", s.disk)
	return nil
}

// putBlock writes a block after it has made room for it.
func (b buckets) putBlock(report Report, key, value []byte) error {
	if old := b.blocks.Get(key); old != nil {
		kept, err := decodeBlock(key, old)
		if err == nil && !replaceable(kept.Fetched, fetchedAt(value), b.now()) && !expired(expirySeconds(kept.Expires), b.now()) {
			return ErrNewer
		}
		if err := b.removeBlock(key, old); err != nil {
			return err
		}
	}
	if b.disk > 0 {
		if _, err := b.evict(b.excess() + int64(len(key)+len(value))); err != nil {
			return err
		}
		b.holdBound()
	}
	return errors.Join(
		b.reports.Put(key[:sha256.Size], []byte(report)),
		b.blocks.Put(key, value),
		b.order.Put(b.orderKey(key, value, hourOf(fetchedAt(value))), nil),
		b.noteExpiry('b', key, int64(binary.BigEndian.Uint64(value[8:]))))
}

// removeBlock removes a block and what belongs to it, and its report if it has no other.
func (b buckets) removeBlock(key, value []byte) error {
	var expires int64
	if len(value) >= headSize {
		expires = int64(binary.BigEndian.Uint64(value[8:]))
	}
	err := errors.Join(
		b.order.Delete(b.orderKey(key, value, b.lastUse(key, value))),
		b.used.Delete(key),
		b.forgetExpiry('b', key, expires),
		b.blocks.Delete(key))
	report := key[:sha256.Size]
	if next, _ := b.blocks.Cursor().Seek(report); err == nil && !bytes.HasPrefix(next, report) {
		err = b.reports.Delete(report)
	}
	return err
}

func encodeBlock(key []byte, b Block) []byte {
	v := make([]byte, headSize, headSize+len(b.Data))
	binary.BigEndian.PutUint64(v, uint64(b.Fetched.UnixMilli()))
	binary.BigEndian.PutUint64(v[8:], uint64(expirySeconds(b.Expires)))
	v = append(v, b.Data...)
	binary.BigEndian.PutUint32(v[16:], checksum(key, v[:16], b.Data))
	return v
}

var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

func checksum(parts ...[]byte) (sum uint32) {
	for _, p := range parts {
		sum = crc32.Update(sum, castagnoli(), p)
	}
	return sum
}

// fetchedAt is when the block of a value that has a head was fetched.
func fetchedAt(v []byte) time.Time { return time.UnixMilli(int64(binary.BigEndian.Uint64(v))).UTC() }

// decodeBlock returns a block that shares the memory of v.
func decodeBlock(key, v []byte) (Block, error) {
	if len(key) < sha256.Size || len(v) < headSize {
		return Block{}, fmt.Errorf("a key of %d bytes and a value of %d are less than a head", len(key), len(v))
	}
	data, sum := v[headSize:], binary.BigEndian.Uint32(v[16:])
	// Earlier releases summed the data alone. Nothing is no data: its sum is 0, as every piece of empty file has it.
	old := len(data) > 0 && checksum(data) == sum
	if !old && checksum(key, v[:16], data) != sum {
		return Block{}, errors.New("the checksum is wrong")
	}
	return Block{
		Name:    string(key[sha256.Size:]),
		Data:    data,
		Fetched: fetchedAt(v),
		Expires: expiryTime(int64(binary.BigEndian.Uint64(v[8:]))),
	}, nil
}

func (s *bolt) Purge(ctx context.Context, match func(Report) bool, spare func(name string) bool) (int, error) {
	// The caller's function runs outside of the write, which is the only one at a time.
	reports, err := read(ctx, s, func(b buckets) (reports []Report, err error) {
		err = b.reports.ForEach(func(_, v []byte) error {
			reports = append(reports, Report(v))
			return b.plausible(v)
		})
		return reports, err
	})
	if err != nil {
		return 0, err
	}
	var doomed []Report
	for _, r := range reports {
		if match(r) {
			doomed = append(doomed, r)
		}
	}
	if len(doomed) == 0 {
		return 0, nil
	}
	return update(ctx, s, func(b buckets) (n int, err error) {
		for _, r := range doomed {
			key := hash(r)
			var keys [][]byte
			spared := false
			c := b.blocks.Cursor()
			for k, _ := c.Seek(key[:]); bytes.HasPrefix(k, key[:]); k, _ = c.Next() {
				if spare != nil && spare(string(k[sha256.Size:])) {
					spared = true
				} else {
					keys = append(keys, bytes.Clone(k))
				}
			}
			for _, k := range keys {
				if err := b.removeBlock(k, b.blocks.Get(k)); err != nil {
					return 0, err
				}
			}
			if !spared {
				if err := b.reports.Delete(key[:]); err != nil {
					return 0, err
				}
			}
			n += len(keys)
		}
		return n, nil
	})
}

// Size counts keys and values, not what the file needs beside them.
func (s *bolt) Size(ctx context.Context) (Size, error) {
	return read(ctx, s, func(b buckets) (size Size, err error) {
		for _, bucket := range []*bbolt.Bucket{b.blocks, b.reports, b.notes} {
			c := bucket.Cursor()
			for k, v := c.First(); k != nil; k, v = c.Next() {
				size.Items++
				size.Bytes += int64(len(k) + len(v))
			}
		}
		return size, nil
	})
}
