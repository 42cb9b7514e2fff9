package gateway

import (
	"bufio"
	"context"
	"slices"

	"cmu-gateway/pkg/cmu"
)

// writeNDJSON writes a row a line. The format is the gateway's own, so numbers are numbers: time dimensions and metrics. Other dimensions
// are texts, whatever they look like.
func (d *document) writeNDJSON(b *bufio.Writer, ctx context.Context) error {
	texts := slices.Clone(d.Request.Path)
	for _, f := range d.Request.Filters {
		texts = append(texts, f.Dimension)
	}
	texts = slices.DeleteFunc(texts, func(name string) bool { return cmu.TimeDimension(name) != cmu.NoGrain })
	isText := func(name []byte) bool {
		return slices.ContainsFunc(texts, func(text string) bool { return text == string(name) })
	}
	var line []byte
	return d.rows(ctx, func(row cmu.Row) error {
		line = append(line[:0], '{')
		for name, value := range row.Each {
			if len(line) > 1 {
				line = append(line, ',')
			}
			line = append(quote(line, string(name)), ':')
			switch {
			case value == nil:
				line = append(line, "null"...)
			case jsonNumber(value) && !isText(name):
				line = append(line, value...)
			default:
				line = quote(line, string(value))
			}
		}
		_, err := b.Write(append(line, "}\n"...))
		return err
	})
}

// jsonNumber reports whether a text is a number in JSON as it stands. Source: RFC 8259 section 6.
func jsonNumber(text []byte) bool {
	digits := func() bool {
		n := 0
		for n < len(text) && '0' <= text[n] && text[n] <= '9' {
			n++
		}
		text = text[n:]
		return n > 0
	}
	take := func(any string) bool {
		if len(text) == 0 || !slices.Contains([]byte(any), text[0]) {
			return false
		}
		text = text[1:]
		return true
	}
	take("-")
	if !take("0") && !digits() || take(".") && !digits() {
		return false
	}
	if take("eE") {
		take("+-")
		if !digits() {
			return false
		}
	}
	return len(text) == 0
}
