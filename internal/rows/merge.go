package rows

import (
	"bytes"
	"container/heap"
	"fmt"
	"io"

	"cmu-gateway/pkg/cmu"
)

// cursor stands at one row of a sorted reader.
type cursor struct {
	r   *reader
	row cmu.Row
	key Key
	n   int // which reader: equal rows keep the order of the readers
}

// cursors is a heap of cursors by their rows.
type cursors []*cursor

func (c cursors) Len() int      { return len(c) }
func (c cursors) Swap(i, j int) { c[i], c[j] = c[j], c[i] }
func (c cursors) Push(x any)    { panic("never grows") }
func (c cursors) Less(i, j int) bool {
	if d := bytes.Compare(c[i].key.Sort, c[j].key.Sort); d != 0 {
		return d < 0
	}
	return c[i].n < c[j].n
}
func (c *cursors) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

// Merge calls do with the rows of sorted fragments in order, and which fragment each is from, in memory that does not
// grow with them.
func (o *Order) Merge(fragments []Fragment, do func(row cmu.Row, k *Key, from int) error) error {
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
			// A row without a period has its place all the same.
			_ = o.Read(c.row, &c.key)
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

// MergeAll makes one sorted fragment of several.
func (o *Order) MergeAll(fragments []Fragment) (Fragment, error) {
	w := NewWriter()
	err := o.Merge(fragments, func(row cmu.Row, _ *Key, _ int) error {
		w.Add(row)
		return nil
	})
	return w.Fragment(), err
}
