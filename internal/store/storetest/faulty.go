package storetest

import (
	"context"
	"errors"
	"time"

	"cmu-gateway/internal/store"
)

// Fault is what a call of a Faulty suffers.
type Fault int

const (
	None             Fault = iota
	Failed                 // the call fails and nothing is done
	FailedButWritten       // the call is done and then fails
)

// ErrFault is returned by calls that suffer a fault.
var ErrFault = errors.New("storetest: injected fault")

// Faulty is a Store whose calls fail as Hook says. Hook is asked once for each call, by the name of the method; a nil Hook is never
// asked. Calls may be concurrent, so Hook must allow for that. Close never fails.
type Faulty struct {
	store.Store
	Hook func(op string) Fault
}

func (f *Faulty) do(op string, call func() error) error {
	fault := None
	if f.Hook != nil {
		fault = f.Hook(op)
	}
	if fault == Failed {
		return ErrFault
	}
	if err := call(); err != nil || fault == None {
		return err
	}
	return ErrFault
}

// value is do for a call that returns something: with a fault it returns nothing.
func value[T any](f *Faulty, op string, call func() (T, error)) (v T, err error) {
	err = f.do(op, func() (err error) {
		v, err = call()
		return err
	})
	if errors.Is(err, ErrFault) {
		v = *new(T)
	}
	return v, err
}

func (f *Faulty) Blocks(ctx context.Context, report store.Report, first, last string) ([]store.Block, error) {
	return value(f, "Blocks", func() ([]store.Block, error) { return f.Store.Blocks(ctx, report, first, last) })
}

func (f *Faulty) Put(ctx context.Context, report store.Report, b store.Block) error {
	return f.do("Put", func() error { return f.Store.Put(ctx, report, b) })
}

func (f *Faulty) Purge(ctx context.Context, match func(store.Report) bool, spare func(string) bool) (int, error) {
	return value(f, "Purge", func() (int, error) { return f.Store.Purge(ctx, match, spare) })
}

func (f *Faulty) Size(ctx context.Context) (store.Size, error) {
	return value(f, "Size", func() (store.Size, error) { return f.Store.Size(ctx) })
}

func (f *Faulty) Acquire(ctx context.Context, lease, holder string, until time.Time) error {
	return f.do("Acquire", func() error { return f.Store.Acquire(ctx, lease, holder, until) })
}

func (f *Faulty) Release(ctx context.Context, lease, holder string) error {
	return f.do("Release", func() error { return f.Store.Release(ctx, lease, holder) })
}

func (f *Faulty) Notes(ctx context.Context) (map[string]store.Note, error) {
	return value(f, "Notes", func() (map[string]store.Note, error) { return f.Store.Notes(ctx) })
}

func (f *Faulty) PutNote(ctx context.Context, name string, n store.Note) error {
	return f.do("PutNote", func() error { return f.Store.PutNote(ctx, name, n) })
}

func (f *Faulty) DeleteNote(ctx context.Context, name string) error {
	return f.do("DeleteNote", func() error { return f.Store.DeleteNote(ctx, name) })
}
