package archive

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cmu-gateway/pkg/cmu"
)

// forms tell what columns do not of rows: the order of a row's fields, which of them are null and which absent, what was no string, and how a
// number was written where that is not as it is written here. With them rows read back are those that were written.
type forms struct {
	// Shapes are the forms that rows have: the names of the fields in their order, and for each how its value is written.
	Shapes []shape `json:"shapes"`
	// Runs are shape and count of rows in a row, in turn.
	Runs []int `json:"runs"`
	// Odd are values that a column gives back in another way than they were written.
	Odd []odd `json:"odd,omitempty"`
}

type shape struct {
	Fields []string `json:"fields"`
	Kinds  string   `json:"kinds"` // a letter for each field
}

// How a value is written in JSON.
const (
	kindString  = 's'
	kindLiteral = 'l' // a number, true or false
	kindNull    = 'n'
)

// odd is a value of a row, counted from 0, as it was written.
type odd struct {
	Row   int    `json:"row"`
	Field string `json:"field"`
	Text  string `json:"text"`
}

// maxForms bounds the shapes of a file, and its odd values.
const (
	maxShapes = 1000
	maxOdd    = 100_000
)

// former gathers the forms of rows. The zero value has seen none.
type former struct {
	forms
	rows  int
	known map[string]int // shapes by their text
	last  string
	text  []byte
	lost  bool // there is too much to tell
}

// see takes the shape of one more row. Its odd values follow.
func (f *former) see(row cmu.Row) {
	f.text = f.text[:0]
	at := 1
	for name, value := range row.Each {
		kind, end := kindOf(row, at)
		if value == nil {
			kind = kindNull
		}
		f.text = append(append(append(f.text, byte(kind)), strconv.Quote(string(name))...), '\n')
		at = end
	}
	if f.rows++; f.lost {
		return
	}
	if f.rows == 1 || string(f.text) != f.last {
		f.last = string(f.text)
		n, again := f.known[f.last]
		if !again {
			if n = len(f.Shapes); n == maxShapes {
				f.lost = true
				return
			}
			if f.known == nil {
				f.known = map[string]int{}
			}
			f.known[f.last] = n
			f.Shapes = append(f.Shapes, shapeOf(f.last))
		}
		f.Runs = append(f.Runs, n, 0)
	}
	f.Runs[len(f.Runs)-1]++
}

func shapeOf(text string) (s shape) {
	for line := range strings.Lines(text) {
		name, err := strconv.Unquote(strings.TrimSuffix(line[1:], "\n"))
		if err != nil {
			panic(err) // it was quoted above
		}
		s.Fields, s.Kinds = append(s.Fields, name), s.Kinds+line[:1]
	}
	return s
}

// kindOf tells how the value of the member at a place of a row is written, and where the next member is.
func kindOf(row cmu.Row, at int) (kind byte, next int) {
	skip := func(at int) int {
		if row[at] != '"' {
			for row[at] != ',' && row[at] != '}' {
				at++
			}
			return at
		}
		for at++; row[at] != '"'; at++ {
			if row[at] == '\\' {
				at++
			}
		}
		return at + 1
	}
	at = skip(at) + 1 // past the colon
	kind = kindLiteral
	if row[at] == '"' {
		kind = kindString
	}
	return kind, skip(at) + 1 // past the comma
}

// odd notes a value of the row that was seen last.
func (f *former) odd(field, text []byte) {
	if len(f.Odd) == maxOdd {
		f.lost = true
	}
	if !f.lost {
		f.Odd = append(f.Odd, odd{f.rows - 1, string(field), string(text)})
	}
}

// footer returns the forms as the value of a footer; empty: there is too much to tell.
func (f *former) footer() string {
	if f.lost {
		return ""
	}
	text, err := json.Marshal(f.forms)
	if err != nil {
		panic(err) // strings and numbers alone
	}
	return string(text)
}

// readForms reads what footer returned.
func readForms(text string) (f forms, err error) {
	if err = json.Unmarshal([]byte(text), &f); err != nil {
		return f, fmt.Errorf("%s: %w", metaForms, err)
	}
	ok := len(f.Runs)%2 == 0 && slices.IsSortedFunc(f.Odd, func(a, b odd) int { return a.Row - b.Row })
	for i := 0; ok && i < len(f.Runs); i += 2 {
		ok = f.Runs[i] >= 0 && f.Runs[i] < len(f.Shapes) && f.Runs[i+1] > 0
	}
	for _, s := range f.Shapes {
		ok = ok && len(s.Fields) == len(s.Kinds)
	}
	if !ok {
		return f, fmt.Errorf("%s is damaged", metaForms)
	}
	return f, nil
}
