package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/secrets"
)

// accessStatus is that of the keeper, which also says when the disk has no room for answers any more: that for secrets is reserved, yet
// not for ever.
func (l *local) accessStatus(ctx context.Context) (access.Status, error) {
	s, err := l.keeper.Status(ctx)
	if full := l.spare(); full != nil && !errors.Is(full, fs.ErrNotExist) {
		s.Problems = append(s.Problems, "Nothing more can be kept in the data folder: "+secrets.Reason(full)+".")
	}
	if l.home != nil {
		now, err := os.Stat(l.path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(now, l.home) {
			s.Problems = append(s.Problems, "The data folder was taken away: what is kept now is lost when this process ends. End it, and start it anew.")
		}
	}
	if unkept := l.store.problem(); unkept != "" {
		s.Problems = append(s.Problems, unkept)
	}
	return s, err
}

// spareEvery is how often it is found out whether the disk still has room, which costs a write; where it had none, each time.
const spareEvery = time.Minute

// spare tells why the disk has no room for answers; nil: it has, or had a moment ago.
func (l *local) spare() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.hadRoom).Abs() < spareEvery {
		return nil
	}
	full := secrets.Spare(filepath.Join(l.path, "secrets"))
	if full == nil {
		l.hadRoom = time.Now()
	}
	return full
}
