package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/after"
	"cmu-gateway/internal/gateway"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/settings"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/wire"
	"cmu-gateway/pkg/cmu"
)

// deskFlags are those of all commands that work on the data folder.
type deskFlags struct {
	data    string
	seed    uint64
	verbose bool
}

func (f *deskFlags) define(fs *flag.FlagSet) {
	config, err := os.UserConfigDir()
	if err == nil {
		config = filepath.Join(config, "cmu-gateway")
	}
	fs.StringVar(&f.data, "data", config, "`DIR` that keeps credentials and answers, one folder for each Adobe")
	fs.Uint64Var(&f.seed, "sandbox-seed", defaultSeed, "`NUMBER` that chooses the data of the simulated Adobe")
	fs.BoolVar(&f.verbose, "verbose", false, "tell on stderr what is done")
}

// desk is what commands work with: one Adobe, and what is kept of it.
type desk struct {
	settings settings.Settings
	place    place
	folder   string
	sandbox  *sandbox.Sandbox // nil: Adobe is not simulated
	secrets  secrets.Store
	store    store.Store
	log      *slog.Logger
	instance string // of a cmu serve, else empty
	after    *after.Goroutines
	closers  []func()

	keeper  *access.Keeper
	reports *reports.Service
	denied  atomic.Pointer[error] // the error of the last refresh that somebody waited for
}

// The names of the secrets, which are files here.
const (
	statementName   = "statement"
	credentialsName = "credentials"
	tokenName       = "token"
)

