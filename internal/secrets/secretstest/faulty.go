package secretstest

import (
	"context"
	"errors"

	"cmu-gateway/internal/secrets"
)

// Fault is what a call of a Faulty suffers.
type Fault int

const (
	None             Fault = iota
	Failed                 // the call fails and nothing is done
	FailedButWritten       // the call is done and then fails
)

// ErrFault is returned by calls that suffer a fault.
var ErrFault = errors.New("secretstest: injected fault")

// Faulty is a Store whose calls fail as Hook says. Hook is asked once for each call, by the name of the method and of the
// secret; a nil Hook is never asked. Calls may be concurrent, so Hook must allow for that.
type Faulty struct {
	secrets.Store
	Hook func(op, name string) Fault
}

func (f *Faulty) fault(op, name string) Fault {
	if f.Hook == nil {
		return None
	}
	return f.Hook(op, name)
}

func (f *Faulty) Read(ctx context.Context, name string) ([]byte, error) {
	if f.fault("Read", name) != None {
		return nil, ErrFault
	}
	return f.Store.Read(ctx, name)
}

func (f *Faulty) Write(ctx context.Context, name, id string, value []byte) error {
	fault := f.fault("Write", name)
	if fault == Failed {
		return ErrFault
	}
	if err := f.Store.Write(ctx, name, id, value); err != nil || fault == None {
		return err
	}
	return ErrFault
}

func (f *Faulty) Check(ctx context.Context, name string) error {
	if f.fault("Check", name) != None {
		return ErrFault
	}
	return f.Store.Check(ctx, name)
}
