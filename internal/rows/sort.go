package rows

import (
	"bytes"
	"slices"
	"unsafe"

	"cmu-gateway/pkg/cmu"
)

// Sorter takes rows in any order and gives one sorted fragment. Rows are held as they are until Spill makes a
// compressed sorted run of them.
type Sorter struct {
	order *Order
	rows  []sortRow
	text  []byte // keys and rows in turn
	runs  []Fragment
}

// sortRow tells where in a sorter's text a row's key begins, the row begins, and the row ends.
type sortRow struct{ key, row, end int }

// NewSorter returns a sorter by o.
func NewSorter(o *Order) *Sorter { return &Sorter{order: o} }

// RunSize is how many bytes of rows are worth a run: who spills less often makes runs that compress better, who spills later
// holds more.
const RunSize = 1 << 20

// Add takes a row whose key the order has read. Both are copied.
func (s *Sorter) Add(row cmu.Row, k *Key) {
	r := sortRow{key: len(s.text)}
	s.text = append(s.text, k.Sort...)
	r.row = len(s.text)
	s.text = append(s.text, row...)
	r.end = len(s.text)
	s.rows = append(s.rows, r)
}

// Size is the memory that rows not yet in a run take.
func (s *Sorter) Size() int { return len(s.text) + len(s.rows)*int(unsafe.Sizeof(sortRow{})) }

// run turns the rows at hand into a sorted run.
func (s *Sorter) run(level int) Fragment {
	slices.SortStableFunc(s.rows, func(a, b sortRow) int {
		return bytes.Compare(s.text[a.key:a.row], s.text[b.key:b.row])
	})
	w := newWriter(level)
	for _, r := range s.rows {
		w.Add(cmu.Row(s.text[r.row:r.end]))
	}
	s.rows, s.text = nil, nil
	return w.Fragment()
}

// Spill compresses the rows at hand, and returns the memory that they take then.
func (s *Sorter) Spill() int {
	if len(s.rows) == 0 {
		return 0
	}
	run := s.run(levelRun)
	s.runs = append(s.runs, run)
	return len(run.Deflate)
}

// Fragment ends the sorter.
func (s *Sorter) Fragment() (Fragment, error) {
	if len(s.runs) == 0 {
		return s.run(levelKept), nil
	}
	s.Spill()
	return s.order.MergeAll(s.runs)
}
