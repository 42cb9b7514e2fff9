package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"cmu-gateway/internal/after"
	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/disk"
	"cmu-gateway/internal/logs"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/settings"
	"cmu-gateway/internal/store"
	"cmu-gateway/pkg/cmu"
)

// folder keeps what there is of one Adobe. One process at a time has it: the one that has its bbolt file open.
type folder struct {
	settings settings.Settings
	place    place
	data     string // the folder of all Adobes
	path     string
	environ  []string
	log      *slog.Logger
}

// The names of the secrets, which are files here.
const (
	statementName   = "statement"
	credentialsName = "credentials"
	tokenName       = "token"
)

// chooseFolder returns the folder of the Adobe that is meant.
func chooseFolder(t *terminal, f deskFlags, m meant, least slog.Level) (folder, error) {
	s, err := settings.FromEnv(t.environ)
	if err != nil {
		return folder{}, usagef("the environment is at fault:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	s.StatementSecret, s.CredentialsSecret, s.TokenSecret = statementName, credentialsName, tokenName
	if f.data == "" {
		return folder{}, usagef("this system names no folder for settings: name one with --data")
	}
	data, err := filepath.Abs(f.data)
	if err != nil {
		return folder{}, usagef("--data: %w", err)
	}
	if f.verbose {
		least = slog.LevelInfo
	}
	log := slog.New(slog.NewTextHandler(t.stderr, &slog.HandlerOptions{Level: least}))
	logs.Default(log)
	if err := disk.Parent(data); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return folder{}, unusable(data, err)
	}
	k, err := look(data)
	if err != nil {
		return folder{}, unusable(data, err)
	}
	m.sandbox, m.seed = f.sandbox, f.seed
	p, s, err := choosePlace(s, names(t.environ), m, k)
	if err != nil {
		return folder{}, err
	}
	if p.simulated {
		s.AuthURL, s.ReportsURL = "", "" // known once it runs
	}
	return folder{settings: s, place: p, data: data, path: filepath.Join(data, p.name), environ: t.environ, log: log}, nil
}

// theSimulated is the name of the one that cmu starts itself.
const theSimulated = "the simulated Adobe"

// adobe names the Adobe in use.
func (f *folder) adobe() string {
	if f.place.simulated {
		return theSimulated
	}
	if _, ok := cmu.LookupEnvironment(f.place.name); ok {
		return "Adobe's " + f.place.name
	}
	return f.settings.ReportsURL
}

// How long another process that has the folder is waited for.
const (
	tellAfter = time.Second
	takeTime  = time.Minute
	takePause = 25 * time.Millisecond
)

// take makes this process the owner of the folder, and returns its store; where a cmu serve owns it, the address of that. Other
// commands have it for a moment: it waits for them, and tells so.
func (f *folder) take(ctx context.Context, waits func(string)) (store.Store, *address, error) {
	began, told, seen := time.Now(), false, pulse{}
	if err := disk.Folder(f.path); err != nil {
		return nil, nil, unusable(f.data, err)
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		kept, err := store.OpenBolt(f.dataFile(), store.BoltOptions{
			Disk: int64(f.settings.Disk), GoesFirst: reports.GoesFirst, Keep: f.settings.Keep, Log: f.log,
		})
		switch {
		case err == nil:
			f.clean() // what a killed cmu serve has left
			return f.beat(kept), nil, nil
		case !errors.Is(err, store.ErrInUse):
			return nil, nil, unusable(f.data, err)
		}
		if owner, err := f.owner(ctx, waits); owner != nil || err != nil {
			return nil, owner, err
		}
		switch waited := time.Since(began); {
		case seen.missed(f.dataFile(), time.Now()):
			return nil, nil, f.stopped()
		case waited > takeTime:
			return nil, nil, fmt.Errorf("another process has had the data folder %s for %v: a cmu command that does not end, or a cmu serve "+
				"that does not begin; end it, or name another folder with --data", f.path, takeTime)
		case waited > tellAfter && !told:
			told = true
			waits("another cmu command has the data folder " + f.path + ": this one goes on when that is done")
		}
		if err := clock.Sleep(ctx, takePause); err != nil {
			return nil, nil, err
		}
	}
}

// dataFile keeps rows, and who has it open has the folder.
func (f *folder) dataFile() string { return filepath.Join(f.path, "reports.db") }

// unusable says what the system has against a data folder.
func unusable(data string, err error) error {
	return fmt.Errorf("the data folder %s cannot be used: %w; name another with --data", data, cause(err))
}

// cause shortens an error of the file system to what the system says.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// open returns the desk of this process over the folder's store, and closes that if it fails.
func (f *folder) open(kept store.Store) (*local, error) {
	l := &local{folder: *f, store: &watchedStore{Store: kept}, madeUp: f.place.simulated, after: after.NewGoroutines(f.log), began: time.Now()}
	l.closers = append(l.closers, func() {
		if err := kept.Close(); err != nil {
			f.log.Warn("the store could not be closed", "error", err)
		}
	})
	var err error
	if l.secrets, err = secrets.NewFiles(filepath.Join(f.path, "secrets")); err != nil {
		l.close(context.Background())
		return nil, unusable(f.data, err)
	}
	return l, nil
}
