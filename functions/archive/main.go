// The archive function keeps whole reports in a bucket, for longer than Adobe does. Run daily, it writes what is new and what has
// changed. It holds neither the software statement nor the client credentials.
package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"

	"cmu-gateway/internal/archive"
	"cmu-gateway/internal/invoke"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/settings"
	"cmu-gateway/internal/start"
	"cmu-gateway/internal/wire"
	"cmu-gateway/pkg/cmu"
)

func main() {
	s, cfg, log := start.Environment()
	o, err := options(s, cfg, log)
	if err != nil {
		log.Error("the function cannot start: its environment is at fault", "error", err)
		os.Exit(1)
	}
	lambda.Start(func(ctx context.Context) (archive.Result, error) { return run(ctx, o) })
}

// options wires the parts together.
func options(s settings.Settings, cfg aws.Config, log *slog.Logger) (o archive.Options, err error) {
	variable := "CMU_ARCHIVE_REPORTS"
	if len(s.ArchiveReports) == 0 && len(s.Warm) > 0 {
		variable = "CMU_WARM"
	}
	for _, text := range s.Archived() {
		r, wrong := archive.ParseReport(text)
		if wrong != nil {
			err = errors.Join(err, &settings.Error{Variable: variable, Problem: text + ": " + wrong.Error()})
		}
		o.Reports = append(o.Reports, r)
	}
	if len(o.Reports) == 0 {
		err = errors.Join(err, &settings.Error{Variable: "CMU_ARCHIVE_REPORTS", Problem: "it names no report"})
	}
	if s.Archive == "" {
		return o, errors.Join(err, &settings.Error{Variable: "CMU_ARCHIVE", Problem: "it names no bucket"})
	}
	place, wrong := archive.Bucket(cfg, s.Archive)
	if err = errors.Join(err, wrong); err != nil {
		return o, err
	}
	kept, table := start.Stores(s, cfg)
	tokens := wire.Tokens(s, kept, table, nil, invoke.AskRefresh(cfg, s.RefreshFunction), log)
	service := wire.Reports(s, wire.Adobe(s), table, tokens, atOnce, log)
	o.Place, o.Policy, o.Log = place, wire.Policy(s), log
	o.Get = func(ctx context.Context, r cmu.Request, d reports.Directives) (*reports.Answer, error) {
		a, _, err := service.Get(ctx, r, d)
		return a, err
	}
	return o, nil
}

// atOnce does work after an answer before it, as nobody waits here.
func atOnce(work func(context.Context)) bool {
	work(context.Background())
	return true
}

// run archives as far as it comes. What needs a person is an error, so that Lambda counts it.
func run(ctx context.Context, o archive.Options) (archive.Result, error) {
	result, err := archive.Run(ctx, o)
	o.Log.InfoContext(ctx, "the archive was looked after", "event", "archive_run", "looked", result.Looked, "written", result.Written,
		"rows", result.Rows, "bytes", result.Bytes, "kept", result.Kept, "refused", result.Refused, "failed", result.Failed, "left", result.Left,
		"stopped", result.Stopped)
	if err == nil && len(result.Problems) > 0 {
		err = errors.New(strings.Join(result.Problems, "; "))
	}
	return result, err
}
