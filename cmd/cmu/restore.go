package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"cmu-gateway/internal/archive"
	"cmu-gateway/internal/awsconfig"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/settings"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/wire"
	"cmu-gateway/pkg/cmu"
)

var restoreCommand = command{
	name:     "restore",
	synopsis: "DIR|s3://BUCKET[/PREFIX] [REPORT...] [flags]",
	short:    "put archived reports back, which Adobe no longer has",
	text: `Reads months back from an archive of cmu archive, so that the same URLs answer from them: those that are missing here, and those that Adobe
had dropped when they were asked for. What is kept as well stays. A REPORT is a path as it was archived; without one, all that the archive
tells of are restored. It may be ended at any time: run again, it goes on.

It needs CMU_KEEP=true, as rows would be asked of Adobe again without. Rows of another licence than the one in use are refused, and so are damaged
files. A running cmu serve does it by itself, with its own variables.

--table restores into the table of a stack in AWS instead of the data folder: AWS_REGION and the keys of a role that may read and write it, and
the stack's CMU_ENVIRONMENT. Its functions follow within a minute.`,
	examples: `  CMU_KEEP=true cmu restore archive --dry-run --sandbox
  CMU_KEEP=true cmu restore archive tenant/year/month --sandbox
`,
	args: 1 + maxArchived,
	define: func(fs *flag.FlagSet) func(context.Context, *terminal, *call) error {
		var r restoring
		r.desk.define(fs)
		fs.BoolVar(&r.dryRun, "dry-run", false, "tell which months would be restored, and do nothing")
		fs.StringVar(&r.table, "table", "", "`NAME` of the DynamoDB table of a stack, to restore into that")
		return r.run
	},
}

type restoring struct {
	desk   deskFlags
	dryRun bool
	table  string
}

// restoreOrder asks for months to be restored.
type restoreOrder struct {
	Place   string   `json:"place"`
	Reports []string `json:"reports"`
	DryRun  bool     `json:"dry_run"`
}

// list returns the reports that are named.
func (o restoreOrder) list() (list []archive.Report, err error) {
	for _, text := range o.Reports {
		_, path, query, err := splitReport(text)
		if err != nil {
			return nil, err
		}
		report, err := archive.ParseReport(path + "?" + query)
		if err != nil {
			return nil, usagef("restore: %s: %w", text, err)
		}
		list = append(list, report)
	}
	return list, nil
}

func (f *restoring) run(ctx context.Context, t *terminal, in *call) error {
	if len(in.args) == 0 {
		return usagef("restore: want a folder or s3://BUCKET/PREFIX; see cmu help restore")
	}
	o := restoreOrder{Place: in.args[0], Reports: in.args[1:], DryRun: f.dryRun}
	if _, err := o.list(); err != nil {
		return err
	}
	if _, err := archivePlace(t.environ, "restore", o.Place); err != nil {
		return err
	}
	if !archive.InBucket(o.Place) {
		whole, err := filepath.Abs(o.Place) // a cmu serve works elsewhere
		if err != nil {
			return err
		}
		o.Place = whole
	}
	m := t.meter()
	defer m.end()
	var steps []archive.RestoreStep
	tell := func(s archive.RestoreStep) {
		m.say(fmt.Sprintf("month %d of %d: %s of %s", s.Done+1, s.Total, s.Month, s.Report))
		if s.What != "" {
			steps = append(steps, s)
		}
	}
	result, err := f.restore(ctx, t, o, tell)
	m.end()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return f.told(t, in.args[0], result, steps)
}

func (f *restoring) restore(ctx context.Context, t *terminal, o restoreOrder, tell func(archive.RestoreStep)) (archive.RestoreResult, error) {
	if f.table != "" {
		return f.intoTable(ctx, t, o, tell)
	}
	d, err := openDesk(ctx, t, f.desk, opening{asksAdobe: true, least: slog.LevelError})
	if err != nil {
		return archive.RestoreResult{}, err
	}
	defer d.close(ctx)
	return d.restore(ctx, o, tell)
}

// told tells what was done.
func (f *restoring) told(t *terminal, place string, r archive.RestoreResult, steps []archive.RestoreStep) error {
	if f.dryRun {
		for _, s := range steps {
			if s.What != "refused" {
				t.sayf("%s\t%s\t%s\n", s.What, s.Month, s.Report)
			}
		}
	} else {
		t.sayf("Restored from %s: %d months with %d rows; %d are kept as well.\n", place, r.Restored, r.Rows, r.Kept)
	}
	if steps == nil {
		steps = []archive.RestoreStep{}
	}
	if err := t.document(struct {
		Place string `json:"place"`
		archive.RestoreResult
		Months []archive.RestoreStep `json:"months"`
	}{place, r, steps}); err != nil {
		return err
	}
	if len(r.Problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(r.Problems, "\ncmu: "))
}

func (l *local) restore(ctx context.Context, o restoreOrder, tell func(archive.RestoreStep)) (archive.RestoreResult, error) {
	if err := l.needAccess(ctx); err != nil {
		return archive.RestoreResult{}, err
	}
	return restoreInto(ctx, l.reports, l.environ, o, l.madeUp || l.reports.Simulated(), tell, l.log)
}

// restoreInto restores into what a service keeps, and has all processes know.
func restoreInto(ctx context.Context, s *reports.Service, environ []string, o restoreOrder, simulated bool, tell func(archive.RestoreStep),
	log *slog.Logger) (archive.RestoreResult, error) {
	list, err := o.list()
	if err != nil {
		return archive.RestoreResult{}, err
	}
	place, err := archivePlace(environ, "restore", o.Place)
	if err != nil {
		return archive.RestoreResult{}, err
	}
	result, err := archive.Restore(ctx, archive.RestoreOptions{
		Place: place, Reports: list, Put: s.Restore, DryRun: o.DryRun, Simulated: simulated, Told: tell, Log: log,
	})
	if result.Restored > 0 && !o.DryRun {
		err = errors.Join(err, s.Restored(context.WithoutCancel(ctx)))
	}
	return result, err
}

// intoTable restores into the table of a stack.
func (f *restoring) intoTable(ctx context.Context, t *terminal, o restoreOrder, tell func(archive.RestoreStep)) (archive.RestoreResult, error) {
	s, err := settings.FromEnv(t.environ)
	if err != nil {
		return archive.RestoreResult{}, usagef("the environment is at fault:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	cfg, err := awsconfig.FromEnv(t.environ)
	if err != nil {
		return archive.RestoreResult{}, usagef("restore: the table %s cannot be reached: the environment is at fault:\n  %s", f.table, strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	// The functions that read reports know the authorization server by the environment alone, and so call Adobe.
	if hosts, ok := cmu.LookupEnvironment(s.Environment); ok {
		s.AuthURL = hosts.AuthURL
	}
	log := slog.New(slog.NewTextHandler(t.stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	shared := store.NewDynamoDB(dynamodb.NewFromConfig(cfg), f.table, time.Now, log)
	tokens := wire.Tokens(s, secrets.NewSecretsManager(secretsmanager.NewFromConfig(cfg)), shared, nil, nil, log)
	if _, known := tokens.Licence(ctx); !known {
		return archive.RestoreResult{}, fmt.Errorf("the table %s does not tell which licence is in use: has the stack a token yet, and may it be read?", f.table)
	}
	atOnce := func(work func(context.Context)) bool { work(context.WithoutCancel(ctx)); return true }
	service := wire.Reports(s, wire.Adobe(s), shared, tokens, atOnce, log)
	return restoreInto(ctx, service, t.environ, o, f.desk.sandbox, tell, log)
}
