package archive

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/reports"
	"cmu-gateway/pkg/cmu"
)

// rowsOf returns an answer's rows of a month. Others may be among them, as Adobe may give the period that begins where a window ends.
func rowsOf(a *reports.Answer, month plan.Span) Rows {
	year, number, _, _, _ := month.From.Fields()
	return func(do func(cmu.Row) error) error {
		return a.Each(func(row cmu.Row) error {
			y, m := 0, 0
			for field, value := range row.Each {
				var err error
				switch string(field) {
				case "year":
					y, err = strconv.Atoi(string(value))
				case "month":
					m, err = strconv.Atoi(string(value))
				}
				if err != nil {
					return fmt.Errorf("a row has the %s %q", field, bounded(value))
				}
			}
			if y == 0 || m == 0 {
				return errors.New("a row has no year and month")
			}
			if y != year || m != number {
				return nil
			}
			return do(row)
		})
	}
}

// label is that of an answer with these rows.
func (r Report) label(a *reports.Answer, each Rows, partitioned bool) (Label, error) {
	s, err := surveyed(r.dimensions(), each)
	if err != nil {
		return Label{}, err
	}
	return Label{
		Request: a.Request.Canonical(), Columns: r.columns(s.fields, partitioned), Rows: s.rows, Digest: s.digest,
		Complete: !a.Incomplete, Fetched: a.Fetched, SettledUntil: a.SettledUntil, Licence: a.Licence,
		Simulated: a.Simulated, Report: r.Request.Report(), Links: cmu.Links{RollUp: a.RollUp, DrillDown: a.DrillDown},
	}, nil
}

// WriteReport writes an answer to any request as a Parquet file, with all its time dimensions and, where it has them, a date.
//
// Errors: that of w; a value that its column does not hold.
func WriteReport(w io.Writer, asked cmu.Request, a *reports.Answer) error {
	grain, _ := asked.Grain()
	r := Report{Request: asked, Grain: grain}
	l, err := r.label(a, a.Each, false)
	if err != nil {
		return err
	}
	return writeFile(w, l, grain, a.Each)
}
