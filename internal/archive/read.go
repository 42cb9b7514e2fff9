package archive

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"cmu-gateway/internal/plan"
	"cmu-gateway/pkg/cmu"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/parquet-go/parquet-go"
)

// errDamaged: a file does not hold the rows that its footer tells of.
var errDamaged = errors.New("the file is damaged")

// stored is a month as it was read: what it says of itself, and its rows as Adobe gave them.
type stored struct {
	Label
	report Report
	month  plan.Span
	forms  forms
	exact  bool // the file tells the forms
	file   *parquet.File
	at     map[string]int // column by field
}

// readStored opens a month. Its rows are read by each.
func readStored(file io.ReaderAt, size int64, report Report, month plan.Span) (*stored, error) {
	f, err := parquet.OpenFile(file, size, parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotArchive, err)
	}
	s := &stored{report: report, month: month, file: f, at: map[string]int{}}
	if s.Label, err = readLabel(f); err != nil {
		return nil, err
	}
	if text, ok := f.Lookup(metaForms); ok && text != "" {
		if s.forms, err = readForms(text); err != nil {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
		s.exact = true
	}
	if n := len(f.Schema().Columns()); n != len(s.Columns) {
		return nil, fmt.Errorf("%w: it has %d columns, and tells of %d", errDamaged, n, len(s.Columns))
	}
	for i, c := range s.Columns {
		s.at[c.Field] = i
	}
	return s, nil
}

// each calls do with every row, in their order. Memory does not grow with them.
func (s *stored) each(do func(cmu.Row) error) error {
	shapes := shapesOf{forms: s.forms}
	n := 0
	for _, group := range s.file.RowGroups() {
		rows := group.Rows()
		buf := make([]parquet.Row, rowsAtOnce)
		for {
			got, err := rows.ReadRows(buf)
			for _, values := range buf[:got] {
				row, wrong := s.row(values, &shapes, n)
				if wrong == nil {
					wrong = do(row)
				}
				if wrong != nil {
					rows.Close()
					return wrong
				}
				n++
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				rows.Close()
				return fmt.Errorf("%w: %w", errDamaged, err)
			}
		}
		if err := rows.Close(); err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	return nil
}

// shapesOf gives the shapes and odd values of rows one after another.
type shapesOf struct {
	forms
	left int
	now  shape
}

func (f *shapesOf) next() (shape, error) {
	if f.left == 0 {
		if len(f.Runs) == 0 {
			return shape{}, fmt.Errorf("%w: it has more rows than forms", errDamaged)
		}
		f.now, f.left, f.Runs = f.Shapes[f.Runs[0]], f.Runs[1], f.Runs[2:]
	}
	f.left--
	return f.now, nil
}

// oddOf returns an odd value of row n.
func (f *shapesOf) oddOf(n int, field string) (text string, ok bool) {
	for len(f.Odd) > 0 && f.Odd[0].Row < n {
		f.Odd = f.Odd[1:]
	}
	for _, o := range f.Odd {
		if o.Row != n {
			break
		}
		if o.Field == field {
			return o.Text, true
		}
	}
	return "", false
}

// row returns row n as Adobe gave it.
func (s *stored) row(values parquet.Row, shapes *shapesOf, n int) (cmu.Row, error) {
	if len(values) != len(s.Columns) {
		return nil, fmt.Errorf("%w: a row has %d values", errDamaged, len(values))
	}
	form := s.plain(values)
	if s.exact {
		var err error
		if form, err = shapes.next(); err != nil {
			return nil, err
		}
	}
	row := []byte{'{'}
	for i, field := range form.Fields {
		if i > 0 {
			row = append(row, ',')
		}
		row, _ = jsontext.AppendQuote(row, field)
		row = append(row, ':')
		text, ok := "", form.Kinds[i] != kindNull
		if ok {
			if text, ok = shapes.oddOf(n, field); !ok {
				text, ok = s.text(values, field)
			}
			if !ok {
				return nil, fmt.Errorf("%w: a row has no %s", errDamaged, field)
			}
		}
		switch form.Kinds[i] {
		case kindNull:
			row = append(row, "null"...)
		case kindLiteral:
			row = append(row, text...)
		default:
			row, _ = jsontext.AppendQuote(row, text)
		}
	}
	return append(row, '}'), nil
}

// plain is the shape of a row of a file that does not tell: dimensions and metrics in their order, null as absent, all of them strings.
func (s *stored) plain(values parquet.Row) (out shape) {
	if s.exact {
		return out
	}
	add := func(field string) {
		out.Fields, out.Kinds = append(out.Fields, field), out.Kinds+string(kindString)
	}
	dimensions := map[string]bool{}
	for _, d := range s.report.dimensions() {
		if _, ok := s.text(values, d); ok {
			add(d)
		}
		dimensions[d] = true
	}
	for i, c := range s.Columns {
		if c.Field != "" && !dimensions[c.Field] && !values[i].IsNull() {
			add(c.Field)
		}
	}
	return out
}

// text is the value of a field as it is mostly written. Year and month are the file's own.
func (s *stored) text(values parquet.Row, field string) (string, bool) {
	if i, ok := s.at[field]; ok && field != "" {
		if values[i].IsNull() {
			return "", false
		}
		return s.Columns[i].text(values[i]), true
	}
	year, month, _, _, _ := s.month.From.Fields()
	switch cmu.TimeDimension(field) {
	case cmu.Year:
		return strconv.Itoa(year), true
	case cmu.Month:
		return strconv.Itoa(month), true
	}
	return "", false
}

// text is a value as it is mostly written.
func (c Column) text(v parquet.Value) string {
	switch c.Type {
	case typeSmall:
		return strconv.Itoa(int(v.Int32()))
	case typeWhole:
		return strconv.FormatInt(v.Int64(), 10)
	case typeNumber:
		return strconv.FormatFloat(v.Double(), 'f', -1, 64)
	}
	return string(v.ByteArray())
}
