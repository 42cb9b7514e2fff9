package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/reports"
	testrig "cmu-gateway/internal/rig"
	"cmu-gateway/internal/store"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"

	"github.com/parquet-go/parquet-go"
)

// rig archives the reports of a simulated Adobe, through the report cache, on a clock that tests move.
type rig struct {
	t       testing.TB
	clock   *testrig.Clock
	log     *testrig.Log
	adobe   *testrig.Adobe
	work    *testrig.After
	reports *reports.Service
	options Options
	licence string
	policy  plan.Policy
	store   store.Store
}

func newRig(t testing.TB, place func(*testrig.Clock) Place, names ...string) *rig {
	c := &testrig.Clock{}
	r := &rig{t: t, clock: c, log: testrig.NewLog(t), adobe: testrig.NewAdobe(t, c), work: &testrig.After{}, licence: "licence-1"}
	r.policy, r.store = testrig.Policy, testrig.NewStore(t, c)
	r.reports = r.service()
	r.options = Options{Place: place(c), Policy: testrig.Policy, Now: c.Now, Log: r.log.Logger}
	r.options.Get = func(ctx context.Context, q cmu.Request, d reports.Directives) (*reports.Answer, error) {
		a, _, err := r.reports.Get(ctx, q, d)
		r.work.Run()
		return a, err
	}
	for _, name := range names {
		report, err := ParseReport(name)
		if err != nil {
			t.Fatal(err)
		}
		r.options.Reports = append(r.options.Reports, report)
	}
	return r
}

// service is a process over the store at hand.
func (r *rig) service() *reports.Service {
	return reports.New(reports.Options{
		Client: r.adobe.Client, Store: r.store, Policy: r.policy, RowLimit: 10_000, Parallel: 4, Memory: 64 << 20,
		Token: func(context.Context) (upstream.Token, error) {
			return upstream.Token{Value: r.adobe.Token.Value, Licence: r.licence}, nil
		},
		Refused: func(context.Context, cmu.Secret) (upstream.Token, error) {
			return upstream.Token{}, errors.New("refused")
		},
		Licence: func(context.Context) (string, bool) { return r.licence, true },
		Now:     r.clock.Now, Sleep: r.clock.Sleep, After: r.work.Go, Log: r.log.Logger,
	})
}

func inFolder(t testing.TB) func(*testrig.Clock) Place {
	return func(c *testrig.Clock) Place { return Folder(t.TempDir(), c.Now) }
}

// run runs once and fails the test on errors.
func (r *rig) run() Result {
	r.t.Helper()
	result, err := Run(r.t.Context(), r.options)
	if err != nil {
		r.t.Fatal(err)
	}
	return result
}

// quiet is run without a problem.
func (r *rig) quiet() Result {
	r.t.Helper()
	result := r.run()
	if len(result.Problems) > 0 || result.Stopped != "" || result.Left != 0 {
		r.t.Fatalf("%+v", result)
	}
	return result
}

// months returns the months of the first report that are kept, in their order.
func (r *rig) months() (months []string) {
	r.t.Helper()
	report := r.options.Reports[0]
	keys, err := r.options.Place.Keys(r.t.Context(), report.prefix())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, key := range keys {
		if m, ok := report.month(key); ok {
			months = append(months, m.String()[:7])
		}
	}
	slices.Sort(months)
	return months
}

// file is a month as any reader of Parquet sees it.
type file struct {
	Label
	size   int64
	names  []string
	values []map[string]string // without nulls
}

// read reads a month of the first report.
func (r *rig) read(month string) file {
	r.t.Helper()
	from, err := time.Parse("2006-01", month)
	if err != nil {
		r.t.Fatal(err)
	}
	o, err := r.options.Place.Open(r.t.Context(), r.options.Reports[0].key(cmu.CivilAt(from, time.UTC)))
	if err != nil {
		r.t.Fatal(err)
	}
	defer o.Close()
	return readFile(r.t, o)
}

func readFile(t testing.TB, o *Object) (out file) {
	t.Helper()
	f, err := parquet.OpenFile(o, o.Size)
	if err != nil {
		t.Fatal(err)
	}
	if out.Label, err = readLabel(f); err != nil {
		t.Fatal(err)
	}
	out.size = o.Size
	for _, c := range f.Schema().Columns() {
		out.names = append(out.names, strings.Join(c, "."))
	}
	rows := parquet.NewGenericReader[any](f)
	defer rows.Close()
	batch := make([]parquet.Row, 100)
	for {
		n, err := rows.ReadRows(batch)
		for _, row := range batch[:n] {
			values := map[string]string{}
			for _, v := range row {
				if !v.IsNull() {
					values[out.names[v.Column()]] = v.String()
				}
			}
			out.values = append(out.values, values)
		}
		if err != nil {
			return out
		}
	}
}

// sum adds up a column.
func (f file) sum(column string) (sum int64) {
	for _, row := range f.values {
		n := int64(0)
		fmt.Sscan(row[column], &n)
		sum += n
	}
	return sum
}

// asked asks the simulated Adobe itself, and returns its rows and the sum of a metric.
func (r *rig) asked(request, metric string) (rows int, sum int64) {
	r.t.Helper()
	path, query, _ := strings.Cut(request, "?")
	q, err := cmu.Parse(path, query+"&limit=1000000")
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := r.adobe.Client.Report(r.t.Context(), r.adobe.Token.Value, q, "application/json")
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	if _, err := cmu.ReadReport(res.Body, func(row cmu.Row) error {
		n, err := wholeNumber(row.Get(metric))
		rows, sum = rows+1, sum+n
		return err
	}); err != nil {
		r.t.Fatal(err)
	}
	return rows, sum
}
