package sandbox

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"cmu-gateway/pkg/cmu"
)

// group is a set of cells that share values of the first few dimensions of a report, time aside. The next dimension divides
// its cells among its children or, where it is a level, its users by shares; then it has one child, which all shares share.
type group struct {
	value    string
	cells    []*cell
	shares   []share
	children []*group
	leaves   int // rows for one period

	from, at   int64 // of last and sums, in milliseconds since 1970
	last, sums []int64
}

// group divides the cells that the filters let through by the dimensions.
func (w *world) group(dimensions []string, filters []cmu.Filter) *group {
	by := slices.DeleteFunc(slices.Clone(dimensions), func(d string) bool { return cmu.TimeDimension(d) != cmu.NoGrain })
	top := &group{}
	for i := range w.cells {
		c := &w.cells[i]
		if !slices.ContainsFunc(cellDimensions, func(d string) bool { return !passes(filters, d, c.value(d)) }) {
			top.cells = append(top.cells, c)
		}
	}
	top.divide(by, filters)
	return top
}

func (c *cell) value(dimension string) string {
	return c.values[slices.Index(cellDimensions, dimension)]
}

func (g *group) divide(by []string, filters []cmu.Filter) {
	if len(by) == 0 {
		g.leaves = 1
		return
	}
	if shares, ok := levels[by[0]]; ok {
		below := &group{cells: g.cells}
		below.divide(by[1:], filters)
		g.shares = slices.DeleteFunc(slices.Clone(shares), func(s share) bool { return !passes(filters, by[0], s.value) })
		g.children, g.leaves = []*group{below}, len(g.shares)*below.leaves
		return
	}
	values := map[string]*group{}
	for _, c := range g.cells {
		v := c.value(by[0])
		if values[v] == nil {
			values[v] = &group{value: v}
			g.children = append(g.children, values[v])
		}
		values[v].cells = append(values[v].cells, c)
	}
	slices.SortFunc(g.children, func(a, b *group) int { return strings.Compare(a.value, b.value) })
	for _, c := range g.children {
		c.divide(by[1:], filters)
		g.leaves += c.leaves
	}
}

// passes reports whether a value of a dimension passes the filters: one of the equal ones if there are any, and none of the
// unequal ones.
func passes(filters []cmu.Filter, dimension, value string) bool {
	listed, wanted := false, false
	for _, f := range filters {
		if f.Dimension != dimension {
			continue
		}
		switch f.Operator {
		case cmu.NotEqual:
			if f.Value == value {
				return false
			}
		case cmu.Equal:
			wanted = true
			listed = listed || f.Value == value
		}
	}
	return listed || !wanted
}

// rows walks the rows of one selection in the order of their dimensions.
type rows struct {
	sel     *selection
	b       *Behaviour
	world   *world
	metrics []int // what to compute per row: index of an additive metric, or one of the two below
	yield   func(labels []string, values []int64) bool

	labels []string
	values []int64
	period cmu.Civil // the finest period of the row being made
	part   float64   // of the users, by the levels of the row being made
	marks  [2]mark
	cutoff int64
}

const (
	distinctUsers = -1 // active-users: of all sessions
	levelUsers    = -2 // users: of all sessions, divided by levels
)

// mark is the loads at an instant; the two last ones are kept, as rows share their edges.
type mark struct {
	ms    int64
	loads [][rhythms]float64 // by tenant
}

// walk calls yield with every row, up to the limit, until it returns false. The slices are reused.
func (w *world) walk(sel *selection, b *Behaviour, yield func(labels []string, values []int64) bool) {
	if sel.top == nil || sel.to <= sel.from {
		return
	}
	r := &rows{sel: sel, b: b, world: w, labels: make([]string, len(sel.dimensions)), part: 1, cutoff: sel.cutoff.UnixMilli()}
	for _, m := range sel.metrics {
		switch i := slices.Index(additive, m); {
		case m == "active-users":
			r.metrics = append(r.metrics, distinctUsers)
		case m == "users":
			r.metrics = append(r.metrics, levelUsers)
		default:
			r.metrics = append(r.metrics, i)
		}
	}
	r.values = make([]int64, len(r.metrics))
	left := sel.limit
	r.yield = func(labels []string, values []int64) bool {
		left--
		return yield(labels, values) && left > 0
	}
	r.descend(0, sel.top, sel.from, sel.to)
}

// descend makes the rows of a group in a window, dimension by dimension. It is false when enough rows are made.
func (r *rows) descend(depth int, g *group, from, to cmu.Civil) bool {
	if depth == len(r.sel.dimensions) {
		return r.row(g, from, to)
	}
	if grain := cmu.TimeDimension(r.sel.dimensions[depth]); grain != cmu.NoGrain {
		return r.periods(depth, g, grain, from, to)
	}
	if g.shares != nil {
		return r.levels(depth, g, from, to)
	}
	for _, c := range g.children {
		r.labels[depth] = c.value
		if !r.descend(depth+1, c, from, to) {
			return false
		}
	}
	return true
}

func (r *rows) periods(depth int, g *group, grain cmu.Grain, from, to cmu.Civil) bool {
	for p := grain.Floor(from); p < to && instant(p, r.b.location).UnixMilli() < r.cutoff; {
		next := grain.Step(p, 1)
		r.labels[depth], r.period = r.label(grain, p), p
		if !r.descend(depth+1, g, max(p, from), min(next, to)) {
			return false
		}
		p = next
	}
	return true
}

