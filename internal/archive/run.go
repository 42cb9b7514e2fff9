package archive

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"cmu-gateway/internal/clock"
	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/reports"
	"cmu-gateway/pkg/cmu"
)

// Options say what Run is to do. All fields are required unless they say otherwise.
type Options struct {
	Reports []Report
	// Get answers a request: reports.Service.Get, or who asks that.
	Get    func(context.Context, cmu.Request, reports.Directives) (*reports.Answer, error)
	Place  Place
	Policy plan.Policy
	// DryRun has it told what would be looked at. Adobe is not asked and nothing is written.
	DryRun bool
	// Told is called before each month and after it, by one goroutine. Nil: nobody is told.
	Told func(Step)
	Now  func() time.Time // nil: clock.Wall
	Log  *slog.Logger     // nil: slog.Default
}

// Step is a month of a report in a run.
type Step struct {
	Report      string `json:"report"`
	Month       string `json:"month"`         // such as 2026-10
	Done, Total int    `json:"-"`             // months of the run
	What        string `json:"what"`          // new, again; after it: written, kept, refused, failed
	Rows        int    `json:"rows"`          // zero before
	Bytes       int64  `json:"bytes"`         // of what was written
	Why         string `json:"why,omitempty"` // of what was refused, or failed
}

// Result is what a run did.
type Result struct {
	Looked  int   `json:"looked"` // months
	Written int   `json:"written"`
	Kept    int   `json:"kept"`
	Refused int   `json:"refused"`
	Failed  int   `json:"failed"`
	Left    int   `json:"left"` // for the next run
	Rows    int   `json:"rows"` // written
	Bytes   int64 `json:"bytes"`
	// Stopped is why months were left; empty: none were.
	Stopped string `json:"stopped,omitempty"`
	// Problems say in a sentence each what was refused or failed.
	Problems []string `json:"problems,omitempty"`
}

// leaveTime is left of the time that a run has when it begins no month any more.
const leaveTime = 10 * time.Second

// errStop ends a run whose rest is for the next.
var errStop = errors.New("the rest is for the next run")

type run struct {
	Options
	result Result
	total  int
}

