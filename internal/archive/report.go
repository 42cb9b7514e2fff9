package archive

import (
	"errors"
	"fmt"
	"hash/crc32"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cmu-gateway/internal/plan"
	"cmu-gateway/pkg/cmu"
)

// layout is the first part of every key. What a later release lays out otherwise has another.
const layout = "v1/"

// rowsFile is the file of a month.
const rowsFile = "rows.parquet"

// Report is a report that is archived.
type Report struct {
	Request cmu.Request // without window, limit and format
	Grain   cmu.Grain   // Month or finer
	// Name stands in the keys. Different reports have different ones.
	Name string
}

// plainDimension is a name that stands for itself in keys, and holds no underscore: that stands between dimensions.
var plainDimension = regexp.MustCompile(`^[a-z0-9-]+$`)

// ParseReport reads a report as it is archived: a path with filters and metrics, and without a window, such as
// tenant/year/month/day/mvpd.
//
// Errors: *cmu.RequestError; a report that cannot be divided into months.
func ParseReport(text string) (Report, error) {
	path, query, _ := strings.Cut(text, "?")
	r, err := cmu.Parse(path, query)
	if err != nil {
		return Report{}, err
	}
	return NewReport(r)
}

// NewReport is ParseReport of a request.
func NewReport(r cmu.Request) (Report, error) {
	grain, _ := r.Grain()
	switch {
	case !r.Start.IsZero() || !r.End.IsZero() || r.Limit > 0:
		return Report{}, errors.New("all of a report is archived: leave out start, end and limit")
	case grain < cmu.Month:
		return Report{}, errors.New("a report is archived by the month: its path must have year and month, such as tenant/year/month/day")
	}
	r.Format = ""
	return Report{Request: r, Grain: grain, Name: reportName(r)}, nil
}

// reportName is the path with underscores, and where that does not say all, a number that does.
func reportName(r cmu.Request) string {
	name, whole := "", len(r.Filters) == 0 && len(r.Metrics) == 0
	for i, d := range r.Path {
		if i > 0 {
			name += "_"
		}
		if plainDimension.MatchString(d) {
			name += d
		} else {
			name, whole = name+"x", false
		}
	}
	if !whole {
		name += fmt.Sprintf("_%08x", crc32.ChecksumIEEE([]byte(r.Report())))
	}
	return name
}

// prefix begins the keys of all that is kept of the report.
func (r Report) prefix() string { return layout + "report=" + r.Name + "/" }

// key is that of a month's rows.
func (r Report) key(month cmu.Civil) string {
	y, m, _, _, _ := month.Fields()
	return fmt.Sprintf("%syear=%d/month=%d/%s", r.prefix(), y, m, rowsFile)
}

// month reads the month off a key; not ok: it is none of a month's rows.
func (r Report) month(key string) (month cmu.Civil, ok bool) {
	parts := strings.Split(strings.TrimPrefix(key, r.prefix()), "/")
	if len(parts) != 3 {
		return 0, false
	}
	year, okYear := strings.CutPrefix(parts[0], "year=")
	number, okMonth := strings.CutPrefix(parts[1], "month=")
	y, errYear := strconv.Atoi(year)
	m, errMonth := strconv.Atoi(number)
	if !okYear || !okMonth || errYear != nil || errMonth != nil || m < 1 || m > 12 {
		return 0, false
	}
	month = cmu.CivilDate(y, m, 1, 0, 0)
	return month, key == r.key(month)
}

// window is the request for some months.
func (r Report) window(s plan.Span) cmu.Request {
	out := r.Request
	out.Start, out.End = cmu.BoundAt(s.From), cmu.BoundAt(s.To)
	return out
}

// inMonth is the month that begins at from.
func inMonth(from cmu.Civil) plan.Span { return plan.Span{From: from, To: cmu.Month.Step(from, 1)} }

// dimensions are the report's columns that are no metrics: those of the path, then those that filters put into the rows.
func (r Report) dimensions() (names []string) {
	names = slices.Clone(r.Request.Path)
	for _, f := range r.Request.Filters {
		if !slices.Contains(names, f.Dimension) {
			names = append(names, f.Dimension)
		}
	}
	return names
}
