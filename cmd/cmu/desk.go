package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/archive"
	"cmu-gateway/internal/gateway"
	"cmu-gateway/internal/reports"
	"cmu-gateway/pkg/cmu"
)

// desk does what commands ask for. There are two: a local one has the data folder for itself, a remote one asks the cmu serve
// that has it. Both give the same answers and the same errors.
type desk interface {
	// report writes a report to w and says what became of it; meanwhile it calls tell, in goroutines of its own.
	report(ctx context.Context, o reportOrder, tell func(progress), w io.Writer) (outcome, error)
	// rows returns the rows of a report themselves, for what is no text: its order's format and form do not count. Where Adobe cannot be
	// had for a while, the error is a *reports.UnavailableError.
	rows(ctx context.Context, o reportOrder, tell func(progress)) (*reports.Answer, outcome, error)
	// purge forgets what is kept of a report.
	purge(ctx context.Context, o purgeOrder) (reports.Purged, error)
	// restore puts back what was archived; meanwhile it calls tell, before each month and after it.
	restore(ctx context.Context, o restoreOrder, tell func(archive.RestoreStep)) (archive.RestoreResult, error)
	status(ctx context.Context) (status, error)
	// register and refresh call waits, in a goroutine of their own, with what they wait for.
	register(ctx context.Context, o registerOrder, waits func(string)) (access.RegisterResult, error)
	refresh(ctx context.Context, waits func(string)) (access.RefreshResult, error)
	// close ends work after answers, at the latest when ctx is done.
	close(ctx context.Context)
}

// reportOrder asks for a report in the format that Request names, which may be table.
type reportOrder struct {
	Request    cmu.Request        `json:"request"`
	Bounds     string             `json:"bounds"` // start and end as they were written; they count, not those of Request
	Directives reports.Directives `json:"directives"`
	Form       gateway.Form       `json:"form"`
}

// outcome is what is to be known of a report that was written.
type outcome struct {
	Source     reports.Source `json:"source"`
	Age        time.Duration  `json:"age"`
	Incomplete string         `json:"incomplete"` // why rows are missing; empty: none are
	Limited    bool           `json:"limited"`    // they are missing as the caller wanted no more
	// BeforeHorizon says what of the window Adobe no longer has, and was not kept; empty: nothing.
	BeforeHorizon string `json:"before_horizon"`
}

// purgeOrder asks for a report to be forgotten; with History also what Adobe no longer has.
type purgeOrder struct {
	Request cmu.Request `json:"request"`
	History bool        `json:"history"`
}

// registerOrder is the part of access.RegisterOptions that people choose.
type registerOrder struct {
	Statement []byte `json:"statement"` // nil: the one that is kept
	DryRun    bool   `json:"dry_run"`
	Force     bool   `json:"force"`
	Reason    string `json:"reason"`
}

// status is what is known. Its names are stable.
type status struct {
	Adobe     string `json:"adobe"`
	Simulated bool   `json:"simulated"`
	Folder    string `json:"folder"`
	// Gateway is the address of a running cmu serve, empty when none runs. Status is what it says of itself; when none runs, what
	// the folder holds.
	Gateway string         `json:"gateway,omitempty"`
	Status  gateway.Status `json:"status"`
}

// deskFlags are those of all commands that work on the data folder.
type deskFlags struct {
	data    string
	sandbox bool
	seed    uint64
	verbose bool
}

func (f *deskFlags) define(set *flag.FlagSet) {
	config, err := os.UserConfigDir()
	if err == nil {
		config = filepath.Join(config, "cmu-gateway")
	}
	set.StringVar(&f.data, "data", config, "`DIR` that keeps credentials and answers, one folder for each Adobe")
	set.BoolVar(&f.sandbox, "sandbox", false, "ask the simulated Adobe, whose rows are made up")
	set.Uint64Var(&f.seed, "sandbox-seed", defaultSeed, "`NUMBER` that chooses the data of the simulated Adobe")
	set.BoolVar(&f.verbose, "verbose", false, "tell on stderr what is done")
}

// opening says what a desk is opened for.
type opening struct {
	meant
	asksAdobe bool // a call to Adobe may be needed
	// least is the least level that is logged on stderr unless all is.
	least slog.Level
}

// openDesk returns the desk of the Adobe that is meant. It waits for another command that has the folder.
func openDesk(ctx context.Context, t *terminal, f deskFlags, o opening) (desk, error) {
	folder, err := chooseFolder(t, f, o.meant, o.least)
	if err != nil {
		return nil, err
	}
	if !o.asksAdobe {
		// Who only looks leaves no trace.
		if _, err := os.Stat(folder.path); errors.Is(err, fs.ErrNotExist) {
			return openNothing(folder)
		}
	}
	kept, owner, err := folder.take(ctx, t.waits)
	if err != nil {
		return nil, err
	}
	switch {
	case !folder.place.simulated || !o.asksAdobe:
	case f.sandbox:
		t.warnf("this is the simulated Adobe, with made-up rows")
	default:
		t.errorf("no Adobe is configured: this is the simulated one, with made-up rows")
	}
	if owner != nil {
		return newRemote(folder, *owner)
	}
	l, err := folder.open(kept)
	if err != nil {
		return nil, err
	}
	if !o.asksAdobe {
		l.start()
	} else if err := l.reachAdobe(ctx, t); err != nil {
		l.close(ctx)
		return nil, err
	}
	return l, nil
}

// openNothing returns the desk of a folder that does not exist, over one that is gone when it is closed.
func openNothing(f folder) (desk, error) {
	path := f.path
	temporary, err := os.MkdirTemp("", "cmu-")
	if err != nil {
		return nil, err
	}
	f.path = temporary
	kept, _, err := f.take(context.Background(), nil)
	if err != nil {
		os.RemoveAll(temporary)
		return nil, err
	}
	l, err := f.open(kept)
	if err != nil {
		os.RemoveAll(temporary)
		return nil, err
	}
	l.closers = append([]func(){func() { os.RemoveAll(temporary) }}, l.closers...)
	l.folder.path = path
	l.start()
	return l, nil
}
