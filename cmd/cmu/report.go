package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"cmu-gateway/internal/archive"
	"cmu-gateway/internal/gateway"
	"cmu-gateway/internal/plan"
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

A warning on stderr says when rows are missing or older than they should be, and what of the window Adobe no longer has; rows that are missing without --limit make the
exit code 3. Where stderr is a screen, it shows how far a report is that takes over a second. --json is --format json.`,
	examples: `  cmu report tenant/year/month --start 2026-01
  cmu report tenant/year/month/day/mvpd --start last-month --end this-month --filter mvpd=Comcast_SSO --output month.csv --date
  cmu report tenant/year/month/day --start -30d --filter 'mvpd!=Cablevision' --metrics active-users --format csv --bom --output -
  cmu report 'https://mgmt.auth.adobe.com/cmu/v2/tenant/year/month?start=2026-01' --json
  cmu report tenant/year/month --start 2026-01 --sandbox
`,
	args: 1,
	define: func(fs *flag.FlagSet) func(context.Context, *terminal, *call) error {
		var r reporting
		r.desk.define(fs)
		r.query.define(fs)
		fs.StringVar(&r.start, "start", "", "`TIME` the window begins with, such as 2026-07, 2026-07-04T05:00, -30d, last-month; Adobe's default without it")
		fs.StringVar(&r.end, "end", "", "`TIME` the window ends before, such as 2026-08, today, now")
		fs.StringVar(&r.limit, "limit", "", "largest `NUMBER` of rows wanted")
		fs.StringVar(&r.format, "format", "", "`NAME`: "+strings.Join(reportFormats, ", ")+
			"; without it that of --output, else that of PATH, else table on a screen, else json")
		fs.StringVar(&r.output, "output", "", "`FILE` to write instead of stdout, which is -; it is replaced once the report is whole")
		fs.BoolVar(&r.form.Date, "date", false, "put one column date, such as 2026-07-04 or 2026-07-04T05:00, in the place of year, month, day and so on")
		fs.BoolVar(&r.form.Mark, "bom", false, "begin a CSV with a byte order mark, by which Excel knows UTF-8")
		fs.BoolVar(&r.noCache, "no-cache", false, "ask Adobe for rows that may still change, even if what is kept is fresh")
		return r.run
	},
}

var reportFormats = []string{"json", "csv", "xml", "ndjson", "html", "parquet", "table"}

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
	if ok && strings.HasPrefix(value, "=") {
		return fmt.Errorf("want DIMENSION=VALUE with one =; a value that begins with one is written in the address, as PATH?%s=%%3DVALUE", strings.TrimSuffix(name, "!"))
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

// asked is a report as a command line asks for it.
type asked struct {
	cmu.Request
	// bounds are start and end in the form of a query, as whoever answers has to read them: by its clock, if they are relative to now.
	bounds string
	host   string // of a whole URL; empty: none
}

// request reads a path or URL, with more parameters in the form of a query.
func (q *queryFlags) request(text string, more ...string) (a asked, err error) {
	host, path, query, err := splitReport(text)
	if err != nil {
		return a, err
	}
	a.host = host
	more = append(slices.Clone(q.filters), more...)
	if q.metrics != "" {
		more = append(more, "metrics="+url.QueryEscape(q.metrics))
	}
	query = strings.Trim(query+"&"+strings.Join(more, "&"), "&")
	var bounds []string
	for pair := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(pair, "=")
		if name, _ = url.QueryUnescape(name); name == "start" || name == "end" {
			bounds = append(bounds, pair)
		}
	}
	a.bounds = strings.Join(bounds, "&")
	if a.Request, err = (plan.Policy{}).ParseRequest(path, query, time.Now(), func(r cmu.Request) []string { return r.Path }); err != nil {
		return a, usagef("the report is not valid: %w", err)
	}
	return a, nil
}

// scheme is how a URL begins that has one.
var scheme = regexp.MustCompile(`(?i)^([a-z][a-z0-9+.-]*):?//`)

// splitReport takes a path or a whole URL apart. A URL without its scheme is known by what its path begins with: a host.
func splitReport(text string) (host, path, query string, err error) {
	path, query, _ = strings.Cut(text, "?")
	query, _, _ = strings.Cut(query, "#")
	if found := scheme.FindStringSubmatch(path); found != nil {
		if name := strings.ToLower(found[1]); name != "http" && name != "https" {
			return "", "", "", usagef("the report URL begins with %s, not with http:// or https://", found[0])
		}
		path = path[len(found[0]):]
	} else if strings.HasPrefix(path, "//") {
		path = path[2:]
	} else if first, rest, _ := strings.Cut(path, "/"); !strings.ContainsAny(first, ".:") || !strings.Contains("/"+rest+"/", "/v2/") {
		return "", underBase(path), query, nil
	}
	at, path, _ := strings.Cut(path, "/")
	u, err := url.Parse("//" + at)
	if err != nil || u.Hostname() == "" {
		return "", "", "", usagef("the report URL cannot be read")
	}
	return bare(u.Hostname()), underBase(path), query, nil
}