func (r *rows) levels(depth int, g *group, from, to cmu.Civil) bool {
	whole := r.part
	for _, s := range g.shares {
		r.labels[depth], r.part = s.value, whole*s.part
		if !r.descend(depth+1, g.children[0], from, to) {
			return false
		}
	}
	r.part = whole
	return true
}

// label returns the value of a time dimension.
func (r *rows) label(grain cmu.Grain, p cmu.Civil) string {
	y, month, day, hour, minute := p.Fields()
	switch grain {
	case cmu.Year:
		return strconv.Itoa(y)
	case cmu.Month:
		if r.b.MonthsFromZero {
			month--
		}
		return strconv.Itoa(month)
	case cmu.Day:
		if r.b.DaysFromZero {
			day--
		}
		return strconv.Itoa(day)
	case cmu.Hour:
		return strconv.Itoa(hour)
	}
	return strconv.Itoa(minute)
}

// row makes the row of a group in one period, of the part that the window and the last recomputation leave. There is none
// where no session was active.
func (r *rows) row(g *group, from, to cmu.Civil) bool {
	a := instant(from, r.b.location).UnixMilli()
	z := min(instant(to, r.b.location).UnixMilli(), r.cutoff)
	if z <= a {
		return true
	}
	r.advance(g, a, z)
	active := g.sums[0] - g.last[0]
	restated := r.restated(g, a, z)
	if restated != nil {
		active += restated[0]
	}
	if active == 0 {
		return true
	}
	for i, m := range r.metrics {
		switch m {
		case distinctUsers:
			r.values[i] = r.world.distinct(active, uint64(r.period))
		case levelUsers:
			r.values[i] = int64(float64(r.world.distinct(active, uint64(r.period))) * r.part)
			if r.values[i] == 0 {
				return true
			}
		default:
			r.values[i] = g.sums[i+1] - g.last[i+1]
			if restated != nil {
				r.values[i] += restated[i+1]
			}
		}
	}
	return r.yield(r.labels, r.values)
}

// advance computes the group's sums at both ends of a period. What is there from the period before is kept.
func (r *rows) advance(g *group, from, to int64) {
	if g.sums != nil && g.from == from && g.at == to {
		return
	}
	if g.sums == nil || g.at != from {
		g.sums = r.sum(g.sums, g, from)
	}
	g.sums, g.last = r.sum(g.last, g, to), g.sums
	g.from, g.at = from, to
}

// sum writes to out what happened in the group before an instant: the active sessions, then the metrics by their order.
func (r *rows) sum(out []int64, g *group, ms int64) []int64 {
	if out == nil {
		out = make([]int64, len(r.metrics)+1)
	}
	clear(out)
	loads := r.loads(ms)
	for _, c := range g.cells {
		c.add(out, r.metrics, int64(c.sessions(&loads[c.tenant])+c.phases[0]), 1)
	}
	return out
}

// add counts active sessions of the cell, and what they entail. Phases keep cells from counting up in step.
func (c *cell) add(out []int64, metrics []int, active int64, phase float64) {
	out[0] += active
	for i, m := range metrics {
		switch {
		case m == 0:
			out[i+1] += active
		case m > 0:
			out[i+1] += int64(float64(float64(active)*c.ratios[m]) + phase*c.phases[m])
		}
	}
}

// loads returns the tenants' loads at an instant.
func (r *rows) loads(ms int64) [][rhythms]float64 {
	for i := range r.marks {
		if r.marks[i].ms == ms && r.marks[i].loads != nil {
			return r.marks[i].loads
		}
	}
	r.marks[0], r.marks[1] = r.marks[1], r.marks[0]
	m := &r.marks[0]
	m.ms = ms
	m.loads = slices.Grow(m.loads[:0], len(r.world.loads))[:0]
	for _, l := range r.world.loads {
		m.loads = append(m.loads, l.at(ms))
	}
	return m.loads
}

// restated returns what the versions of restated days add to a period: more sessions, as of late events. Only rows of those
// days change. It is nil where nothing was restated.
func (r *rows) restated(g *group, a, z int64) []int64 {
	var sum []int64
	for _, s := range r.b.Restatements {
		low, high := max(a, s.from.UnixMilli()), min(z, s.to.UnixMilli())
		if low >= high || s.Version == 0 {
			continue
		}
		if sum == nil {
			sum = make([]int64, len(r.metrics)+1)
		}
		begin, before, after := r.world.at(s.from), r.world.at(time.UnixMilli(low)), r.world.at(time.UnixMilli(high))
		lower, upper := make([]int64, len(sum)), make([]int64, len(sum))
		for _, c := range g.cells {
			base, more := c.sessions(&begin[c.tenant]), .05*float64(s.Version)
			c.add(lower, r.metrics, int64(more*(c.sessions(&before[c.tenant])-base)+c.phases[1]), 0)
			c.add(upper, r.metrics, int64(more*(c.sessions(&after[c.tenant])-base)+c.phases[1]), 0)
		}
		for i := range sum {
			sum[i] += upper[i] - lower[i]
		}
	}
	return sum
}

// at returns the tenants' loads at an instant.
func (w *world) at(t time.Time) [][rhythms]float64 {
	loads := make([][rhythms]float64, len(w.loads))
	for i, l := range w.loads {
		loads[i] = l.at(t.UnixMilli())
	}
	return loads
}
