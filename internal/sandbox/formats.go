package sandbox

import (
	"encoding/json"
	"html"
	"mime"
	"strconv"
	"strings"

	"cmu-gateway/pkg/cmu"
)

// format writes a report in one representation. Each function appends to a buffer.
type format struct {
	media     string
	separator string // between rows
	sorted    bool   // rows always come sorted
	begin     func(d *document, out []byte) []byte
	row       func(d *document, out []byte, labels []string, values []int64) []byte
	end       func(d *document, out []byte) []byte
}

// document is what a representation is made of, the rows aside.
type document struct {
	sel     *selection
	prefix  string // of links
	numbers bool   // JSON numbers for metrics and time
}

// formats are the representations by the name that an extension or the format parameter has.
var formats = map[string]format{
	"json": {media: "application/json;charset=UTF-8", separator: ",", begin: beginJSON, row: rowJSON, end: endJSON},
	"xml":  {media: "application/xml;charset=UTF-8", begin: beginXML, row: rowXML, end: endXML},
	"csv":  {media: "text/csv;charset=UTF-8", sorted: true, begin: beginCSV, row: rowCSV, end: endCSV},
	"html": {media: "text/html;charset=UTF-8", begin: beginHTML, row: rowHTML, end: endHTML},
}

// mediaTypes are the formats by media type.
var mediaTypes = map[string]string{
	"application/json": "json", "application/hal+json": "json", "application/*": "json", "*/*": "json",
	"application/xml": "xml", "text/xml": "xml", "text/csv": "csv", "text/html": "html", "text/*": "html",
}

// negotiate returns the format for an extension or format parameter ("" if neither was given) and an Accept header.
func negotiate(asked, accept string) (format, bool) {
	if asked != "" {
		f, ok := formats[asked]
		return f, ok
	}
	if strings.TrimSpace(accept) == "" {
		return formats["json"], true
	}
	best, most := "", 0.0
	for part := range strings.SplitSeq(accept, ",") {
		media, parameters, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, ok := parameters["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		if name := mediaTypes[media]; name != "" && q > most {
			best, most = name, q
		}
	}
	f, ok := formats[best]
	return f, ok
}

func (d *document) self() string {
	return d.prefix + strings.TrimSuffix(d.sel.node.href(), "/") + "?" + d.sel.query()
}

type link struct {
	Href string `json:"href"`
	Name string `json:"name"`
}

func (d *document) link(n *node) link {
	return link{Href: d.prefix + strings.TrimSuffix(n.href(), "/"), Name: n.name()}
}

func (d *document) drillDown() []link {
	var links []link
	for _, c := range d.sel.node.children {
		links = append(links, d.link(c))
	}
	return links
}

// quote appends a JSON string.
func quote(out []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' {
			text, _ := json.Marshal(s)
			return append(out, text...)
		}
	}
	out = append(out, '"')
	out = append(out, s...)
	return append(out, '"')
}

func beginJSON(d *document, out []byte) []byte {
	out = append(out, `{"_links":{"self":{"href":`...)
	out = append(quote(out, d.self()), '}')
	if up := d.sel.node.parent; up != nil {
		text, _ := json.Marshal(d.link(up))
		out = append(append(out, `,"roll-up":`...), text...)
	}
	if down := d.drillDown(); len(down) > 0 {
		var value any = down
		if len(down) == 1 {
			value = down[0]
		}
		text, _ := json.Marshal(value)
		out = append(append(out, `,"drill-down":`...), text...)
	}
	return append(out, `},"report":[`...)
}

func rowJSON(d *document, out []byte, labels []string, values []int64) []byte {
	out = append(out, '{')
	for i, name := range d.sel.dimensions {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(quote(out, name), ':')
		if d.numbers && cmu.TimeDimension(name) != cmu.NoGrain {
			out = append(out, labels[i]...)
		} else {
			out = quote(out, labels[i])
		}
	}
	for i, name := range d.sel.metrics {
		if i > 0 || len(labels) > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), name...), `":`...)
		if d.numbers {
			out = strconv.AppendInt(out, values[i], 10)
			continue
		}
		out = append(out, '"')
		out = strconv.AppendInt(out, values[i], 10)
		out = append(out, '"')
	}
	return append(out, '}')
}

func endJSON(_ *document, out []byte) []byte { return append(out, `]}`...) }

func beginXML(d *document, out []byte) []byte {
	out = append(out, `<?xml version="1.0" encoding="UTF-8" standalone="yes"?><resource href="`...)
	out = append(append(out, html.EscapeString(d.self())...), `"><links>`...)
	add := func(rel string, l link) {
		out = append(append(append(out, `<link rel="`...), rel...), `" href="`...)
		out = append(append(out, html.EscapeString(l.Href)...), `"/>`...)
	}
	if up := d.sel.node.parent; up != nil {
		add("roll-up", d.link(up))
	}
	for _, l := range d.drillDown() {
		add("drill-down", l)
	}
	return append(out, `</links><report>`...)
}

func rowXML(d *document, out []byte, labels []string, values []int64) []byte {
	out = append(out, `<record`...)
	for i, name := range d.sel.dimensions {
		out = append(append(append(out, ' '), name...), `="`...)
		out = append(append(out, html.EscapeString(labels[i])...), '"')
	}
	for i, name := range d.sel.metrics {
		out = append(append(append(out, ' '), name...), `="`...)
		out = append(strconv.AppendInt(out, values[i], 10), '"')
	}
	return append(out, `/>`...)
}

func endXML(_ *document, out []byte) []byte { return append(out, `</report></resource>`...) }

// field appends a CSV field.
func field(out []byte, s string) []byte {
	if !strings.ContainsAny(s, "\",\r\n") {
		return append(out, s...)
	}
	return append(append(append(out, '"'), strings.ReplaceAll(s, `"`, `""`)...), '"')
}

func beginCSV(d *document, out []byte) []byte {
	for i, name := range append(append([]string{}, d.sel.dimensions...), d.sel.metrics...) {
		if i > 0 {
			out = append(out, ',')
		}
		out = field(out, name)
	}
	return append(out, '\n')
}

func rowCSV(_ *document, out []byte, labels []string, values []int64) []byte {
	for i, label := range labels {
		if i > 0 {
			out = append(out, ',')
		}
		out = field(out, label)
	}
	for i, value := range values {
		if i > 0 || len(labels) > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, value, 10)
	}
	return append(out, '\n')
}

func endCSV(_ *document, out []byte) []byte { return out }

func beginHTML(d *document, out []byte) []byte {
	out = append(out, `<!DOCTYPE html><html><head><meta charset="UTF-8"><title>report</title></head><body><table><tr>`...)
	for _, name := range append(append([]string{}, d.sel.dimensions...), d.sel.metrics...) {
		out = append(append(append(out, `<th>`...), html.EscapeString(name)...), `</th>`...)
	}
	return append(out, "</tr>\n"...)
}

func rowHTML(_ *document, out []byte, labels []string, values []int64) []byte {
	out = append(out, `<tr>`...)
	for _, label := range labels {
		out = append(append(append(out, `<td>`...), html.EscapeString(label)...), `</td>`...)
	}
	for _, value := range values {
		out = append(append(append(out, `<td>`...), thousands(value)...), `</td>`...)
	}
	return append(out, "</tr>\n"...)
}

func endHTML(_ *document, out []byte) []byte { return append(out, `</table></body></html>`...) }

// thousands writes a number that is not negative with commas.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
