package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"cmu-gateway/pkg/cmu"
)

var reportCommand = command{
	name:     "report",
	synopsis: "PATH [flags]",
	short:    "print a report",
	text: `Prints a report. PATH names the dimensions to group by, in order, such as tenant/year/month/day; it may begin with a slash, and
may be a whole report URL with its query. The answer comes from the data folder where that is fresh, else from Adobe, by the
same rules as those of cmu serve, which may run meanwhile.

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
	d, err := openDesk(t, f.desk, false, slog.LevelWarn)
	if err != nil {
		return err
	}
	defer d.closeReport(ctx)
	if err := d.reachAdobe(ctx); err != nil {
		return err
	}
	if err := d.needAccess(ctx); err != nil {
		return err
	}
	d.tellSimulated(t)
	return f.print(ctx, t, d, r)
}

// afterReport is how long work after the answer may go on, such as a refresh of what was stale: this process is the only one that
// does it.
const afterReport = 25 * time.Second

func (d *desk) closeReport(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, afterReport)
	defer cancel()
	d.close(ctx)
}

func (f *reporting) print(ctx context.Context, t *terminal, d *desk, r cmu.Request) error {
	out, done := t.stdout, func(err error) error { return err }
	if f.output != "" {
		file, err := os.CreateTemp(filepath.Dir(f.output), filepath.Base(f.output)+".*")
		if err != nil {
			return fmt.Errorf("%s cannot be written: %w", f.output, cause(err))
		}
		out, done = file, func(err error) error { return replace(file, f.output, err) }
	}
	answer := &answer{header: http.Header{}, out: out}
	table := r.Format == "table"
	if table {
		r.Format = "json"
		answer.out = &answer.kept
	}
	target := r.URL("/cmu/v2")
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target+separator+"format="+url.QueryEscape(r.Format), nil)
	if err != nil {
		return done(err)
	}
	if f.noCache {
		req.Header.Set("Cache-Control", "no-cache")
	}
	d.face(f.desk.verbose).ServeHTTP(answer, req)
	if err := done(answer.outcome(ctx, d, func() error {
		switch {
		case table && answer.header.Get("Cmu-Passed-Through") == "":
			return writeTable(out, r.Path, &answer.kept)
		case table:
			_, err := answer.kept.WriteTo(out)
			return err
		case t.interactive && f.output == "":
			t.printf("\n") // JSON ends without one
		}
		return nil
	})); err != nil {
		return err
	}
	return answer.warn(t)
}

// replace puts a written file in the place of path, or removes it if the writing failed.
func replace(file *os.File, path string, err error) error {
	defer os.Remove(file.Name())
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Chmod(file.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	return err
}

// answer takes the gateway's answer: a report goes to out as it comes, a problem is kept.
type answer struct {
	header http.Header
	status int
	out    io.Writer
	kept   bytes.Buffer
	err    error // of out
}

func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
}

func (a *answer) Write(p []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.status >= 300 {
		return a.kept.Write(p)
	}
	n, err := a.out.Write(p)
	if err != nil {
		a.err = err
	}
	return n, err
}

// outcome returns what became of the request; finish is called for a report.
func (a *answer) outcome(ctx context.Context, d *desk, finish func() error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case a.err != nil:
		return fmt.Errorf("the report could not be written: %w", a.err)
	case a.status < 300:
		return finish()
	}
	var problem struct {
		Detail string `json:"detail"`
	}
	text := http.StatusText(a.status)
	if json.Unmarshal(a.kept.Bytes(), &problem) == nil && problem.Detail != "" {
		text = problem.Detail
	}
	if denied := d.denied.Load(); denied != nil {
		text += " " + (*denied).Error()
	} else if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err == nil {
		text += fmt.Sprintf(" Ask again in %v.", time.Duration(seconds)*time.Second)
	}
	return fmt.Errorf("%s", strings.TrimSuffix(text, "."))
}

// warn says what is wrong with a report that was answered.
func (a *answer) warn(t *terminal) error {
	if strings.Contains(a.header.Get("Cache-Status"), "detail=stale") {
		seconds, _ := strconv.Atoi(a.header.Get("Age"))
		t.warnf("warning: the rows are stale, %v old; newer ones are fetched now, for the next time", time.Duration(seconds)*time.Second)
	}
	if a.header.Get("Cmu-Passed-Through") != "" {
		t.warnf("warning: Adobe's answer was not understood and is passed through as it came")
	}
	if incomplete := a.header.Get("Cmu-Incomplete"); incomplete != "" {
		_, detail, _ := strings.Cut(incomplete, `detail="`)
		t.warnf("warning: %s", strings.TrimSuffix(detail, `"`))
		return errIncomplete
	}
	return nil
}
