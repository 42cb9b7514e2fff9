package rows

import (
	"bytes"
	"strings"
	"testing"

	"cmu-gateway/pkg/cmu"
)

// FuzzFragment keeps the rows of any report: they come back as they were, sorted or not, and their columns with them.
func FuzzFragment(f *testing.F) {
	f.Add(`{"year":"2026","month":"7","a":"b,\"{}\\"},{"year":"2025","month":"x"},{}`)
	f.Fuzz(func(t *testing.T, rows string) {
		order := NewOrder(cmu.Request{Path: []string{"year", "month"}}, cmu.Month, cmu.Year)
		var want [][]byte
		var k Key
		plain, sorted, fields := NewWriter(), NewSorter(order), Fields{}
		if _, err := cmu.ReadReport(strings.NewReader(`{"report":[`+rows+`]}`), func(r cmu.Row) error {
			want = append(want, bytes.Clone(r))
			plain.Add(r)
			fields.See(r)
			_ = order.Read(r, &k)
			if sorted.Add(r, &k); len(want)%3 == 0 {
				sorted.Spill()
			}
			return nil
		}); err != nil {
			return
		}
		kept := plain.Fragment()
		i := 0
		if err := kept.Each(func(r cmu.Row) error {
			if !bytes.Equal(r, want[i]) {
				t.Errorf("row %d is %q, want %q", i, r, want[i])
			}
			i++
			return nil
		}); err != nil || i != len(want) || kept.Columns != fields.Columns() {
			t.Errorf("%d rows, want %d; columns %q, want %q; %v", i, len(want), kept.Columns.Names(), fields.Names(), err)
		}
		all, err := sorted.Fragment()
		if err != nil || all.Rows != len(want) || all.Len != kept.Len || all.Values != kept.Values {
			t.Errorf("sorted: %d rows in %d bytes, want %d in %d; %v", all.Rows, all.Len, len(want), kept.Len, err)
		}
		var last []byte
		if err := all.Each(func(r cmu.Row) error {
			_ = order.Read(r, &k)
			if bytes.Compare(k.Sort, last) < 0 {
				t.Errorf("%q is out of order", r)
			}
			last = append(last[:0], k.Sort...)
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
}