// underBase is a path of ours or Adobe's without what reports stand under.
func underBase(path string) string {
	path = "/" + strings.TrimPrefix(path, "/")
	for _, base := range []string{"/cmu/v2", "/v2"} {
		if _, below, ok := strings.Cut(path+"/", base+"/"); ok {
			return strings.TrimSuffix(below, "/")
		}
	}
	return path[1:]
}

type reporting struct {
	desk                              deskFlags
	query                             queryFlags
	start, end, limit, format, output string
	noCache                           bool
	form                              gateway.Form
}

// order reads the command line.
func (f *reporting) order(t *terminal, in *call, to output) (o reportOrder, host string, err error) {
	if len(in.args) == 0 {
		return o, "", usagef("report: want a PATH such as tenant/year/month; see cmu help report")
	}
	var more []string
	for _, p := range []struct{ name, value string }{{"start", f.start}, {"end", f.end}, {"limit", f.limit}} {
		if in.given[p.name] {
			more = append(more, p.name+"="+url.QueryEscape(p.value))
		}
	}
	a, err := f.query.request(in.args[0], more...)
	if err != nil {
		return o, "", err
	}
	r := a.Request
	r.Format = cmp.Or(f.format, to.format(), r.Format)
	if t.json {
		if named := cmp.Or(f.format, to.format(), "json"); named != "json" {
			return o, "", usagef("report: --json and the format %s contradict each other", named)
		}
		r.Format = "json"
	}
	if r.Format == "" {
		if extension := to.promisesOther(); extension != "" {
			return o, "", usagef("report: --output: a report is not written as %s: name a file that ends in .json, .csv, .xml, .ndjson, .html or .parquet, "+
				"or say by --format what %s is to hold", extension, to.name)
		}
		r.Format = "json"
		if t.interactive && to.file == "" {
			r.Format = "table"
		}
	}
	switch {
	case !slices.Contains(reportFormats, r.Format):
		return o, "", usagef("report: there is no format %q; want one of %s", r.Format, strings.Join(reportFormats, ", "))
	case r.Format == "parquet" && t.interactive && to.file == "":
		return o, "", usagef("report: a screen cannot show parquet: name a file with --output")
	case f.form.Mark && r.Format != "csv":
		return o, "", usagef("report: --bom is for csv, not for %s", r.Format)
	case f.form.Date && (r.Format == "xml" || r.Format == "html" || r.Format == "parquet"):
		return o, "", usagef("report: --date is for csv, ndjson, json and table, not for %s", r.Format)
	}
	return reportOrder{r, a.bounds, reports.Directives{NoCache: f.noCache}, f.form}, a.host, nil
}

func (f *reporting) run(ctx context.Context, t *terminal, in *call) error {
	to, err := chooseOutput(f.output)
	if err != nil {
		return err
	}
	o, host, err := f.order(t, in, to)
	if err != nil {
		return err
	}
	d, err := openDesk(ctx, t, f.desk, opening{meant: meant{host: host}, asksAdobe: true, least: slog.LevelWarn})
	if err != nil {
		return err
	}
	defer d.close(ctx)
	m := t.meter()
	defer m.end()
	var result outcome
	stdout := t.stdout
	if t.interactive {
		stdout = &screenWriter{w: stdout}
	}
	err = to.write(stdout, func(w io.Writer) (err error) {
		out := &sink{Writer: w, begins: m.end}
		if o.Request.Format == "parquet" {
			result, err = writeParquet(ctx, d, o, m.tell, out)
		} else {
			result, err = d.report(ctx, o, m.tell, out)
		}
		m.end()
		if out.err != nil {
			return fmt.Errorf("the report could not be written: %w", cause(out.err))
		}
		return err
	})
	if err != nil {
		return err
	}
	if to.file == "" && t.interactive && o.Request.Format == "json" {
		t.printf("\n") // JSON ends without one
	}
	return result.warn(t)
}

// writeParquet writes a report in the format that the gateway itself has not: what makes it doubles a program.
func writeParquet(ctx context.Context, d desk, o reportOrder, tell func(progress), w io.Writer) (outcome, error) {
	a, result, err := d.rows(ctx, o, tell)
	if err == nil {
		err = archive.WriteReport(w, o.Request, a)
	}
	return result, err
}

// sink keeps the error of writing, which is not one of the report.
type sink struct {
	io.Writer
	begins func() // called before each write
	err    error
}

func (s *sink) Write(p []byte) (int, error) {
	s.begins()
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
	if o.BeforeHorizon != "" {
		t.warnf("warning: %s", o.BeforeHorizon)
	}
	switch {
	case o.Incomplete == "":
	case o.Limited:
		t.warnf("%s, as was asked", o.Incomplete)
	default:
		t.warnf("warning: %s", o.Incomplete)
		return errIncomplete
	}
	return nil
}