// openDesk opens the folder of the Adobe that the environment names, or that a statement is for. Least is the least level that is
// logged unless everything is.
func openDesk(t *terminal, f deskFlags, statement bool, least slog.Level) (*desk, error) {
	s, err := settings.FromEnv(t.environ)
	if err != nil {
		return nil, usagef("the environment is at fault:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	s.StatementSecret, s.CredentialsSecret, s.TokenSecret = statementName, credentialsName, tokenName
	if f.data == "" {
		return nil, usagef("this system names no folder for settings: name one with --data")
	}
	data, err := filepath.Abs(f.data)
	if err != nil {
		return nil, usagef("--data: %w", err)
	}
	if f.verbose {
		least = slog.LevelInfo
	}
	d := &desk{settings: s, log: slog.New(slog.NewTextHandler(t.stderr, &slog.HandlerOptions{Level: least}))}
	slog.SetDefault(d.log)
	d.after = after.NewGoroutines(d.log)
	d.place = choosePlace(s, statement || configures(t.environ), f.seed, func(p place) bool {
		_, err := os.Stat(filepath.Join(data, p.name, "secrets", credentialsName))
		return err == nil
	})
	d.folder = filepath.Join(data, d.place.name)
	if d.place.simulated {
		d.settings.AuthURL, d.settings.ReportsURL = "", "" // known once it runs
	}
	if err := d.openStores(); err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be used: %w; name another with --data", data, cause(err))
	}
	return d, nil
}

// cause shortens an error of the file system to what the system says.
func cause(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

func (d *desk) openStores() (err error) {
	if d.secrets, err = secrets.NewFiles(filepath.Join(d.folder, "secrets")); err != nil {
		return err
	}
	if d.store, err = store.OpenBolt(filepath.Join(d.folder, "reports.db"), time.Now); err != nil {
		return err
	}
	d.closers = append(d.closers, func() {
		if err := d.store.Close(); err != nil {
			d.log.Warn("the store could not be closed", "error", err)
		}
	})
	return nil
}

// close ends what was opened, the last first. Work after answers gets until ctx ends.
func (d *desk) close(ctx context.Context) {
	if err := d.after.Close(ctx); err != nil {
		d.log.Info("work after answers was broken off", "error", err)
	}
	for i := len(d.closers) - 1; i >= 0; i-- {
		d.closers[i]()
	}
}

// start makes the parts, once the addresses of Adobe are known.
func (d *desk) start() {
	d.keeper = wire.Keeper(d.settings, d.secrets, d.store, d.log)
	tokens := &access.Tokens{Secrets: d.secrets, Name: tokenName, AskRefresh: func(ctx context.Context, refused string) error {
		_, err := d.keeper.Refresh(ctx, access.RefreshOptions{Refused: refused})
		if err != nil {
			d.denied.Store(&err)
		}
		return err
	}}
	d.reports = wire.Reports(d.settings, d.store, tokens, d.after.Go, d.log)
}

func (d *desk) gateway() http.Handler {
	return gateway.Gateway{
		Reports:  d.reports,
		Access:   func(ctx context.Context) (any, error) { return d.keeper.Status(ctx) },
		Purge:    d.settings.Purge,
		Log:      d.log,
		Instance: d.instance,
	}.Handler()
}

// simulate makes the simulated Adobe answer at an address, and its statement known here.
func (d *desk) simulate(ctx context.Context, listener net.Listener, latency time.Duration) error {
	d.sandbox = sandbox.New(sandbox.Options{Seed: d.place.seed, Latency: latency})
	server := newServer(d.sandbox, d.log)
	go server.Serve(listener) //nolint:errcheck // it ends with Close
	d.closers = append(d.closers, func() { server.Close() })
	return d.useSandbox(ctx, "http://"+listener.Addr().String())
}

func (d *desk) useSandbox(ctx context.Context, base string) error {
	d.settings.AuthURL, d.settings.ReportsURL = base, base+sandbox.ReportsPath
	statement := sandbox.New(sandbox.Options{Seed: d.place.seed}).Statement()
	if kept, err := d.secrets.Read(ctx, statementName); err == nil && string(kept) == statement {
		return nil
	}
	return d.secrets.Write(ctx, statementName, "sandbox", []byte(statement))
}

// reachAdobe makes the parts for a command that may ask Adobe. A simulated one is that of a running cmu serve, else one in
// this process.
func (d *desk) reachAdobe(ctx context.Context) error {
	if d.place.simulated {
		if base := d.runningSandbox(ctx); base != "" {
			if err := d.useSandbox(ctx, base); err != nil {
				return err
			}
		} else {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				return fmt.Errorf("the simulated Adobe cannot listen: %w", err)
			}
			if err := d.simulate(ctx, listener, 0); err != nil {
				return err
			}
		}
	}
	d.start()
	return nil
}

// needAccess fails where there is neither anything to register with nor a registration.
func (d *desk) needAccess(ctx context.Context) error {
	for _, name := range []string{credentialsName, statementName} {
		if _, err := d.secrets.Read(ctx, name); !errors.Is(err, secrets.ErrAbsent) {
			return err
		}
	}
	return fmt.Errorf("there are no client credentials for %s and no software statement to get them with: "+
		"download one from the TVE Dashboard and run cmu register --statement FILE", d.adobe())
}

// adobe names the Adobe in use.
func (d *desk) adobe() string {
	if d.place.simulated {
		return "the simulated Adobe"
	}
	if _, ok := cmu.LookupEnvironment(d.place.name); ok {
		return "Adobe's " + d.place.name
	}
	return d.settings.ReportsURL
}

// readStatement reads a software statement from a file; an empty name yields nil.
func readStatement(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("the software statement %s cannot be read: %w", file, cause(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("the software statement %s cannot be read: %w", file, cause(err))
	}
	if _, err := cmu.ParseStatement(text); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return text, nil
}

// register registers unless that was done, and keeps the statement so that it can be done again without anybody there.
func (d *desk) register(ctx context.Context, t *terminal, o access.RegisterOptions) (access.RegisterResult, error) {
	stop := d.tellPatience(t)
	result, err := d.keeper.Register(ctx, o)
	stop()
	if errors.Is(err, access.ErrNoStatement) {
		return result, fmt.Errorf("there is no software statement for %s: download one from the TVE Dashboard and name it with --statement FILE",
			d.adobe())
	}
	if err != nil || o.DryRun || o.Statement == nil || len(result.Warnings) > 0 && result.Outcome == access.Kept {
		return result, err
	}
	if err := d.secrets.Write(ctx, statementName, result.ClientID, o.Statement); err != nil {
		return result, fmt.Errorf("the software statement could not be kept: %w", err)
	}
	return result, nil
}

// tellPatience says why nothing happens: at once when another process has to be waited for, after a while when Adobe does not
// answer. It ends with stop.
func (d *desk) tellPatience(t *terminal) (stop func()) {
	trying := time.AfterFunc(3*time.Second, func() {
		t.warnf("still trying to reach %s; Ctrl-C gives up", d.settings.AuthURL)
	})
	d.keeper.Waits = func(message string) {
		trying.Stop()
		t.warnf("%s; Ctrl-C gives up", message)
	}
	return func() {
		trying.Stop()
		d.keeper.Waits = nil
	}
}
