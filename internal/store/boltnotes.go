package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
)

func (s *bolt) Notes(ctx context.Context) (map[string]Note, error) {
	return read(ctx, s, func(b buckets) (map[string]Note, error) {
		notes := map[string]Note{}
		now := s.now()
		return notes, b.notes.ForEach(func(k, v []byte) error {
			if err := b.plausible(v); err != nil {
				return err
			}
			expires, value, err := unseal(k, v)
			if err != nil {
				s.log.WarnContext(ctx, "store: a note cannot be read and counts as absent", "note", string(k), "error", err)
			} else if !expired(expires, now) {
				notes[string(k)] = Note{Value: bytes.Clone(value), Expires: expiryTime(expires)}
			}
			return nil
		})
	})
}

func (s *bolt) PutNote(ctx context.Context, name string, n Note) error {
	if err := checkNote(name, n); err != nil {
		return err
	}
	key := []byte(name)
	return s.write(ctx, func(b buckets) error {
		if err := b.forgetNote(key); err != nil {
			return err
		}
		expires := expirySeconds(n.Expires)
		if err := b.notes.Put(key, seal(key, expires, n.Value)); err != nil {
			return err
		}
		return b.noteExpiry('n', key, expires)
	})
}

func (s *bolt) DeleteNote(ctx context.Context, name string) error {
	key := []byte(name)
	_, err := update(ctx, s, func(b buckets) (none struct{}, err error) {
		if b.notes.Get(key) == nil {
			return none, errUnchanged
		}
		return none, errors.Join(b.forgetNote(key), b.notes.Delete(key))
	})
	return err
}

// forgetNote removes the expiry of a note, if there is one.
func (b buckets) forgetNote(key []byte) error {
	expires, _, err := unseal(key, b.notes.Get(key))
	if err != nil {
		return nil
	}
	return b.forgetExpiry('n', key, expires)
}

// A note is stored as the second in which it expires, the value, and the CRC-32C of key, second and value (4 bytes). sealed is in the
// first byte.
const sealed = uint64(0xC5) << 56

func seal(key []byte, number int64, value []byte) []byte {
	v := binary.BigEndian.AppendUint64(nil, sealed|uint64(min(max(number, 0), 1<<56-1)))
	v = append(v, value...)
	return binary.BigEndian.AppendUint32(v, checksum(key, v))
}

func unseal(key, v []byte) (number int64, value []byte, err error) {
	end := len(v) - 4
	if end < 8 || checksum(key, v[:end]) != binary.BigEndian.Uint32(v[end:]) || v[0] != byte(sealed>>56) {
		return 0, nil, errors.New("the checksum is wrong")
	}
	return int64(binary.BigEndian.Uint64(v) &^ (0xFF << 56)), v[8:end], nil
}

// sealAll seals the notes of an earlier release, which wrote no checksum.
func (b buckets) sealAll() error {
	old := map[string][]byte{}
	err := b.notes.ForEach(func(k, v []byte) error {
		if len(v) >= 8 && v[0] == 0 {
			old[string(k)] = bytes.Clone(v)
		}
		return b.plausible(v)
	})
	for k, v := range old {
		if err == nil {
			err = b.notes.Put([]byte(k), seal([]byte(k), int64(binary.BigEndian.Uint64(v)), v[8:]))
		}
	}
	return err
}
