package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"cmu-gateway/internal/catalog"
	"cmu-gateway/pkg/cmu"
)

// Column is one column of a file.
type Column struct {
	Name  string `json:"name"`            // as engines take it
	Field string `json:"field,omitempty"` // as Adobe calls it; empty: the column date
	Type  string `json:"type"`
}

// The types of columns, in the words of Athena.
const (
	typeText      = "string"
	typeSmall     = "int"    // time dimensions
	typeWhole     = "bigint" // metrics
	typeNumber    = "double" // numbers that are not whole, of fields that are not known
	typeDate      = "date"
	typeTimestamp = "timestamp" // without zone
)

// knownMetrics are in every file of a report that names no metrics, whether or not it has them: so the columns of a table stay the same.
func knownMetrics() (names []string) {
	for _, m := range catalog.Metrics {
		names = append(names, m.Name)
	}
	return names
}

const dateColumn = "date"

// Rows are the rows of a report as often as they are wanted. A row is valid until do returns.
type Rows func(do func(cmu.Row) error) error

// survey is what one reading of all rows tells.
type survey struct {
	rows   int
	digest string
	fields map[string]string // the types of fields that are no dimensions of the report
}

// surveyed reads all rows.
func surveyed(dimensions []string, each Rows) (survey, error) {
	out, sum := survey{fields: map[string]string{}}, sha256.New()
	type field struct{ name, value []byte }
	var fields []field
	var text []byte
	err := each(func(row cmu.Row) error {
		out.rows++
		fields, text = fields[:0], text[:0]
		for name, value := range row.Each {
			if value == nil {
				continue
			}
			fields = append(fields, field{name, value})
			if !slices.Contains(dimensions, string(name)) {
				out.fields[string(name)] = wider(out.fields[string(name)], value)
			}
		}
		slices.SortFunc(fields, func(a, b field) int { return bytes.Compare(a.name, b.name) })
		for _, f := range fields {
			text = append(binary.AppendUvarint(text, uint64(len(f.name))), f.name...)
			text = append(binary.AppendUvarint(text, uint64(len(f.value))), f.value...)
		}
		sum.Write(binary.AppendUvarint(nil, uint64(len(fields))))
		sum.Write(text)
		return nil
	})
	out.digest = hex.EncodeToString(sum.Sum(nil))
	return out, err
}

// wider returns the narrowest type that holds one more value.
func wider(known string, value []byte) string {
	text := string(value)
	if _, err := strconv.ParseInt(text, 10, 64); err == nil && known != typeText && known != typeNumber {
		return typeWhole
	}
	if n, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) && known != typeText {
		return typeNumber
	}
	return typeText
}

// columns are those of a file: the date, the dimensions of the report, its metrics in Adobe's order, and last, by name, all else that
// rows hold. partitioned leaves out year and month, which are in the key.
func (r Report) columns(found map[string]string, partitioned bool) (columns []Column) {
	taken := map[string]bool{}
	add := func(field, kind string) {
		name := columnName(field)
		for n := 2; taken[name]; n++ {
			name = columnName(field) + "_" + strconv.Itoa(n)
		}
		taken[name] = true
		columns = append(columns, Column{name, field, kind})
	}
	date := Column{Name: dateColumn, Type: typeDate}
	if r.Grain >= cmu.Hour {
		date.Type = typeTimestamp
	}
	if r.Grain != cmu.NoGrain {
		columns, taken[dateColumn] = append(columns, date), true
	}
	if partitioned {
		taken["year"], taken["month"] = true, true
	}
	for _, d := range r.dimensions() {
		switch t := cmu.TimeDimension(d); {
		case partitioned && (t == cmu.Year || t == cmu.Month):
		case t != cmu.NoGrain:
			add(d, typeSmall)
		default:
			add(d, typeText)
		}
	}
	metrics := r.Request.Metrics
	if len(metrics) == 0 {
		metrics = knownMetrics()
	}
	rest := maps.Clone(found)
	for _, m := range metrics {
		if !slices.Contains(r.dimensions(), m) {
			delete(rest, m)
			add(m, typeWhole)
		}
	}
	for _, field := range slices.Sorted(maps.Keys(rest)) {
		add(field, rest[field])
	}
	return columns
}

// columnName is a field's name as every engine takes it: lower-case letters, digits and underscores. Source: Amazon Athena User Guide,
// "Name databases, tables, and columns".
func columnName(field string) string {
	name := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '_':
			return c
		case c >= 'A' && c <= 'Z':
			return c - 'A' + 'a'
		}
		return '_'
	}, field)
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return "_" + name
	}
	return name
}

// wholeNumber reads a count as Adobe may write it: 12, and 12.0 too.
func wholeNumber(text []byte) (int64, error) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, fmt.Errorf("%q is no whole number", bounded(text))
	}
	return int64(f), nil
}

// bounded is a value for people.
func bounded(text []byte) string {
	const most = 40
	if len(text) > most {
		return strings.ToValidUTF8(string(text[:most]), "") + "…"
	}
	return string(text)
}
