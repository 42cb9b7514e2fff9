package gateway

import (
	"context"
	"slices"

	"cmu-gateway/internal/rows"
	"cmu-gateway/pkg/cmu"
)

// columns are the fields of a table of rows, in order: the path's dimensions in path order, then those that filters project, then
// all else as it comes.
type columns struct {
	names      []string
	dimensions int // how many of the names are dimensions
	at         map[string]int
	order      []int // of the latest row's fields, by where they stand in it
	expect     []string
}

// columns are those that are kept with the rows. Of rows that an earlier release kept they are read, as any of those may hold a field
// that the first has not.
func (d *document) columns(ctx context.Context) (*columns, error) {
	fields := d.Columns
	if d.dates {
		fields = DatedPath(fields)
	}
	if fields == nil && d.Rows > 0 {
		var read rows.Fields
		if err := d.rows(ctx, func(row cmu.Row) error {
			read.See(row)
			return nil
		}); err != nil {
			return nil, err
		}
		fields = read.Names()
	}
	c := &columns{at: map[string]int{}}
	add := func(name string) {
		if _, again := c.at[name]; !again {
			c.at[name] = len(c.names)
			c.names = append(c.names, name)
		}
	}
	dimension := func(name string) {
		if d.Rows == 0 || slices.Contains(fields, name) {
			add(name)
		}
	}
	path := d.Request.Path
	if d.dates {
		path = DatedPath(path)
	}
	for _, name := range path {
		dimension(name)
	}
	for _, f := range d.Request.Filters {
		if slices.Contains(fields, f.Dimension) {
			add(f.Dimension)
		}
	}
	c.dimensions = len(c.names)
	if d.Rows == 0 {
		fields = d.Request.Metrics
	}
	for _, name := range fields {
		add(name)
	}
	return c, nil
}

// values gives the row's value for every column, nil where it has none; dst is reused.
func (c *columns) values(row cmu.Row, dst [][]byte) [][]byte {
	dst = append(dst[:0], make([][]byte, len(c.names))...)
	i := 0
	row.Each(func(name, value []byte) bool {
		if i >= len(c.expect) || c.expect[i] != string(name) {
			c.expect = append(c.expect[:i], string(name))
			c.order = append(c.order[:i], c.at[string(name)])
		}
		dst[c.order[i]] = value
		i++
		return true
	})
	return dst
}

// numeric reports whether a column holds metrics.
func (c *columns) numeric(i int) bool { return i >= c.dimensions }
