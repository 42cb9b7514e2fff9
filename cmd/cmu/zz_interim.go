package main

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"cmu-gateway/internal/store"
)

var errInUse = errors.New("in use")

type owned struct {
	store.Store
	f *os.File
}

func (o owned) Close() error { err := o.Store.Close(); o.f.Close(); return err }

func openBolt(path string) (store.Store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, errInUse
	}
	s, err := store.OpenBolt(path, time.Now)
	return owned{s, f}, err
}
