package rows

import (
	"encoding/binary"
	"slices"

	"cmu-gateway/pkg/cmu"
)

// Order is the order of a report's rows: by the path's dimensions in path order, time dimensions as numbers, then by what
// filters project. It also reads the calendar period of a row.
type Order struct {
	slots map[string]int
	times []cmu.Grain // by slot
	grain cmu.Grain   // NoGrain: periods are not read
	// spread tells that a dimension which is no time dimension precedes the grain's.
	spread bool
	lead   []int // slots before the unit that are no time dimensions
}

// NewOrder returns the order of the rows of r, whose grain is given. unit is the calendar unit whose rows are kept together, a
// coarser one or the same; without a grain it does not count.
func NewOrder(r cmu.Request, grain, unit cmu.Grain) *Order {
	o := &Order{slots: map[string]int{}, grain: grain}
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
	if grain != cmu.NoGrain {
		for i, t := range o.times[:slices.Index(o.times, unit)] {
			if t == cmu.NoGrain {
				o.lead = append(o.lead, i)
			}
		}
		o.spread = slices.Contains(o.times[:slices.Index(o.times, grain)], cmu.NoGrain)
	}
	return o
}

// Spread reports whether rows of one period may stand apart, as another dimension comes before the grain's.
func (o *Order) Spread() bool { return o.spread }

// Key is where a row stands in the order, and in the calendar.
type Key struct {
	Sort   []byte    // compares as the rows do
	Lead   []byte    // the values before the unit that are no time dimensions
	Period cmu.Civil // zero for a report without a grain
}

// Read reads the key of a row, reusing k's memory. Only a report with a grain has periods, and can fail: then the row has its
// place in the order all the same.
func (o *Order) Read(row cmu.Row, k *Key) error {
	var fixed [16][]byte
	values := append(fixed[:0], make([][]byte, len(o.times))...)
	row.Each(func(name, value []byte) bool {
		if i, ok := o.slots[string(name)]; ok {
			values[i] = value
		}
		return true
	})
	k.Sort, k.Lead = k.Sort[:0], k.Lead[:0]
	for i, v := range values {
		if o.times[i] != cmu.NoGrain {
			k.Sort = binary.BigEndian.AppendUint32(k.Sort, smallNumber(v))
		} else {
			k.Sort = append(append(k.Sort, v...), 0)
		}
	}
	if o.grain == cmu.NoGrain {
		return nil
	}
	for _, i := range o.lead {
		k.Lead = append(append(k.Lead, values[i]...), 0)
	}
	var err error
	k.Period, err = o.grain.Period(func(d string) string { return string(values[o.slots[d]]) })
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
