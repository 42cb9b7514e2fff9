package sandbox

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"cmu-gateway/pkg/cmu"
)

// selection is a report request made complete: every default filled in and every quirk applied.
type selection struct {
	node       *node
	dimensions []string // of the rows: the path's, then the ones that filters project
	metrics    []string
	filters    []cmu.Filter // the implicit one included
	start, end string       // as the self link has them
	from, to   cmu.Civil    // what the rows cover, end exclusive
	limit      int          // of the rows
	stated     int          // limit as the self link has it
	cutoff     time.Time    // data ends here: the last recomputation
	top        *group       // the groups of rows
	given      []string     // filter values that the caller gave, for the file name
}

// refusal is an error answer of the report server.
type refusal struct {
	status int
	reason string
}

const (
	billingAlias  = "billing/daily"
	retainedMonth = 25
)

// selectReport judges a request of a tenant's and completes it.
func (s *Sandbox) selectReport(r cmu.Request, tenant string, b *Behaviour, now time.Time) (*selection, *refusal) {
	if strings.Join(r.Path, "/") == billingAlias {
		r.Path = []string{"year", "month", "day", "tenant"}
	}
	n := s.tree.find(r.Path)
	if n == nil {
		return nil, &refusal{http.StatusNotFound, "The requested report does not exist: /" + strings.Join(r.Path, "/")}
	}
	sel := &selection{node: n, dimensions: slices.Clone(n.path)}
	if bad := sel.filter(r.Filters, tenant); bad != nil {
		return nil, bad
	}
	if bad := sel.choose(r.Metrics); bad != nil {
		return nil, bad
	}
	if bad := sel.bound(r.Limit, b); bad != nil {
		return nil, bad
	}
	sel.window(r, b, now)
	if len(sel.metrics) > 0 {
		sel.top = s.world.group(sel.dimensions, sel.filters)
	}
	if sel.cells() > cmp.Or(b.MaxCells, 5_000_000) {
		return nil, &refusal{http.StatusBadRequest, "The requested selection is too wide to be processed"}
	}
	return sel, nil
}

// filter takes the caller's filters, projects their dimensions, and adds the implicit filter on the own tenant.
func (sel *selection) filter(filters []cmu.Filter, own string) *refusal {
	implicit := true
	for _, f := range filters {
		if cmu.TimeDimension(f.Dimension) != cmu.NoGrain || !sel.node.within[f.Dimension] {
			return &refusal{http.StatusBadRequest,
				fmt.Sprintf("Cannot filter on a dimension that is not available in the hierarchy: [%s]", f.Dimension)}
		}
		if !slices.Contains(sel.dimensions, f.Dimension) {
			sel.dimensions = append(sel.dimensions, f.Dimension)
		}
		if f.Operator != cmu.Project {
			sel.given = append(sel.given, f.Value)
			implicit = implicit && f.Dimension != "tenant"
		}
	}
	sel.filters = slices.Clone(filters)
	if implicit {
		sel.filters = append(sel.filters, cmu.Filter{Dimension: "tenant", Operator: cmu.Equal, Value: own})
	}
	return nil
}

// choose settles the metrics: the ones asked for, or all that the node has. A level that is projected leaves only users.
func (sel *selection) choose(asked []string) *refusal {
	set := sel.node.set
	for _, d := range sel.dimensions[len(sel.node.path):] {
		if levels[d] != nil || set == "" && d == "tenant" {
			set = "users"
		}
	}
	available := metricSets[set]
	for _, m := range asked {
		if !slices.Contains(available, m) {
			return &refusal{http.StatusBadRequest, "The requested metrics are not available for the selected dimensions"}
		}
	}
	sel.metrics = available
	if len(asked) > 0 {
		sel.metrics = asked
	}
	return nil
}

// bound settles the row limit.
func (sel *selection) bound(asked int, b *Behaviour) *refusal {
	sel.limit = cmp.Or(asked, b.DefaultLimit, 1000)
	sel.stated = sel.limit
	most := cmp.Or(b.MaxLimit, 1_000_000)
	if b.LimitMode == "" || sel.limit <= most {
		return nil
	}
	switch sel.limit = most; b.LimitMode {
	case "refuse":
		return &refusal{http.StatusBadRequest, fmt.Sprintf("The requested limit exceeds the maximum of %d", most)}
	case "clamp":
		sel.stated = most
	}
	return nil
}

