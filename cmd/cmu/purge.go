package main

import (
	"context"
	"flag"

	"cmu-gateway/internal/reports"
)

var purgeCommand = command{
	name:     "purge",
	synopsis: "PATH [--filter ...] | --all",
	short:    "forget what is kept of a report",
	text: `Deletes what is kept of a report, whatever the window: with filters or metrics of that very report, without them of all reports
with that path. The next request asks Adobe again, of a running cmu serve too. Client credentials and token stay.

While CMU_KEEP is on, what Adobe no longer has stays, and it is said how many blocks that are: --before-horizon deletes it too, for good.`,
	examples: `  cmu purge tenant/year/month/day
  cmu purge tenant/year/month/day --filter mvpd=Comcast_SSO
  cmu purge --all
`,
	args: 1,
	define: func(fs *flag.FlagSet) func(context.Context, *terminal, *call) error {
		var f deskFlags
		var q queryFlags
		var all, history bool
		f.define(fs)
		q.define(fs)
		fs.BoolVar(&all, "all", false, "forget all reports")
		fs.BoolVar(&history, "before-horizon", false, "also delete what Adobe no longer has, which nobody can give back")
		return func(ctx context.Context, t *terminal, in *call) error {
			var r asked
			switch narrowed := len(q.filters) > 0 || q.metrics != ""; {
			case all && (len(in.args) > 0 || narrowed):
				return usagef("purge: --all takes neither a PATH nor filters")
			case !all && len(in.args) == 0:
				return usagef("purge: want a PATH such as tenant/year/month, or --all; see cmu help purge")
			case !all:
				var err error
				if r, err = q.request(in.args[0]); err != nil {
					return err
				}
				if len(r.Path) == 0 {
					return usagef("purge: the PATH names no dimension; --all forgets everything")
				}
				if !r.Start.IsZero() || !r.End.IsZero() || r.Limit > 0 {
					return usagef("purge: all windows of a report are forgotten; leave out start, end and limit")
				}
			}
			d, err := openDesk(ctx, t, f, opening{meant: meant{host: r.host}, least: silent})
			if err != nil {
				return err
			}
			defer d.close(ctx)
			n, err := d.purge(ctx, purgeOrder{r.Request, history})
			if err != nil {
				return err
			}
			what := r.Report()
			if all {
				what = "all reports"
			}
			t.sayf("Forgotten of %s: %d blocks.\n", what, n.Deleted)
			if n.Kept > 0 {
				t.sayf("%d blocks that Adobe no longer has stay: --before-horizon deletes them too, for good.\n", n.Kept)
			}
			return t.document(struct {
				reports.Purged
				Report string `json:"report"`
			}{n, r.Report()})
		}
	},
}
