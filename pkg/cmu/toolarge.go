package cmu

import (
	"fmt"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// Bounds on a report in JSON, so that no answer takes more memory than that: one past them is [ErrTooLarge]. Adobe's rows have some
// hundred bytes in a dozen columns, and a node of its tree has some dozen links.
const (
	MaxRow     = 1 << 20  // bytes of one row
	MaxText    = 64 << 10 // bytes of one name or value in a row, of one address or name in a link
	MaxColumns = 2000     // fields of one row
	MaxLinks   = 1000     // links up, and as many down
	maxBeside  = 1 << 20  // bytes of all that is no row
)

// SizeError says what in an answer is larger than it may be. It matches [ErrTooLarge].
type SizeError struct {
	// What is a clause about the answer, such as "it has over 1000 links of a kind".
	What string
}

// Error returns the clause behind the text of ErrTooLarge.
func (e *SizeError) Error() string { return ErrTooLarge.Error() + ": " + e.What }

// Is matches ErrTooLarge.
func (e *SizeError) Is(target error) bool { return target == ErrTooLarge }

func tooLarge(format string, most int) error { return &SizeError{fmt.Sprintf(format, most)} }

var (
	errRow     = tooLarge("a row in it, or another value or space, has over %d bytes", MaxRow)
	errText    = tooLarge("a text in it has over %d bytes", MaxText)
	errColumns = tooLarge("a row in it has over %d columns", MaxColumns)
	errLinks   = tooLarge("it has over %d links of a kind", MaxLinks)
	errBeside  = tooLarge("it has over %d bytes beside its rows", maxBeside)
	errHeaders = &SizeError{"its headers have more bytes than the transport reads"}
)

// tokenBound is what a decoder reads through. The decoder asks for more only where a token, a row or the space before one is not there
// whole, and holds that in memory: so no more is given than one of them may have.
type tokenBound struct {
	r    io.Reader
	dec  *jsontext.Decoder
	read int64
	rows int64 // bytes of rows
	from int64 // where rows began that are not at their end; zero: there are none
	err  error // of r, but for its end, or of a bound
}

func (b *tokenBound) Read(p []byte) (int, error) {
	at := b.dec.InputOffset()
	switch {
	case b.err != nil:
	case b.read-at > MaxRow:
		b.err = errRow
	case b.from == 0 && at-b.rows > maxBeside:
		b.err = errBeside
	}
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.r.Read(p)
	b.read += int64(n)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// beginRows and endRows tell where the rows begin and end: they may be any number.
func (b *tokenBound) beginRows() { b.from = b.dec.InputOffset() }

func (b *tokenBound) endRows() { b.rows, b.from = b.rows+b.dec.InputOffset()-b.from, 0 }

// checkSize judges a row that is valid.
func (r Row) checkSize() error {
	if len(r) > MaxRow {
		return errRow
	}
	if len(r) <= MaxColumns { // it has neither so many fields nor so long a text
		return nil
	}
	columns := 0
	for name, value := range r.Each {
		if columns++; columns > MaxColumns {
			return errColumns
		}
		if len(name) > MaxText || len(value) > MaxText {
			return errText
		}
	}
	return nil
}
