package rows

import (
	"encoding/binary"
	"unicode"
	"unicode/utf8"

	"cmu-gateway/pkg/cmu"
)

// Columns are the names of the fields of rows, in the order in which they first come. They can be compared with ==. The zero
// Columns has none, or is not known.
type Columns struct{ text string } // each name behind its length, a varint

// Names returns the names.
func (c Columns) Names() (names []string) {
	for text := []byte(c.text); len(text) > 0; {
		n, at := binary.Uvarint(text)
		if at <= 0 || n > uint64(len(text)-at) {
			return names // a text that nobody wrote
		}
		names = append(names, string(text[at:at+int(n)]))
		text = text[at+int(n):]
	}
	return names
}

// Text returns what ColumnsOf reads.
func (c Columns) Text() string { return c.text }

// ColumnsOf returns the columns that Text told.
func ColumnsOf(text string) Columns { return Columns{text} }

// Fields gathers the columns of rows. The zero value has seen none.
type Fields struct {
	names  []string
	at     map[string]int // where a name stands among them
	expect []string       // the fields of the latest row
	values int64          // bytes of the values as fields of CSV
}

// See takes the columns of one more row.
func (f *Fields) See(row cmu.Row) {
	i := 0
	for name, value := range row.Each {
		// Rows are alike: the field at the same place has the same name, or it is looked up.
		if i >= len(f.expect) || f.expect[i] != string(name) {
			at, again := f.at[string(name)]
			if !again {
				at = len(f.names)
				f.add(string(name))
			}
			f.expect = append(f.expect[:i], f.names[at])
		}
		f.values += csvLen(value)
		i++
	}
}

// Join takes columns that are known.
func (f *Fields) Join(c Columns) {
	for _, name := range c.Names() {
		f.add(name)
	}
}

func (f *Fields) add(name string) {
	if _, again := f.at[name]; !again {
		if f.at == nil {
			f.at = map[string]int{}
		}
		f.at[name] = len(f.names)
		f.names = append(f.names, name)
	}
}

// Names returns the columns seen so far, in the order in which they first came. They must not be changed.
func (f *Fields) Names() []string { return f.names }

// Columns returns the same to keep.
func (f *Fields) Columns() Columns {
	var text []byte
	for _, name := range f.names {
		text = append(binary.AppendUvarint(text, uint64(len(name))), name...)
	}
	return Columns{string(text)}
}

// csvLen is how many bytes encoding/csv writes for a value. Source: RFC 4180; encoding/csv, Writer.
func csvLen(value []byte) int64 {
	n := int64(len(value))
	if n == 0 {
		return 0
	}
	quoted := string(value) == `\.`
	for _, c := range value {
		switch c {
		case '"':
			quoted = true
			n++
		case ',', '\n', '\r':
			quoted = true
		}
	}
	if !quoted {
		if first, _ := utf8.DecodeRune(value); !unicode.IsSpace(first) {
			return n
		}
	}
	return n + 2
}

// CSVLen is how many bytes the rows of fragments take as CSV with a header of these columns, which are not none. Each of the fragments
// tells its columns.
func CSVLen(fragments []Fragment, columns []string) int64 {
	line := int64(len(columns)) // commas and the end of the line
	n := line
	for _, name := range columns {
		n += csvLen([]byte(name))
	}
	for _, f := range fragments {
		n += f.Values + int64(f.Rows)*line
	}
	return n
}