// Run archives reports month by month: first, the oldest first, what nothing is kept of, then what may have changed. It ends in good
// order where time runs out or Adobe is in a pause; the next run goes on from there.
//
// Errors: those of the place. What fails or is refused for a report alone is in the result.
func Run(ctx context.Context, o Options) (Result, error) {
	if o.Now == nil {
		o.Now = clock.Wall
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Told == nil {
		o.Told = func(Step) {}
	}
	r := &run{Options: o}
	shelves := make([]*shelf, len(o.Reports))
	for i, report := range o.Reports {
		s, err := r.open(ctx, report)
		if err != nil {
			return r.result, err
		}
		r.total += len(s.looks)
		shelves[i] = s
	}
	err := r.all(ctx, shelves)
	if errors.Is(err, errStop) {
		err = nil
	}
	r.result.Left = r.total - r.result.Looked
	for _, s := range shelves {
		if err == nil && s.changed {
			err = r.describe(ctx, s.report)
		}
	}
	return r.result, err
}

// shelf is what the place has of a report.
type shelf struct {
	report  Report
	pace    plan.Pace
	kept    map[cmu.Civil]Label
	looks   []look
	failed  bool // the report itself cannot be had in this run
	changed bool
}

// open reads what is kept of the months that may be looked at.
func (r *run) open(ctx context.Context, report Report) (*shelf, error) {
	s := &shelf{
		report: report, kept: map[cmu.Civil]Label{},
		pace: plan.Pace{Policy: r.Policy, Grain: report.Grain, Level: report.Request.LevelReport()},
	}
	keys, err := r.Place.Keys(ctx, report.prefix())
	if err != nil {
		return nil, err
	}
	now := r.Now()
	for _, key := range keys {
		month, ok := report.month(key)
		if !ok || month <= plan.Horizon(now) {
			continue
		}
		kept, _, err := r.label(ctx, key)
		switch {
		case errors.Is(err, ErrNotArchive):
			s.kept[month] = Label{} // it is looked at, and refused
		case err != nil:
			return nil, err
		default:
			s.kept[month] = *kept
		}
	}
	s.looks = due(s.pace, now, s.kept)
	return s, nil
}

// readings bounds how often an object is read that others replace meanwhile.
const readings = 3

// label reads the label of an object and its version; nil: there is none.
func (r *run) label(ctx context.Context, key string) (l *Label, version string, err error) {
	for range readings {
		if l, version, err = r.labelOnce(ctx, key); !errors.Is(err, ErrChanged) {
			break
		}
	}
	return l, version, err
}

func (r *run) labelOnce(ctx context.Context, key string) (*Label, string, error) {
	o, err := r.Place.Open(ctx, key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	defer o.Close()
	l, err := ReadLabel(o, o.Size)
	if errors.Is(err, ErrChanged) {
		return nil, "", err
	}
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", key, err)
	}
	return &l, o.Version, nil
}

// all goes through the months: what is new of all reports comes before what is looked at again.
func (r *run) all(ctx context.Context, shelves []*shelf) error {
	for _, isNew := range []bool{true, false} {
		for _, s := range shelves {
			ahead := gatherer{run: r, shelf: s, rows: -1}
			for i, l := range s.looks {
				if l.isNew != isNew {
					continue
				}
				if err := r.step(ctx, &ahead, i); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// step takes look i of a report. An error ends the run.
func (r *run) step(ctx context.Context, ahead *gatherer, i int) error {
	s := ahead.shelf
	l := s.looks[i]
	step := Step{Report: s.report.Name, Month: l.month.From.String()[:len("2026-10")], Done: r.result.Looked, Total: r.total, What: "again"}
	if l.isNew {
		step.What = "new"
	}
	if r.DryRun {
		r.result.Looked++
		r.Told(step)
		return nil
	}
	if s.failed {
		return nil
	}
	if deadline, ok := ctx.Deadline(); ctx.Err() != nil || ok && deadline.Sub(r.Now()) < leaveTime {
		r.result.Stopped = "the time is over"
		return errStop
	}
	r.Told(step)
	err := ahead.gather(ctx, i)
	if err == nil {
		err = r.look(ctx, s, l, &step)
	}
	ahead.rows = step.Rows
	switch {
	case err == nil:
	case reports.IsPause(err) || ctx.Err() != nil:
		r.result.Stopped = err.Error()
		return errStop
	case errors.Is(err, errPlace):
		return err
	default:
		step.What, step.Why, s.failed = "failed", err.Error(), true
		r.result.Failed++
		r.Log.WarnContext(ctx, "a report could not be archived", "event", "archive_failed", "report", step.Report, "month", step.Month, "error", err)
		r.result.Problems = append(r.result.Problems, fmt.Sprintf("%s of %s could not be archived: %v", step.Month, step.Report, err))
	}
	r.result.Looked++
	step.Done = r.result.Looked
	r.Told(step)
	return nil
}

// errPlace marks what the place fails with, which is no report's fault.
var errPlace = errors.New("the archive cannot be used")

// look asks for a month, judges what comes and writes it. step gets what became of it.
func (r *run) look(ctx context.Context, s *shelf, l look, step *Step) error {
	a, err := r.Get(ctx, s.report.window(l.month), reports.Directives{Fresh: true, MaxAge: l.maxAge})
	if err != nil {
		return err
	}
	each := rowsOf(a, l.month)
	found, err := s.report.label(a, each, true)
	if err != nil {
		return err
	}
	step.Rows = found.Rows
	key := s.report.key(l.month.From)
	kept, version, err := r.label(ctx, key)
	var v verdict
	var why string
	switch {
	case errors.Is(err, ErrNotArchive):
		v, why = refuse, "what lies in its place is no file of the archive"
	case err != nil:
		return fmt.Errorf("%w: %w", errPlace, err)
	default:
		v, why = judge(l.month, kept, found, r.Now())
	}
	switch v {
	case write:
		return r.write(ctx, s, key, version, found, each, step)
	case refuse:
		step.What, step.Why = "refused", why
		r.result.Refused++
		r.result.Problems = append(r.result.Problems, fmt.Sprintf("%s of %s stays as it was archived: %s", step.Month, step.Report, why))
		r.Log.ErrorContext(ctx, "what is archived is not replaced", "event", "archive_refused", "report", step.Report, "month", step.Month, "why", why)
	default:
		step.What = "kept"
		r.result.Kept++
	}
	return nil
}

// write puts a month in the place of a version.
func (r *run) write(ctx context.Context, s *shelf, key, version string, l Label, each Rows, step *Step) error {
	spool, err := os.CreateTemp("", "cmu-archive-")
	if err != nil {
		return fmt.Errorf("%w: %w", errPlace, err)
	}
	defer func() {
		spool.Close()
		os.Remove(spool.Name())
	}()
	b := bufio.NewWriter(spool)
	err = writeFile(b, l, s.report.Grain, each)
	if err == nil {
		err = b.Flush()
	}
	if err != nil {
		return err
	}
	size, err := spool.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = spool.Seek(0, io.SeekStart)
	}
	if err == nil {
		err = r.Place.Put(ctx, key, spool, version)
	}
	if errors.Is(err, ErrChanged) {
		// Either this writer's own try was answered too late, or another writer came: what is kept is looked at in the next run.
		kept, _, again := r.label(ctx, key)
		if again != nil {
			return fmt.Errorf("%w: %w", errPlace, again)
		}
		if kept == nil || kept.Digest != l.Digest {
			r.Log.InfoContext(ctx, "another writer was faster", "report", step.Report, "month", step.Month, "error", err)
			step.What = "kept"
			r.result.Kept++
			return nil
		}
		err = nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errPlace, err)
	}
	s.changed = true
	step.What, step.Bytes = "written", size
	r.result.Written++
	r.result.Rows += l.Rows
	r.result.Bytes += size
	r.Log.InfoContext(ctx, "archived", "event", "archived", "report", step.Report, "month", step.Month, "rows", l.Rows, "bytes", size, "complete", l.Complete)
	return nil
}
