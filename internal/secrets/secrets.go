// Package secrets keeps the software statement, the client credentials and the access token: in AWS Secrets Manager, or
// in files of mode 0600 on a laptop.
package secrets

import (
	"context"
	"errors"
)

// Store is the contract that both implementations keep.
//
// A secret is a small text (UTF-8, 1 byte to 64 KiB) under a name. Read returns the last value that was written, or ErrAbsent when
// there is none: the secret does not exist, or exists without a value. A read that is not allowed is ErrDenied and one that is asked
// for too often is ErrThrottled: neither says anything about the value.
//
// Write replaces the value whole: a reader sees the old one or the new one, and a process killed in mid-write leaves the old one.
// Two writes with the same id and value are one write, so that a retry is harmless; the id is any string, and decides nothing else.
// As they are one, it is not defined which value stays when another write came between them: every intention (a registration, a
// refresh) has an id of its own. Any Write may fail after it has written. A Write to a secret that must be created by other means
// is ErrAbsent. No error text holds a value.
//
// Check finds out whether Write under this name, and Read after it, would succeed: by a write of its own and a read under the same
// checks. What Read returns is the same before and after it, ErrAbsent included; whatever it leaves is never read as a value. Its
// error says what stands in the way and what to do. What it finds out holds for now: the disk may be full a moment later.
type Store interface {
	Read(ctx context.Context, name string) ([]byte, error)
	Write(ctx context.Context, name, id string, value []byte) error
	Check(ctx context.Context, name string) error
}

// The errors that callers tell apart. They are wrapped with the secret's name and the cause.
var (
	ErrAbsent    = errors.New("secret is absent")
	ErrDenied    = errors.New("access to the secret is denied")
	ErrThrottled = errors.New("too many requests for the secret")
)
