package gateway

import (
	"bufio"
	"context"
	"encoding/xml"
	"strconv"
	"strings"
	"unicode"

	"cmu-gateway/pkg/cmu"
)

// writeXML writes the report as Adobe's XML: every field is an attribute of its record.
func (d *document) writeXML(b *bufio.Writer, ctx context.Context) error {
	b.WriteString(xml.Header)
	attribute := func(name string, value []byte) {
		b.WriteByte(' ')
		b.WriteString(name)
		b.WriteString(`="`)
		xml.EscapeText(b, value) // replaces what XML cannot hold; the writer keeps its error
		b.WriteByte('"')
	}
	b.WriteString(`<resource`)
	attribute("href", []byte(selfOf(d.base, d.Request)))
	b.WriteString(`><links>`)
	for _, links := range []struct {
		rel  string
		list []neighbour
	}{{"roll-up", neighbours(d.RollUp, d.Request.Path, true)}, {"drill-down", neighbours(d.DrillDown, d.Request.Path, false)}} {
		for _, p := range links.list {
			b.WriteString(`<link`)
			attribute("rel", []byte(links.rel))
			attribute("href", []byte(d.base+pathOf(p.path)))
			b.WriteString(`/>`)
		}
	}
	b.WriteString("</links>")
	for _, s := range gaps(d.Answer) {
		b.WriteString("<before-horizon")
		attribute("from", []byte(s.From.String()))
		attribute("until", []byte(s.To.String()))
		b.WriteString("/>")
	}
	b.WriteString("<report>")
	names := attributes{of: map[string]string{}, taken: map[string]int{}}
	err := d.rows(ctx, func(row cmu.Row) error {
		b.WriteString("\n<record")
		row.Each(func(name, value []byte) bool {
			if value != nil {
				attribute(names.name(name), value)
			}
			return true
		})
		_, err := b.WriteString("/>")
		return err
	})
	b.WriteString("\n</report></resource>\n")
	return err
}

// attributes are the names of XML attributes by those of fields. Different fields have different ones.
type attributes struct {
	of    map[string]string
	taken map[string]int // the number that was tried last behind a name, where a field has it
}

func (a *attributes) name(field []byte) string {
	if name, ok := a.of[string(field)]; ok {
		return name
	}
	name := attributeName(string(field))
	unique := name
	for n, taken := a.taken[name]; taken; _, taken = a.taken[unique] {
		n = max(n, 1) + 1
		a.taken[name] = n
		unique = name + "_" + strconv.Itoa(n)
	}
	a.taken[unique] = 1
	a.of[string(field)] = unique
	return unique
}

// attributeName turns a field's name into one that XML allows: other characters become underscores. What begins with xml is
// XML's own. Source: XML 1.0, 2.3; Namespaces in XML 1.0, 3.
func attributeName(field string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r == '-' || r == '.' || r == '_' || r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			return r
		case 0xc0 <= r && r <= 0x1fff && r != 0xd7 && r != 0xf7 && r != 0x37e && unicode.IsLetter(r):
			return r
		}
		return '_'
	}, field)
	if name == "" || strings.IndexByte("-.0123456789", name[0]) >= 0 || len(name) >= 3 && strings.EqualFold(name[:3], "xml") {
		return "_" + name
	}
	return name
}
