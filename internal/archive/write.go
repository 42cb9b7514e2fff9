package archive

import (
	"fmt"
	"io"
	"strconv"

	"cmu-gateway/internal/version"
	"cmu-gateway/pkg/cmu"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

const (
	// groupRows bounds a row group, which is held in memory until it is whole.
	groupRows = 1 << 15
	// rowsAtOnce is how many rows go to the writer at once.
	rowsAtOnce = 256
)

// orderedGroup is the root of a schema whose columns stand in the order given: a parquet.Group sorts them.
type orderedGroup struct {
	parquet.Group
	fields []parquet.Field
}

func (g orderedGroup) Fields() []parquet.Field { return g.fields }

// node is what a column is stored as.
func (c Column) node() parquet.Node {
	switch c.Type {
	case typeDate:
		return parquet.Date()
	case typeTimestamp:
		return parquet.TimestampAdjusted(parquet.Millisecond, false)
	case typeSmall:
		return parquet.Encoded(parquet.Leaf(parquet.Int32Type), &parquet.RLEDictionary)
	case typeWhole:
		return parquet.Leaf(parquet.Int64Type)
	case typeNumber:
		return parquet.Leaf(parquet.DoubleType)
	}
	return parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
}

func schema(columns []Column) *parquet.Schema {
	root := orderedGroup{Group: parquet.Group{}}
	for _, c := range columns {
		root.Group[c.Name] = parquet.Optional(c.node())
	}
	sorted := map[string]parquet.Field{}
	for _, f := range root.Group.Fields() {
		sorted[f.Name()] = f
	}
	for _, c := range columns {
		root.fields = append(root.fields, sorted[c.Name])
	}
	return parquet.NewSchema("report", root)
}

// encoder turns rows into those of a file.
type encoder struct {
	columns []Column
	at      map[string]int // column by field
	grain   cmu.Grain
	times   [cmu.Minute + 1]string
	forms   former
}

func newEncoder(columns []Column, grain cmu.Grain) *encoder {
	e := &encoder{columns: columns, at: map[string]int{}, grain: grain}
	for i, c := range columns {
		if c.Field != "" {
			e.at[c.Field] = i
		}
	}
	return e
}

// encode fills dst with a row, and returns the instant that it is of; zero for a report without time.
func (e *encoder) encode(row cmu.Row, dst parquet.Row) (parquet.Row, cmu.Civil, error) {
	dst = dst[:0]
	for i := range e.columns {
		dst = append(dst, parquet.NullValue().Level(0, 0, i))
	}
	clear(e.times[:])
	e.forms.see(row)
	for field, value := range row.Each {
		if t := cmu.TimeDimension(string(field)); t != cmu.NoGrain {
			e.times[t] = string(value)
		}
		i, ok := e.at[string(field)]
		if value == nil {
			continue
		}
		if !ok {
			// Year and month are those of the file, if they are written as usual.
			n, err := strconv.Atoi(string(value))
			if t := cmu.TimeDimension(string(field)); err != nil || strconv.Itoa(n) != string(value) || t != cmu.Year && t != cmu.Month {
				e.forms.odd(field, value)
			}
			continue
		}
		v, err := e.columns[i].value(value)
		if err != nil {
			return dst, 0, fmt.Errorf("%s: %w", field, err)
		}
		if e.columns[i].text(v) != string(value) {
			e.forms.odd(field, value)
		}
		dst[i] = v.Level(0, 1, i)
	}
	if e.grain == cmu.NoGrain {
		return dst, 0, nil
	}
	at, err := e.grain.Period(func(d string) string { return e.times[cmu.TimeDimension(d)] })
	if err != nil {
		return dst, 0, fmt.Errorf("a row has no date: %w", err)
	}
	if c := e.columns[0]; c.Field == "" {
		v := parquet.Int64Value(int64(at))
		if c.Type == typeDate {
			v = parquet.Int32Value(int32(at / (24 * 60 * 60 * 1000)))
		}
		dst[0] = v.Level(0, 1, 0)
	}
	return dst, at, nil
}

func (c Column) value(text []byte) (parquet.Value, error) {
	switch c.Type {
	case typeSmall:
		n, err := strconv.ParseInt(string(text), 10, 32)
		if err != nil {
			return parquet.Value{}, fmt.Errorf("%q is no number of a calendar", bounded(text))
		}
		return parquet.Int32Value(int32(n)), nil
	case typeWhole:
		n, err := wholeNumber(text)
		return parquet.Int64Value(n), err
	case typeNumber:
		n, err := strconv.ParseFloat(string(text), 64)
		return parquet.DoubleValue(n), err
	}
	return parquet.ByteArrayValue(append([]byte(nil), text...)), nil
}

// writeFile writes rows as a Parquet file with a label. Memory does not grow with them: a row group is all that is held.
func writeFile(w io.Writer, l Label, grain cmu.Grain, each Rows) error {
	footer, err := l.footer()
	if err != nil {
		return err
	}
	options := []parquet.WriterOption{
		schema(l.Columns), parquet.Compression(&zstd.Codec{Level: zstd.SpeedBetterCompression}), parquet.MaxRowsPerRowGroup(groupRows),
		parquet.DataPageVersion(1), parquet.DataPageStatistics(true), parquet.CreatedBy("cmu-gateway", version.String(), ""),
	}
	for name, value := range footer {
		options = append(options, parquet.KeyValueMetadata(name, value))
	}
	out, e := parquet.NewGenericWriter[any](w, options...), newEncoder(l.Columns, grain)
	batch, n := make([]parquet.Row, rowsAtOnce), 0
	flush := func() error {
		_, err := out.WriteRows(batch[:n])
		n = 0
		return err
	}
	err = each(func(row cmu.Row) (err error) {
		if batch[n], _, err = e.encode(row, batch[n]); err != nil {
			return err
		}
		if n++; n < len(batch) {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	if err == nil {
		out.SetKeyValueMetadata(metaForms, e.forms.footer())
		err = out.Close()
	}
	return err
}
