package main

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"cmu-gateway/internal/store"
)

// table is a store in memory that counts the units that DynamoDB would bill. Of notes and leases it counts one a call, of notes read what
// was measured. One goroutine at a time may use it but for leases, as the report cache does where nobody waits.
type table struct {
	now           func() time.Time
	blocks        map[store.Report]map[string]store.Block
	leases        map[string]string
	notes         map[string]store.Note
	reads, writes float64
	// heat is what was read of each report in the minute at hand, and hot the most of all minutes.
	heat   map[store.Report]float64
	minute int64
	hot    float64
	locks  chan struct{}
}

const (
	readUnit, writeUnit = 4096, 1024
	itemOverhead        = 200 // names, times and checksum of a block, about
	notesReadUnits      = 2   // test/cost/measured.json
)

func newTable(now func() time.Time) *table {
	return &table{
		now: now, blocks: map[store.Report]map[string]store.Block{}, leases: map[string]string{}, notes: map[string]store.Note{},
		heat: map[store.Report]float64{}, locks: make(chan struct{}, 1),
	}
}

func (t *table) lock() func() {
	t.locks <- struct{}{}
	return func() { <-t.locks }
}

func (t *table) Blocks(ctx context.Context, r store.Report, first, last string) (found []store.Block, err error) {
	defer t.lock()()
	bytes := 0
	for _, name := range slices.Sorted(maps.Keys(t.blocks[r])) {
		if b := t.blocks[r][name]; first <= name && name <= last && (b.Expires.IsZero() || b.Expires.After(t.now())) {
			found = append(found, b)
			bytes += len(b.Data) + itemOverhead
		}
	}
	units := math.Max(1, math.Ceil(float64(bytes)/readUnit))
	if store.IsRelaxed(ctx) {
		units /= 2
	}
	t.reads += units
	if m := t.now().Unix() / 60; m != t.minute {
		t.minute = m
		clear(t.heat)
	}
	t.heat[r] += units
	t.hot = max(t.hot, t.heat[r])
	return found, nil
}

// hottest is the most read units that one report took within a minute: it has a partition for itself at best.
func (t *table) hottest() float64 { return t.hot }

func (t *table) Put(_ context.Context, r store.Report, b store.Block) error {
	defer t.lock()()
	t.writes += math.Ceil(float64(len(b.Data)+itemOverhead) / writeUnit)
	if old, ok := t.blocks[r][b.Name]; ok && !b.Fetched.After(old.Fetched) {
		return store.ErrNewer
	}
	if t.blocks[r] == nil {
		t.blocks[r] = map[string]store.Block{}
	}
	t.blocks[r][b.Name] = b
	return nil
}

func (t *table) Purge(_ context.Context, match func(store.Report) bool, spare func(name string) bool) (n int, err error) {
	defer t.lock()()
	for r, blocks := range t.blocks {
		for name := range blocks {
			if match(r) && (spare == nil || !spare(name)) {
				n++
				delete(blocks, name)
			}
		}
	}
	t.writes += float64(n)
	return n, nil
}

func (t *table) Size(context.Context) (store.Size, error) { return store.Size{Approximate: true}, nil }

func (t *table) Acquire(_ context.Context, lease, holder string, until time.Time) error {
	defer t.lock()()
	t.writes++
	if h, ok := t.leases[lease]; ok && h != holder {
		return &store.HeldError{Lease: lease, Until: until}
	}
	t.leases[lease] = holder
	return nil
}

func (t *table) Release(_ context.Context, lease, holder string) error {
	defer t.lock()()
	t.writes++
	if t.leases[lease] == holder {
		delete(t.leases, lease)
	}
	return nil
}

func (t *table) Notes(context.Context) (map[string]store.Note, error) {
	defer t.lock()()
	t.reads += notesReadUnits
	return maps.Clone(t.notes), nil
}

func (t *table) PutNote(_ context.Context, name string, n store.Note) error {
	defer t.lock()()
	t.writes++
	t.notes[name] = n
	return nil
}

func (t *table) DeleteNote(_ context.Context, name string) error {
	defer t.lock()()
	t.writes++
	delete(t.notes, name)
	return nil
}

func (t *table) Close() error { return nil }
