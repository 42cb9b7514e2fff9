package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"cmu-gateway/internal/archive"
	"cmu-gateway/internal/awsconfig"
	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/settings"
	"cmu-gateway/internal/wire"
	"cmu-gateway/pkg/cmu"
)

var archiveCommand = command{
	name:     "archive",
	synopsis: "DIR|s3://BUCKET[/PREFIX] [REPORT...] [flags]",
	short:    "keep reports for longer than Adobe does, as Parquet files",
	text: `Writes whole reports into a folder or a bucket, a Parquet file for each month, and beside them what Athena and DuckDB need to read
them. A REPORT is a path such as tenant/year/month/day/mvpd, perhaps with a query of filters and metrics; without one, CMU_ARCHIVE_REPORTS
names them, else CMU_WARM. Run again, it goes on where it stopped, and writes anew what Adobe has restated since. What Adobe drops stays.

A bucket is reached with the variables of the AWS SDK: AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. Where
Adobe asks to wait, it waits.`,
	examples: `  cmu archive archive tenant/year/month --sandbox
  cmu archive archive tenant/year/month --dry-run --sandbox
`,
	args: 1 + maxArchived,
	define: func(fs *flag.FlagSet) func(context.Context, *terminal, *call) error {
		var a archiving
		a.desk.define(fs)
		fs.BoolVar(&a.dryRun, "dry-run", false, "tell which months would be looked at, and do nothing")
		return a.run
	},
}

// maxArchived bounds the reports on a command line.
const maxArchived = 1000

type archiving struct {
	desk   deskFlags
	dryRun bool
}

func (f *archiving) run(ctx context.Context, t *terminal, in *call) error {
	if len(in.args) == 0 {
		return usagef("archive: want a folder or s3://BUCKET/PREFIX; see cmu help archive")
	}
	s, err := settings.FromEnv(t.environ)
	if err != nil {
		return usagef("the environment is at fault:\n  %s", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	list, err := archivedReports(in.args[1:], s)
	if err != nil {
		return err
	}
	place, err := archivePlace(t.environ, "archive", in.args[0])
	if err != nil {
		return err
	}
	d, err := openDesk(ctx, t, f.desk, opening{asksAdobe: !f.dryRun, least: slog.LevelWarn})
	if err != nil {
		return err
	}
	defer d.close(ctx)
	m := t.meter()
	defer m.end()
	log := slog.New(slog.DiscardHandler) // what went wrong is told at the end
	if f.desk.verbose {
		log = slog.Default()
	}
	var steps []archive.Step
	result, err := archive.Run(ctx, archive.Options{
		Reports: list, Place: place, Policy: wire.Policy(s), DryRun: f.dryRun, Log: log,
		Get: (&persistent{desk: d, meter: m}).get,
		Told: func(s archive.Step) {
			m.say(fmt.Sprintf("month %d of %d: %s of %s", s.Done+1, s.Total, s.Month, s.Report))
			if f.dryRun {
				steps = append(steps, s)
			}
		},
	})
	m.end()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return err
	}
	return told(t, place, result, steps, f.dryRun)
}

// told tells what a run did.
func told(t *terminal, place archive.Place, r archive.Result, steps []archive.Step, dryRun bool) error {
	if dryRun {
		for _, s := range steps {
			t.sayf("%s\t%s\t%s\n", s.What, s.Month, s.Report)
		}
		if steps == nil {
			steps = []archive.Step{}
		}
		return t.document(map[string]any{"place": place.String(), "months": steps})
	}
	t.sayf("Archived in %s: %d months written with %d rows in %d bytes; %d left as they were.\n", place, r.Written, r.Rows, r.Bytes, r.Kept)
	if err := t.document(struct {
		Place string `json:"place"`
		archive.Result
	}{place.String(), r}); err != nil {
		return err
	}
	problems := r.Problems
	if r.Stopped != "" {
		problems = append(problems, fmt.Sprintf("%d months are left for the next run: %s", r.Left, r.Stopped))
	}
	if len(problems) == 0 {
		return nil
	}
	return errors.New(strings.Join(problems, "\ncmu: "))
}

// archivedReports are those that a command line names, else those of the environment.
func archivedReports(args []string, s settings.Settings) (list []archive.Report, err error) {
	if len(args) == 0 {
		args = s.Archived()
	}
	if len(args) == 0 {
		return nil, usagef("archive: want a REPORT such as tenant/year/month/day/mvpd, or CMU_ARCHIVE_REPORTS; see cmu help archive")
	}
	seen := map[string]bool{}
	for _, text := range args {
		_, path, query, err := splitReport(text)
		if err != nil {
			return nil, err
		}
		report, err := archive.ParseReport(path + "?" + query)
		if err != nil {
			return nil, usagef("archive: %s: %w", text, err)
		}
		if !seen[report.Name] {
			list = append(list, report)
		}
		seen[report.Name] = true
	}
	return list, nil
}

// archivePlace is the folder or bucket of that name.
func archivePlace(environ []string, command, name string) (archive.Place, error) {
	if !archive.InBucket(name) {
		return archive.Folder(name, time.Now), nil
	}
	cfg, err := awsconfig.FromEnv(environ)
	if err != nil {
		return nil, usagef("%s: %s cannot be reached: the environment is at fault:\n  %s", command, name, strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	p, err := archive.Bucket(cfg, name)
	if err != nil {
		return nil, usagef("%s: %w", command, err)
	}
	return p, nil
}

// persistent asks a desk, and where Adobe cannot be had for a while waits for that to pass.
type persistent struct {
	desk  desk
	meter *meter
	waits int // since rows came last
}

const (
	maxWaits = 10
	maxWait  = 5 * time.Minute
)

func (p *persistent) get(ctx context.Context, r cmu.Request, d reports.Directives) (*reports.Answer, error) {
	o := reportOrder{Request: r, Bounds: "start=" + r.Start.String() + "&end=" + r.End.String(), Directives: d}
	for {
		a, _, err := p.desk.rows(ctx, o, func(progress) {})
		var later *reports.UnavailableError
		if !errors.As(err, &later) || p.waits >= maxWaits || later.RetryAfter > maxWait {
			if err == nil {
				p.waits = 0
			}
			return a, err
		}
		p.waits++
		p.meter.say("waiting for Adobe: " + later.Reason)
		if err := clock.Sleep(ctx, later.RetryAfter); err != nil {
			return nil, err
		}
	}
}
