package gateway

import (
	"bufio"
	"context"

	"cmu-gateway/pkg/cmu"

	"github.com/go-json-experiment/json/jsontext"
)

// jsonHead returns what stands before the rows of a report in Adobe's JSON. Source: draft-kelly-json-hal.
func (d *document) jsonHead() []byte {
	b := quote([]byte(`{"_links":{"self":{"href":`), selfOf(d.base, d.Request))
	b = append(b, '}')
	b = d.linkField(b, "roll-up", neighbours(d.RollUp, d.Request.Path, true))
	b = d.linkField(b, "drill-down", neighbours(d.DrillDown, d.Request.Path, false))
	b = append(b, '}')
	for i, s := range gaps(d.Answer) {
		lead := `,{"from":`
		if i == 0 {
			lead = `,"before_horizon":[{"from":`
		}
		b = append(quote(append(quote(append(b, lead...), s.From.String()), `,"until":`...), s.To.String()), '}')
	}
	if len(d.BeforeHorizon) > 0 {
		b = append(b, ']')
	}
	return append(b, `,"report":[`...)
}

// linkField appends one link as an object and several as an array, as Adobe does.
func (d *document) linkField(b []byte, name string, list []neighbour) []byte {
	if len(list) == 0 {
		return b
	}
	b = append(quote(append(b, ','), name), ':')
	if len(list) > 1 {
		b = append(b, '[')
	}
	for i, p := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = quote(append(b, `{"href":`...), d.base+pathOf(p.path))
		b = quote(append(b, `,"name":`...), p.name)
		b = append(b, '}')
	}
	if len(list) > 1 {
		b = append(b, ']')
	}
	return b
}

// quote appends s as a JSON string; what is not UTF-8 is replaced.
func quote(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

var jsonTail = []byte("]}")

func (d *document) writeJSON(b *bufio.Writer, ctx context.Context) error {
	b.Write(d.jsonHead())
	err := d.rows(ctx, func(row cmu.Row) error {
		if d.written > 1 {
			b.WriteByte(',')
		}
		_, err := b.Write(row)
		return err
	})
	b.Write(jsonTail)
	return err
}
