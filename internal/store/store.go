// Package store keeps blocks of report rows, leases and notes where every process of a deployment sees them: in one
// DynamoDB table, or in one bbolt file on a laptop.
package store

import (
	"context"
	"errors"
	"time"
)

// Blocks keeps blocks of report rows. A block is a value of any size under a report and a name. Names are printable ASCII without
// '#', sort as bytes, and what they mean is the caller's. A reader sees a block whole or not at all: never half of two versions. A
// block that cannot be read (a chunk is missing, a checksum is wrong, another schema) is absent, and logged. A block past its
// Expires is absent, whether or not it has been deleted. A store with a bound on its size may drop blocks at any
// time; one that is told to keep blocks without an Expires drops none of those.
type Blocks interface {
	// Blocks returns the blocks of a report with first <= Name <= last, in the order of their names.
	Blocks(ctx context.Context, report Report, first, last string) ([]Block, error)
	// Put writes a block of a report. It replaces a block only by one that was fetched later: where the kept one has the same or
	// a later Fetched, Put changes nothing and returns ErrNewer. So a Put that is repeated after it failed may find its own block
	// and return ErrNewer. What was fetched over a minute after now, by a clock that was ahead, is replaced by any.
	Put(ctx context.Context, report Report, b Block) error
	// Purge deletes blocks of all reports that match and returns how many, but for those whose names are spared; nil: none are. It is complete
	// when it returns nil.
	Purge(ctx context.Context, match func(Report) bool, spare func(name string) bool) (int, error)
	// Size returns how many items and bytes are stored; a table may tell what it knew hours ago.
	Size(ctx context.Context) (Size, error)
}

// Leases give out what only one may do at a time. Acquire succeeds if the lease is free, past its time, or already the holder's,
// and then lasts until the given instant (to the millisecond); otherwise it returns a *HeldError. Release by the holder frees it;
// by anyone else it changes nothing. A lease may end sooner, with all processes that could hold one.
type Leases interface {
	Acquire(ctx context.Context, lease, holder string, until time.Time) error
	Release(ctx context.Context, lease, holder string) error
}

// Notes are small values (up to 4 KiB) under a name, last writer wins. A note past its Expires is absent.
type Notes interface {
	Notes(ctx context.Context) (map[string]Note, error)
	PutNote(ctx context.Context, name string, n Note) error
	DeleteNote(ctx context.Context, name string) error
}

// Store is all of it in one place. Names of blocks, leases and notes have 1 to 512 bytes. Any call may fail after it has written.
// Every call may be repeated. What a call has written, every later call of any process sees.
type Store interface {
	Blocks
	Leases
	Notes
	Close() error
}

type relaxedKey struct{}

// Relaxed returns a context under which Blocks may miss what was written within the last second or so, which costs half in DynamoDB.
func Relaxed(ctx context.Context) context.Context { return context.WithValue(ctx, relaxedKey{}, true) }

// IsRelaxed reports whether a context is one that Relaxed returned.
func IsRelaxed(ctx context.Context) bool { return ctx.Value(relaxedKey{}) != nil }

// Report names a report: its canonical form without the window. The store keys by its hash.
type Report string

// Block is one stored value.
type Block struct {
	Name    string
	Data    []byte
	Fetched time.Time // when the data was asked for; to the millisecond
	Expires time.Time // to the second; zero: never
}

// Note is a small shared value.
type Note struct {
	Value   []byte
	Expires time.Time // to the second; zero: never
}

// Size is what a store holds. Approximate tells that the numbers may be hours old.
type Size struct {
	Items, Bytes int64
	Approximate  bool
}

// ErrNewer is returned by Put when the kept block was fetched at the same time or later.
var ErrNewer = errors.New("store: a newer block is kept")

// ErrBusy is matched by errors of a store that has no room for more calls at the moment, as a table that is asked for too much.
var ErrBusy = errors.New("store: too many calls")

// ErrInUse is returned by OpenBolt when another has the file open.
var ErrInUse = errors.New("in use by another process")

// HeldError is returned by Acquire when another holder has the lease.
type HeldError struct {
	Lease string
	Until time.Time
}

func (e *HeldError) Error() string {
	return "store: lease " + e.Lease + " is held until " + e.Until.UTC().Format(time.RFC3339)
}
