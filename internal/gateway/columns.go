package gateway

import (
	"context"

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

// columns reads all rows, as any of them may hold a field that the first has not.
func (d *document) columns(ctx context.Context) (*columns, error) {
	var fields []string // in order of appearance
	seen := map[string]bool{}
	err := d.rows(ctx, func(row cmu.Row) error {
		i := 0
		row.Each(func(name, _ []byte) bool {
			// Rows are alike: the field at the same place has the same name, or it is looked up.
			if i >= len(fields) || fields[i] != string(name) {
				if !seen[string(name)] {
					seen[string(name)] = true
					fields = append(fields, string(name))
				}
			}
			i++
			return true
		})
		return nil
	})
	if err != nil {
		return nil, err
	}
	c := &columns{at: map[string]int{}}
	add := func(name string) {
		if _, again := c.at[name]; !again {
			c.at[name] = len(c.names)
			c.names = append(c.names, name)
		}
	}
	dimension := func(name string) {
		if d.Rows == 0 || seen[name] {
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
		if seen[f.Dimension] {
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
