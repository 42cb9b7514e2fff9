package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"cmu-gateway/internal/reports"
	"cmu-gateway/pkg/cmu"
)

var reportCommand = command{
	name:     "report",
	synopsis: "PATH [flags]",
	short:    "print a report",
	text: `Prints a report. PATH names the dimensions to group by, in order, such as tenant/year/month/day; it may begin with a slash, and
may be a whole report URL with its query. The answer comes from the data folder where that is fresh, else from Adobe, by the
same rules as those of cmu serve; where that runs on the folder, it is what answers.

A warning on stderr says when rows are missing or older than they should be; missing rows make the exit code 3.`,
	examples: `  cmu report tenant/year/month --start 2026-01
  cmu report tenant/year/month/day/mvpd --start 2026-10 --end 2026-11 --filter mvpd=Comcast_SSO --format csv
  cmu report tenant/year/month/day --filter 'mvpd!=Cablevision' --metrics activity,users --output days.json
  cmu report 'https://mgmt.auth.adobe.com/cmu/v2/tenant/year/month?start=2026-01'
`,
	args: 1,
	define: func(fs *flag.FlagSet) func(context.Context, *terminal, *call) error {
		var r reporting
		r.desk.define(fs)
		r.query.define(fs)
		fs.StringVar(&r.start, "start", "", "`TIME` the window begins with, such as 2026-07 or 2026-07-04T05:00; Adobe's default without it")
		fs.StringVar(&r.end, "end", "", "`TIME` the window ends before")
		fs.StringVar(&r.limit, "limit", "", "largest `NUMBER` of rows wanted")
		fs.StringVar(&r.format, "format", "", "`NAME`: "+strings.Join(reportFormats, ", ")+
			"; without it that of PATH, else table on a screen, else json")
		fs.StringVar(&r.output, "output", "", "`FILE` to write instead of stdout; it is replaced once the report is whole")
		fs.BoolVar(&r.noCache, "no-cache", false, "ask Adobe even if what is kept is fresh")
		return r.run
	},
}

var reportFormats = []string{"json", "csv", "xml", "ndjson", "html", "table"}

// queryFlags choose rows and columns beside the path.
type queryFlags struct {
	filters filterFlag
	metrics string
}

func (q *queryFlags) define(fs *flag.FlagSet) {
	fs.Var(&q.filters, "filter", "`DIMENSION=VALUE`, DIMENSION!=VALUE or DIMENSION alone; may be repeated")
	fs.StringVar(&q.metrics, "metrics", "", "`NAMES` of metrics with commas between them; without it all")
}

// filterFlag holds filters in the form of a query.
type filterFlag []string

func (f *filterFlag) String() string { return strings.Join(*f, "&") }

func (f *filterFlag) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if name == "" || name == "!" {
		return fmt.Errorf("want DIMENSION=VALUE")
	}
	not := ""
	if bare, cut := strings.CutSuffix(name, "!"); cut && ok {
		name, not = bare, "!"
	}
	part := url.QueryEscape(name)
	if ok {
		part += not + "=" + url.QueryEscape(value)
	}
	*f = append(*f, part)
	return nil
}

// request reads a path or URL, with more parameters in the form of a query.
func (q *queryFlags) request(text string, more ...string) (cmu.Request, error) {
	path, query, _ := strings.Cut(text, "?")
	if strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://") {
		u, err := url.Parse(text)
		if err != nil {
			return cmu.Request{}, usagef("the report URL cannot be read")
		}
		path, query = u.EscapedPath(), u.RawQuery
	}
	path = "/" + strings.TrimPrefix(path, "/")
	for _, base := range []string{"/cmu/v2", "/v2"} {
		if _, below, ok := strings.Cut(path+"/", base+"/"); ok {
			path = strings.TrimSuffix(below, "/")
			break
		}
	}
	more = append(slices.Clone(q.filters), more...)
	if q.metrics != "" {
		more = append(more, "metrics="+url.QueryEscape(q.metrics))
	}
	r, err := cmu.Parse(path, strings.Trim(query+"&"+strings.Join(more, "&"), "&"))
	if err != nil {
		return r, usagef("the report is not valid: %w", err)
	}
	return r, nil
}

type reporting struct {
	desk                              deskFlags
	query                             queryFlags
	start, end, limit, format, output string
	noCache                           bool
}

func (f *reporting) run(ctx context.Context, t *terminal, in *call) error {
	if len(in.args) == 0 {
		return usagef("report: want a PATH such as tenant/year/month; see cmu help report")
	}
	var more []string
	for _, p := range []struct{ name, value string }{{"start", f.start}, {"end", f.end}, {"limit", f.limit}} {
		if p.value != "" {
			more = append(more, p.name+"="+url.QueryEscape(p.value))
		}
	}
	r, err := f.query.request(in.args[0], more...)
	if err != nil {
		return err
	}
	if f.format != "" {
		r.Format = f.format
	} else if r.Format == "" {
		r.Format = "json"
		if t.interactive && f.output == "" {
			r.Format = "table"
		}
	}
	if !slices.Contains(reportFormats, r.Format) {
		return usagef("report: there is no format %q; want one of %s", r.Format, strings.Join(reportFormats, ", "))
	}
	d, err := openDesk(ctx, t, f.desk, opening{asksAdobe: true, least: slog.LevelWarn})
	if err != nil {
		return err
	}
	defer d.close(ctx)
	var result outcome
	write := func(w io.Writer) (err error) {
		out := &sink{Writer: w}
		result, err = d.report(ctx, reportOrder{r, reports.Directives{NoCache: f.noCache}}, out)
		if out.err != nil {
			return fmt.Errorf("the report could not be written: %w", cause(out.err))
		}
		return err
	}
	if f.output != "" {
		err = replaceFile(f.output, 0o644, write)
	} else if err = write(t.stdout); err == nil && t.interactive && r.Format == "json" {
		t.printf("\n") // JSON ends without one
	}
	if err != nil {
		return err
	}
	return result.warn(t)
}

// sink keeps the error of writing, which is not one of the report.
type sink struct {
	io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	if err != nil {
		s.err = err
	}
	return n, err
}

// warn says what is wrong with a report that was written.
func (o outcome) warn(t *terminal) error {
	if o.Source == reports.Stale {
		t.warnf("warning: the rows are stale, %v old; newer ones are fetched now, for the next time", o.Age.Truncate(time.Second))
	}
	if o.Incomplete != "" {
		t.warnf("warning: %s", o.Incomplete)
		return errIncomplete
	}
	return nil
}