// window settles what the rows cover.
func (sel *selection) window(r cmu.Request, b *Behaviour, now time.Time) {
	grain := sel.node.grain()
	if grain == cmu.NoGrain {
		r.Start, r.End = cmu.Bound{}, cmu.Bound{} // ignored, as documented
	}
	today := cmu.CivilAt(now.Truncate(time.Second), b.location)
	sel.to, sel.end = today, today.String()
	if !r.End.IsZero() {
		sel.to, sel.end = windowBound(r.End, b.location), r.End.String()
	}
	sel.from = defaultStart(grain, sel.to)
	sel.start = sel.from.String()
	if !r.Start.IsZero() {
		sel.from, sel.start = windowBound(r.Start, b.location), r.Start.String()
	}
	shift := time.Duration(b.WindowShiftHours * float64(time.Hour))
	sel.from, sel.to = sel.from.Add(shift), sel.to.Add(shift)
	switch {
	case grain.Floor(sel.to) != sel.to || grain == cmu.NoGrain:
	case b.EndInclusive == "whole":
		sel.to = grain.Step(sel.to, 1)
	case b.EndInclusive == "partial":
		sel.to = sel.to.Add(time.Minute)
	}
	sel.cutoff = now
	if !b.InstantRecompute {
		sel.cutoff = now.Truncate(sel.recompute(grain))
	}
	sel.from = max(sel.from, retainedFrom(grain, cmu.CivilAt(now, b.location)))
	sel.to = min(sel.to, cmu.CivilAt(sel.cutoff, b.location).Add(25*time.Hour)) // past any change of the clock
}

// recompute returns how often reports of the selection are computed anew.
func (sel *selection) recompute(grain cmu.Grain) time.Duration {
	if slices.Contains(sel.dimensions, "activity-level") || slices.Contains(sel.dimensions, "concurrency-level") {
		return 24 * time.Hour
	}
	return grain.Recompute()
}

// defaultStart returns where a report starts that names no start.
func defaultStart(grain cmu.Grain, end cmu.Civil) cmu.Civil {
	switch grain {
	case cmu.Year, cmu.Day, cmu.Hour, cmu.Minute:
		// One period of the next coarser dimension; a year stands for itself.
		return max(grain-1, cmu.Year).Floor(end)
	}
	y, m, d, _, _ := end.Fields()
	_, _, last, _, _ := (cmu.CivilDate(y, m, 1, 0, 0) - 1).Fields()
	return cmu.CivilDate(y, m-1, min(d, last), 0, 0)
}

// retainedFrom returns where the data begins: whole months are kept, and whole years where the rows are years, so that a
// row never shrinks.
func retainedFrom(grain cmu.Grain, now cmu.Civil) cmu.Civil {
	from := cmu.Month.Step(now, -retainedMonth)
	if grain == cmu.Year {
		return cmu.Year.Floor(from)
	}
	return from
}

// cells estimates how many rows the selection has.
func (sel *selection) cells() int64 {
	if sel.top == nil || sel.to <= sel.from {
		return 0
	}
	length := map[cmu.Grain]int64{
		cmu.NoGrain: 1 << 62, cmu.Year: 365 * dayMS, cmu.Month: 30 * dayMS, cmu.Day: dayMS, cmu.Hour: hourMS, cmu.Minute: minuteMS,
	}[sel.node.grain()]
	return (int64(sel.to-sel.from)/length + 1) * int64(sel.top.leaves)
}

// query returns the full explicit query of the self link.
func (sel *selection) query() string {
	var q []string
	for _, f := range sel.filters {
		switch name := url.QueryEscape(f.Dimension); f.Operator {
		case cmu.Equal:
			q = append(q, name+"="+url.QueryEscape(f.Value))
		case cmu.NotEqual:
			q = append(q, name+"!="+url.QueryEscape(f.Value))
		default:
			q = append(q, name)
		}
	}
	q = append(q, "start="+boundText(sel.start), "end="+boundText(sel.end), "limit="+strconv.Itoa(sel.stated))
	for _, m := range sel.metrics {
		q = append(q, "metrics="+m)
	}
	return strings.Join(q, "&")
}

// boundText escapes the plus sign of a zone, the only character of a bound that a query reads as another.
func boundText(bound string) string { return strings.ReplaceAll(bound, "+", "%2B") }

// fileName returns the name that a CSV report is saved under.
func (sel *selection) fileName() string {
	day := func(bound string) string {
		if ms, err := strconv.ParseInt(bound, 10, 64); err == nil && len(bound) > 8 {
			return time.UnixMilli(ms).UTC().Format("2006-01-02")
		}
		return bound[:min(10, len(bound))]
	}
	values := append(slices.Clone(sel.given), strconv.Itoa(sel.stated))
	return fmt.Sprintf("report__%s_%s_%s.csv", day(sel.start), day(sel.end), strings.Join(values, ","))
}
