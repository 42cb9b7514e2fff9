package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

// RestoreOptions say what Restore is to do. All fields are required unless they say otherwise.
type RestoreOptions struct {
	Place Place
	// Reports are those to restore; none: all that the archive tells of.
	Reports []Report
	// Put puts rows back: reports.Service.Restore. With DryRun it only tells what is missing.
	Put    func(ctx context.Context, e reports.Elsewhere, dryRun bool) ([]plan.Span, error)
	DryRun bool
	// Simulated tells that rows are to be those of a simulated Adobe.
	Simulated bool
	// Told is called before each month and after it. Nil: nobody is told.
	Told func(RestoreStep)
	Log  *slog.Logger // nil: slog.Default
}

// RestoreStep is a month of a report. What is empty before it; after it: restored, missing (where nothing is done), kept, refused.
type RestoreStep struct {
	Report string `json:"report"`
	Month  string `json:"month"`
	What   string `json:"what"`
	Rows   int    `json:"rows"` // of the month
	Why    string `json:"why,omitempty"`
	Done   int    `json:"-"`
	Total  int    `json:"-"`
}

// RestoreResult is what Restore did, in months.
type RestoreResult struct {
	Looked   int `json:"looked"`
	Restored int `json:"restored"`
	Kept     int `json:"kept"` // as much is here
	Refused  int `json:"refused"`
	Rows     int `json:"rows"` // of the months restored
	// Problems say in a sentence each what was refused.
	Problems []string `json:"problems,omitempty"`
}

// errRefused marks what is the matter with a month alone.
var errRefused = errors.New("refused")

// Restore reads months back from an archive, the oldest first. It may be ended at any time: another run goes on, as what is there already stays.
//
// Errors: those of the place and of the store. What is refused for a month alone is in the result.
func Restore(ctx context.Context, o RestoreOptions) (out RestoreResult, err error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Told == nil {
		o.Told = func(RestoreStep) {}
	}
	list, problems, err := o.list(ctx)
	if err != nil {
		return out, err
	}
	out.Problems, out.Refused = problems, len(problems)
	for i, m := range list {
		step := RestoreStep{Report: m.report.Name, Month: m.month.From.String()[:len("2026-10")], Done: i, Total: len(list)}
		o.Told(step)
		err := o.month(ctx, m, &step)
		switch {
		case errors.Is(err, errRefused) && ctx.Err() == nil:
			step.What, step.Why = "refused", strings.TrimPrefix(err.Error(), errRefused.Error()+": ")
			out.Refused++
			out.Problems = append(out.Problems, fmt.Sprintf("%s of %s is not restored: %s", step.Month, step.Report, step.Why))
			o.Log.WarnContext(ctx, "a month is not restored", "report", step.Report, "month", step.Month, "error", err)
		case err != nil:
			return out, err
		case step.What == "kept":
			out.Kept++
		default:
			out.Restored++
			out.Rows += step.Rows
		}
		out.Looked++
		step.Done = out.Looked
		o.Told(step)
	}
	return out, nil
}

// keptMonth is a month that lies in the place.
type keptMonth struct {
	report Report
	month  plan.Span
	key    string
}

// list returns the months to look at, report by report, the oldest first.
func (o *RestoreOptions) list(ctx context.Context) (all []keptMonth, problems []string, err error) {
	list := o.Reports
	if len(list) == 0 {
		if list, problems, err = o.found(ctx); err != nil {
			return nil, nil, err
		}
	}
	for _, report := range list {
		keys, err := o.Place.Keys(ctx, report.prefix())
		if err != nil {
			return nil, nil, err
		}
		var own []keptMonth
		for _, key := range keys {
			if month, ok := report.month(key); ok {
				own = append(own, keptMonth{report, inMonth(month), key})
			}
		}
		if len(own) == 0 {
			problems = append(problems, fmt.Sprintf("nothing of %s lies in %s", report.Request.Report(), o.Place))
		}
		slices.SortFunc(own, func(a, b keptMonth) int { return int(a.month.From/1000 - b.month.From/1000) })
		all = append(all, own...)
	}
	return all, problems, nil
}

// found returns the reports that the archive tells of.
func (o *RestoreOptions) found(ctx context.Context) (list []Report, problems []string, err error) {
	keys, err := o.Place.Keys(ctx, layout)
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(keys)
	done := map[string]bool{}
	for _, key := range keys {
		name, rest, _ := strings.Cut(strings.TrimPrefix(key, layout+"report="), "/")
		if done[name] || !strings.HasSuffix(rest, "/"+rowsFile) {
			continue
		}
		done[name] = true
		r := run{Options: Options{Place: o.Place}}
		l, _, err := r.label(ctx, key)
		if err != nil && !errors.Is(err, ErrNotArchive) {
			return nil, nil, err
		}
		text := strings.ReplaceAll(name, "_", "/") // of a release that did not tell
		if l != nil && l.Report != "" {
			text = l.Report
		}
		report, err := ParseReport(text)
		if err != nil || report.Name != name {
			problems = append(problems, fmt.Sprintf("%s does not say which report it is: name that on the command line", name))
			continue
		}
		list = append(list, report)
	}
	return list, problems, nil
}

// month restores one month. step gets what became of it.
func (o *RestoreOptions) month(ctx context.Context, m keptMonth, step *RestoreStep) error {
	file, size, err := o.fetch(ctx, m.key)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: it is gone", errRefused)
	}
	if err != nil {
		return err
	}
	defer func() {
		file.Close()
		os.Remove(file.Name())
	}()
	s, err := readStored(file, size, m.report, m.month)
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	if s.Simulated != o.Simulated {
		return fmt.Errorf("%w: rows of a simulated Adobe and real ones are not put together", errRefused)
	}
	// Nothing is put that is not whole.
	found, err := surveyed(m.report.dimensions(), s.each)
	if err == nil && (found.digest != s.Digest || found.rows != s.Rows) {
		err = fmt.Errorf("%w: its rows are not those that its footer tells of", errDamaged)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	path, query, _ := strings.Cut(s.Request, "?")
	effective, err := cmu.Parse(path, query)
	if err != nil {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	spans, err := o.Put(ctx, reports.Elsewhere{
		Request: m.report.Request, Effective: effective, Links: s.Links, Span: m.month, Rows: s.each, Fetched: s.Fetched, Truncated: !s.Complete,
		Licence: s.Licence, Simulated: s.Simulated,
	}, o.DryRun)
	if errors.Is(err, upstream.ErrOtherLicence) {
		return fmt.Errorf("%w: %w", errRefused, err)
	}
	if err != nil {
		return err
	}
	step.Rows = s.Rows
	switch {
	case len(spans) == 0:
		step.What = "kept"
	case o.DryRun:
		step.What = "missing"
	default:
		step.What = "restored"
	}
	return nil
}

// fetch copies an object to a temporary file: it is read twice, and in small parts.
func (o *RestoreOptions) fetch(ctx context.Context, key string) (file *os.File, size int64, err error) {
	object, err := o.Place.Open(ctx, key)
	if err != nil {
		return nil, 0, err
	}
	defer object.Close()
	if file, err = os.CreateTemp("", "cmu-restore-"); err != nil {
		return nil, 0, err
	}
	buf := make([]byte, 1<<20)
	size, err = io.CopyBuffer(struct{ io.Writer }{file}, io.NewSectionReader(object, 0, object.Size), buf)
	if err != nil {
		file.Close()
		os.Remove(file.Name())
		return nil, 0, fmt.Errorf("%s: %w", key, err)
	}
	return file, size, nil
}
