package reports

import (
	"bytes"
	"container/heap"
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"cmu-gateway/pkg/cmu"
)

// order is the order of a report's rows: by the path's dimensions in path order, time dimensions as numbers, then by what
// filters project. It also reads the calendar period of a row.
type order struct {
	slots map[string]int
	times []cmu.Grain // by slot
	grain cmu.Grain   // NoGrain: periods are not read
	// others tells that a dimension which is no time dimension precedes the grain's.
	others bool
	lead   []int // slots before the time dimensions of a block's name that are no time dimensions
}

func newOrder(r cmu.Request) *order {
	o := &order{slots: map[string]int{}}
	add := func(d string) {
		if _, again := o.slots[d]; !again {
			o.slots[d] = len(o.times)
			o.times = append(o.times, cmu.TimeDimension(d))
		}
	}
	for _, d := range r.Path {
		add(d)
	}
	for _, f := range r.Filters {
		add(f.Dimension)
	}
	if g, ok := r.Grain(); ok {
		o.grain = g
		unit := slices.Index(o.times, blockUnit(g))
		for i, t := range o.times[:unit] {
			if t == cmu.NoGrain {
				o.lead = append(o.lead, i)
			}
		}
		o.others = slices.Contains(o.times[:slices.Index(o.times, g)], cmu.NoGrain)
	}
	return o
}

// key is where a row stands in the order, and in the calendar.
type key struct {
	sort   []byte
	lead   []byte
	period cmu.Civil
}

// of reads the key of a row, reusing k's memory. Only a path with a grain has periods, and can fail.
func (o *order) of(row cmu.Row, k *key) error {
	var fixed [16][]byte
	values := append(fixed[:0], make([][]byte, len(o.times))...)
	row.Each(func(name, value []byte) bool {
		if i, ok := o.slots[string(name)]; ok {
			values[i] = value
		}
		return true
	})
	k.sort, k.lead = k.sort[:0], k.lead[:0]
	for i, v := range values {
		if o.times[i] != cmu.NoGrain {
			k.sort = binary.BigEndian.AppendUint32(k.sort, smallNumber(v))
		} else {
			k.sort = append(append(k.sort, v...), 0)
		}
	}
	if o.grain == cmu.NoGrain {
		return nil
	}
	for _, i := range o.lead {
		k.lead = append(append(k.lead, values[i]...), 0)
	}
	var err error
	k.period, err = o.grain.Period(func(d string) string { return string(values[o.slots[d]]) })
	return err
}

// smallNumber reads a time dimension; what is no number sorts last.
func smallNumber(v []byte) uint32 {
	n := uint32(0)
	for _, c := range v {
		if c < '0' || c > '9' || n > 1e8 {
			return 1 << 31
		}
		n = n*10 + uint32(c-'0')
	}
	return n
}

// cursor stands at one row of a sorted reader.
type cursor struct {
	r   *rowReader
	row cmu.Row
	key key
	n   int // which reader: equal rows keep the order of the readers
}

// cursors is a heap of cursors by their rows.
type cursors []*cursor

func (c cursors) Len() int      { return len(c) }
func (c cursors) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c cursors) Push(x any)    { panic("never grows") }
func (c cursors) Less(i, j int) bool {
	if d := bytes.Compare(c[i].key.sort, c[j].key.sort); d != 0 {
		return d < 0
	}
	return c[i].n < c[j].n
}
func (c *cursors) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// merge calls do with the rows of sorted fragments in order, and which fragment each is from, in memory that does not
// grow with them.
func (o *order) merge(fragments []Fragment, do func(row cmu.Row, k *key, from int) error) error {
	var heads cursors
	defer func() {
		for _, c := range heads {
			c.r.close()
		}
	}()
	advance := func(c *cursor) (more bool, err error) {
		if c.row, err = c.r.next(); err == io.EOF {
			c.r.close()
			return false, nil
		}
		if err == nil {
			// A row without a period has its place all the same: only those who cut by periods must not have it.
			_ = o.of(c.row, &c.key)
		}
		return err == nil, err
	}
	for i, f := range fragments {
		c := &cursor{r: f.reader(), n: i}
		more, err := advance(c)
		if err != nil {
			return err
		}
		if more {
			heads = append(heads, c)
		}
	}
	heap.Init(&heads)
	for len(heads) > 0 {
		c := heads[0]
		if err := do(c.row, &c.key, c.n); err != nil {
			return err
		}
		more, err := advance(c)
		if err != nil {
			return fmt.Errorf("merging rows: %w", err)
		}
		if more {
			heap.Fix(&heads, 0)
		} else {
			heap.Pop(&heads)
		}
	}
	return nil
}

// sorter takes rows in any order and gives one sorted fragment. It keeps about runSize bytes of rows as they are and the
// rest as compressed sorted runs.
type sorter struct {
	order *order
	rows  []sortRow
	text  []byte // keys and rows in turn
	runs  []Fragment
}

// sortRow tells where in a sorter's text a row's key begins, the row begins, and the row ends.
type sortRow struct{ key, row, end int }

// runSize is how many bytes of rows are sorted at once.
const runSize = 1 << 20

func (s *sorter) add(row cmu.Row, k *key) {
	r := sortRow{key: len(s.text)}
	s.text = append(s.text, k.sort...)
	r.row = len(s.text)
	s.text = append(s.text, row...)
	r.end = len(s.text)
	s.rows = append(s.rows, r)
}

// size is the memory that rows not yet in a run take.
func (s *sorter) size() int { return len(s.text) }

// run turns the rows at hand into a sorted run.
func (s *sorter) run(level int) Fragment {
	slices.SortStableFunc(s.rows, func(a, b sortRow) int {
		return bytes.Compare(s.text[a.key:a.row], s.text[b.key:b.row])
	})
	w := newFragmentWriter(level)
	for _, r := range s.rows {
		w.add(cmu.Row(s.text[r.row:r.end]))
	}
	s.rows, s.text = nil, nil
	return w.fragment()
}

// spill compresses the rows at hand.
func (s *sorter) spill() {
	if len(s.rows) > 0 {
		s.runs = append(s.runs, s.run(levelRun))
	}
}

// fragment ends the sorter.
func (s *sorter) fragment() (Fragment, error) {
	if len(s.runs) == 0 {
		return s.run(levelKept), nil
	}
	s.spill()
	return s.order.mergeAll(s.runs)
}

// mergeAll makes one sorted fragment of several.
func (o *order) mergeAll(fragments []Fragment) (Fragment, error) {
	w := newFragmentWriter(levelKept)
	err := o.merge(fragments, func(row cmu.Row, _ *key, _ int) error {
		w.add(row)
		return nil
	})
	return w.fragment(), err
}
