package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

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
		var err error
		if kind == 'n' {
			err = b.notes.Delete(key)
		} else if kind == 'b' && len(key) > sha256.Size {
			err = b.removeBlock(key, b.blocks.Get(key))
		}
		if err != nil {
			return 0, err
		}
	}
	return len(due), nil
}
