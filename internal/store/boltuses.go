package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"
)

// The bound on the file. bbolt writes every change to other pages, and frees the old ones with the next change. It never gives
// space back, and needs pages in a row for a big value and those beside it. So blocks go while a fifth of the bound is free. A
// block for which no pages in a row are free makes more go instead of growing the file beyond the bound. Other changes may grow
// it, by the values that they must move: measured, the file came to 1.0 times the bound with blocks of up to a hundredth of it, and
// to 1.3 times with blocks of a twentieth. The next start makes it smaller.
const (
	roomPart = 5
	growBy   = 256 << 10 // at once, beyond what is needed
)

// limit is how many bytes of the file may be in use.
func (s *bolt) limit() int64 { return max(s.disk-s.disk/roomPart-growBy, 0) }

// excess is how many bytes of the file are in use beyond the limit; less than zero: so many are free.
func (b buckets) excess() int64 {
	if b.disk == 0 {
		return 0
	}
	stats, page := b.tx.DB().Stats(), int64(b.tx.DB().Info().PageSize)
	return b.tx.Size() - int64(stats.FreePageN+stats.PendingPageN)*page - b.limit()
}

// holdBound makes the transaction fail with ErrMaxSizeReached rather than grow the file beyond the bound.
func (b buckets) holdBound() { b.tx.DB().MaxSize = int(b.disk) }

// evict removes at least so many bytes of blocks, those whose turn it is, and returns how many there were to remove.
func (b buckets) evict(bytesToFree int64) (freed int64, err error) {
	var doomed, moved [][]byte // keys of order
	c := b.order.Cursor()
	for k, _ := c.First(); k != nil && freed < bytesToFree; k, _ = c.Next() {
		if len(k) <= orderHead+sha256.Size {
			continue
		}
		if b.keep && k[0] == turnNever {
			break
		}
		key := k[orderHead:]
		value := b.blocks.Get(key)
		if !bytes.Equal(k, b.orderKey(key, value, max(b.lastUse(key, value), b.uses.hour(key)))) || value == nil {
			moved = append(moved, bytes.Clone(k))
			continue
		}
		doomed = append(doomed, bytes.Clone(key))
		freed += int64(len(key) + len(value))
	}
	for _, k := range moved {
		if err := b.reorder(k); err != nil {
			return 0, err
		}
	}
	for _, key := range doomed {
		if err := b.removeBlock(key, b.blocks.Get(key)); err != nil {
			return 0, err
		}
	}
	return freed, nil
}

// reorder puts an entry of order in its right place: the block was used since, or is gone.
func (b buckets) reorder(k []byte) error {
	key := k[orderHead:]
	value := b.blocks.Get(key)
	if err := b.order.Delete(k); err != nil || value == nil {
		return err
	}
	hour := max(b.lastUse(key, value), b.uses.hour(key))
	if err := b.setLastUse(key, hour); err != nil {
		return err
	}
	return b.order.Put(b.orderKey(key, value, hour), nil)
}

const orderHead = 1 + 8

// Whose turn it is: those that go first, the others, and at no time those that are kept.
const (
	turnFirst byte = iota
	turnOthers
	turnNever
)

// orderKey sorts blocks by when they go.
func (b buckets) orderKey(key, value []byte, hour int64) []byte {
	turn := turnOthers
	if b.keep && len(value) >= headSize && binary.BigEndian.Uint64(value[8:]) == 0 {
		turn = turnNever
	} else if b.goesFirst(string(key[min(sha256.Size, len(key)):])) {
		turn = turnFirst
	}
	return append(binary.BigEndian.AppendUint64([]byte{turn}, uint64(hour)), key...)
}

// orderAll orders the blocks of a file that an earlier release wrote.
func (b buckets) orderAll() error {
	return b.blocks.ForEach(func(k, v []byte) error { return b.order.Put(b.orderKey(k, v, b.lastUse(k, v)), nil) })
}

// lastUse is the hour of the last use that is written down, or in which the block was fetched.
func (b buckets) lastUse(key, value []byte) int64 {
	if v := b.used.Get(key); len(v) == 8 {
		return int64(binary.BigEndian.Uint64(v))
	}
	if len(value) < headSize {
		return 0
	}
	return hourOf(fetchedAt(value))
}

func (b buckets) setLastUse(key []byte, hour int64) error {
	return b.used.Put(key, binary.BigEndian.AppendUint64(nil, uint64(hour)))
}

// writeUses writes down what was used.
func (b buckets) writeUses(uses []blockUse) error {
	for _, u := range uses {
		key := []byte(u.key)
		value := b.blocks.Get(key)
		if value == nil {
			continue
		}
		if err := b.order.Delete(b.orderKey(key, value, b.lastUse(key, value))); err != nil {
			return err
		}
		if err := b.setLastUse(key, u.hour); err != nil {
			return err
		}
		if err := b.order.Put(b.orderKey(key, value, u.hour), nil); err != nil {
			return err
		}
	}
	return nil
}

func hourOf(t time.Time) int64 { return max(t.Unix()/3600, 0) }

// maxUses bounds how many uses are remembered; those beyond it are not noted.
const maxUses = 10_000

// blockUse is the last use of a block, by its key.
type blockUse struct {
	key  string
	hour int64
}

// recentUses remembers uses of blocks until a write takes them along: a read writes nothing. The zero value is ready.
type recentUses struct {
	mu    sync.Mutex
	noted map[string]int64 // hours by block key, to be written
	known map[string]int64 // written
}

// note remembers that blocks of a report are used now.
func (u *recentUses) note(report Report, blocks []Block, now time.Time) {
	hour := hourOf(now)
	var key []byte
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, b := range blocks {
		if hourOf(b.Fetched) >= hour {
			continue
		}
		if key == nil {
			key = blockKey(report, "")
		}
		key = append(key[:sha256.Size], b.Name...)
		if u.known[string(key)] == hour || u.noted[string(key)] == hour || len(u.noted) >= maxUses {
			continue
		}
		if u.noted == nil {
			u.noted, u.known = map[string]int64{}, map[string]int64{}
		}
		u.noted[string(key)] = hour
	}
}

// hour is that of a use which is not written yet, or zero.
func (u *recentUses) hour(key []byte) int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.noted[string(key)]
}

// unwritten returns up to so many uses that are to be written.
func (u *recentUses) unwritten(limit int) []blockUse {
	u.mu.Lock()
	defer u.mu.Unlock()
	var uses []blockUse
	for key, hour := range u.noted {
		if len(uses) == limit {
			break
		}
		uses = append(uses, blockUse{key, hour})
	}
	return uses
}

// written tells that uses were written.
func (u *recentUses) written(uses []blockUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.known)+len(uses) > maxUses {
		clear(u.known)
	}
	for _, use := range uses {
		if u.noted[use.key] == use.hour {
			delete(u.noted, use.key)
		}
		u.known[use.key] = use.hour
	}
}
