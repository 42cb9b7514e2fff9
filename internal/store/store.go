// Package store keeps blocks of report rows, leases and notes where every process of a deployment sees them: in one
// DynamoDB table, or in one bbolt file on a laptop.
package store

import (
	"context"
	"errors"
	"time"
)

// Store is the contract that both implementations keep.
//
// Blocks. A block is a value of any size under a report and a name. Names are printable ASCII without '#', sort as bytes, and what
// they mean is the caller's. A reader sees a block whole or not at all: never half of two versions. A block that cannot
// be read (a chunk is missing, a checksum is wrong, another schema) is absent, and logged. A block past its Expires is
// absent, whether or not the table has deleted it. Put replaces a block only by one that was fetched later: where the kept one has
// the same or a later Fetched, Put changes nothing and returns ErrNewer. So a Put that is repeated after it failed may find its
// own block and return ErrNewer.
//
// Leases. A lease has one holder at a time. Acquire succeeds if the lease is free, past its time, or already the holder's,
// and then lasts until the given instant (to the millisecond); otherwise it returns a *HeldError. Release by the holder frees it;
// by anyone else it changes nothing.
//
// Notes are small values (up to 4 KiB) under a name, last writer wins. A note past its Expires is absent.
//
// Names of blocks, leases and notes have 1 to 512 bytes. Any call may fail after it has written. Every call may be repeated.
// What a call has written, every later call of any process sees.
type Store interface {
	Blocks
	Leases
	Notes

	// Reports returns the reports that have or had blocks, in no order.
	Reports(ctx context.Context) ([]Report, error)

	Close() error
}

// Blocks keeps the rows of reports.
type Blocks interface {
	// Blocks returns the blocks of a report with first <= Name <= last, in the order of their names.
	Blocks(ctx context.Context, report Report, first, last string) ([]Block, error)
	// Put writes a block of a report.
	Put(ctx context.Context, report Report, b Block) error
	// Purge deletes blocks of all reports that match and returns how many. It is complete when it returns nil.
	Purge(ctx context.Context, match func(Report) bool) (int, error)
	// Size returns how many items and bytes are stored; a table may tell what it knew hours ago.
	Size(ctx context.Context) (Size, error)
}

// Leases say who may do what only one at a time may do.
type Leases interface {
	Acquire(ctx context.Context, lease, holder string, until time.Time) error
	Release(ctx context.Context, lease, holder string) error
}

// Notes are what processes tell each other.
type Notes interface {
	Notes(ctx context.Context) (map[string]Note, error)
	PutNote(ctx context.Context, name string, n Note) error
	DeleteNote(ctx context.Context, name string) error
}

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

// HeldError is returned by Acquire when another holder has the lease.
type HeldError struct {
	Lease string
	Until time.Time
}

func (e *HeldError) Error() string {
	return "store: lease " + e.Lease + " is held until " + e.Until.UTC().Format(time.RFC3339)
}
