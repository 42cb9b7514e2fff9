package gateway

import (
	"strings"

	"cmu-gateway/internal/reports"
)

// format is a representation by the name that an extension or the format parameter has.
type format uint8

const (
	formatJSON format = iota
	formatHTML
	formatCSV
	formatXML
	formatNDJSON
)

var formatNames = [...]string{formatJSON: "json", formatHTML: "html", formatCSV: "csv", formatXML: "xml", formatNDJSON: "ndjson"}

// media is a media type that a report can have.
type media struct {
	format
	kind, subtype string
	header        []string // the Content-Type
}

// medias are in the order of preference among equals. The first of a format is its default.
var medias = []*media{
	{formatJSON, "application", "json", []string{"application/json"}},
	{formatHTML, "text", "html", []string{"text/html; charset=utf-8"}},
	{formatCSV, "text", "csv", []string{"text/csv; charset=utf-8"}},
	{formatXML, "application", "xml", []string{"application/xml; charset=utf-8"}},
	{formatXML, "text", "xml", []string{"text/xml; charset=utf-8"}},
	{formatNDJSON, "application", "x-ndjson", []string{"application/x-ndjson"}},
	{formatJSON, "application", "hal+json", []string{"application/hal+json"}},
}

// tag tells the media types apart in tags.
func (m *media) tag() string {
	if m.kind == "text" && m.format == formatXML {
		return "text-xml"
	}
	return m.subtype
}

// mediaTypes lists what Accept may name.
func mediaTypes() string {
	names := make([]string, len(medias))
	for i, m := range medias {
		names[i] = m.kind + "/" + m.subtype
	}
	return strings.Join(names, ", ")
}

// choose picks the media type in Adobe's order: the extension or format parameter, else Accept, else JSON. It is not ok if what
// was asked for does not exist.
func choose(asked string, accept []string) (*media, bool) {
	if asked != "" {
		for _, m := range medias {
			if formatNames[m.format] == asked {
				return m, true
			}
		}
		return nil, false
	}
	return accepted(accept, medias)
}

// accepted picks one of the offers, the most preferred first, by an Accept header. Among equals in quality the more exactly named wins,
// then the one named first. Source: RFC 9110 section 12.5.1.
func accepted(accept []string, offers []*media) (*media, bool) {
	type claim struct{ exact, at, q int }
	var fixed [8]claim
	claims := append(fixed[:0], make([]claim, len(offers))...)
	at := 0
	if !weighted(accept, func(name string, q int) {
		at++
		if name == "*" {
			name = "*/*" // as Java's own client sends it
		}
		kind, subtype, _ := strings.Cut(name, "/")
		for i, m := range offers {
			exact := 0
			switch {
			case strings.EqualFold(kind, m.kind) && strings.EqualFold(subtype, m.subtype):
				exact = 3
			case strings.EqualFold(kind, m.kind) && subtype == "*":
				exact = 2
			case kind == "*" && subtype == "*":
				exact = 1
			}
			if exact > claims[i].exact {
				claims[i] = claim{exact, -at, q}
			}
		}
	}) {
		return offers[0], true
	}
	best := 0
	for i, c := range claims {
		if b := claims[best]; c.q > b.q || c.q == b.q && (c.exact > b.exact || c.exact == b.exact && c.at > b.at) {
			best = i
		}
	}
	return offers[best], claims[best].q > 0
}

// maxAccept bounds what is read of a header field with weights; browsers send some hundred bytes.
const maxAccept = 4 << 10

// weighted calls do with every member of a list and its weight in thousandths, and tells whether there is any. Members past
// maxAccept, and such as have a broken weight, are left out. Source: RFC 9110 sections 5.6.1 and 12.4.2.
func weighted(fields []string, do func(name string, q int)) (any bool) {
	for _, field := range fields {
		if len(field) > maxAccept {
			field, any = field[:strings.LastIndexByte(field[:maxAccept], ',')+1], true
		}
		for field != "" {
			var member string
			member, field = cutMember(field)
			name, parameters, _ := strings.Cut(member, ";")
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			any = true
			if q, ok := weight(parameters); ok {
				do(name, q)
			}
		}
	}
	return any
}

// cutMember cuts the first member of a list off. A comma within quotes is none.
func cutMember(list string) (member, rest string) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			return list[:i], list[i+1:]
		}
	}
	return list, ""
}

// weight reads q among parameters, in thousandths; without one it is 1000. Tools print it as they print any number: without the
// zero before the point, and with any count of digits behind it.
func weight(parameters string) (q int, ok bool) {
	for parameters != "" {
		var p string
		p, parameters, _ = strings.Cut(parameters, ";")
		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		whole, decimals, _ := strings.Cut(strings.TrimSpace(value), ".")
		if whole != "0" && whole != "1" && (whole != "" || decimals == "") || strings.Trim(decimals, "0123456789") != "" {
			return 0, false
		}
		if whole == "1" {
			q = 1
		}
		for i := range 3 {
			q *= 10
			if i < len(decimals) {
				q += int(decimals[i] - '0')
			}
		}
		return q, q <= 1000
	}
	return 1000, true
}

// encodings reads Accept-Encoding: whether gzip is taken, and preferred to no encoding; and whether no encoding is refused. Source:
// RFC 9110 section 12.5.3.
func encodings(fields []string) (gzip, only bool) {
	named, identity, any := -1, -1, -1
	weighted(fields, func(name string, q int) {
		switch {
		case strings.EqualFold(name, "gzip") || strings.EqualFold(name, "x-gzip"):
			named = max(named, q)
		case strings.EqualFold(name, "identity"):
			identity = max(identity, q)
		case name == "*":
			any = q
		}
	})
	if named < 0 {
		named = any
	}
	return named > 0 && named >= identity, identity == 0 || identity < 0 && any == 0
}

// minGzip is the size from which compressing pays, in bytes of JSON.
const minGzip = 1 << 10

// compressed decides by the caller and the answer alone, so that its representations and their tags are known before they are made.
func compressed(a *reports.Answer, acceptEncoding []string) bool {
	gzip, only := encodings(acceptEncoding)
	if !gzip || only {
		return gzip
	}
	n := int64(0)
	for _, f := range a.Fragments {
		n += f.Len
	}
	return n >= minGzip
}
