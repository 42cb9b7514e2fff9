package cmu

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Canonical returns the one text of r that all equal requests share, however they were built: the path and the query below the
// reports base, escaped, with a slash before each dimension (the root report has an empty path). Filters are sorted and stand
// once, metrics stand once in their order, bounds are filled up, Limit stands if it is positive; Format is left out.
//
// Nothing that the API might tell apart is taken for equal: the order of dimensions and of metrics counts, and so does the way in
// which a bound names an absolute instant (its zone, or milliseconds). The text of a request that fails [Request.Check] reads
// back as another request or not at all.
func (r Request) Canonical() string {
	b, path := r.normal().appendReport(make([]byte, 0, 256))
	if !r.Start.IsZero() {
		b = append(appendName(b, path, "start="), escape(r.Start.text)...)
	}
	if !r.End.IsZero() {
		b = append(appendName(b, path, "end="), escape(r.End.text)...)
	}
	if r.Limit > 0 {
		b = strconv.AppendInt(appendName(b, path, "limit="), int64(r.Limit), 10)
	}
	return string(b)
}

// Report returns the canonical text of what the rows of r are about, whatever the window and the limit: path, filters and
// metrics.
func (r Request) Report() string {
	b, _ := r.normal().appendReport(make([]byte, 0, 256))
	return string(b)
}

// URL returns the address of r below base, such as https://mgmt.auth.adobe.com/cmu/v2, with or without a slash at its end: the
// canonical form, without the Format.
func (r Request) URL(base string) string { return strings.TrimSuffix(base, "/") + r.Canonical() }

// appendReport appends path, filters and metrics of a normal form, and returns where the path ends.
func (r Request) appendReport(b []byte) (text []byte, path int) {
	for _, d := range r.Path {
		b = append(b, '/')
		if plain(d) {
			b = append(b, d...)
		} else {
			b = append(b, url.PathEscape(d)...)
		}
	}
	path = len(b)
	for _, f := range r.Filters {
		b = appendName(b, path, escape(f.Dimension))
		switch f.Operator {
		case Equal:
			b = append(append(b, '='), escape(f.Value)...)
		case NotEqual:
			b = append(append(b, "!="...), escape(f.Value)...)
		}
	}
	for i, m := range r.Metrics {
		if i == 0 {
			b = appendName(b, path, "metrics=")
		} else {
			b = append(b, ',')
		}
		b = append(b, escape(m)...)
	}
	return b, path
}

// appendName begins a query parameter of a URL whose path ends at path.
func appendName(b []byte, path int, name string) []byte {
	if len(b) == path {
		b = append(b, '?')
	} else {
		b = append(b, '&')
	}
	return append(b, name...)
}

// escape is url.QueryEscape with %20 for a space, which every server reads alike, and colons left legible.
func escape(s string) string {
	if plain(s) {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), "%3A", ":")
}

// plain tells whether s stands for itself in a path and in a query.
func plain(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '~', c == ':':
		default:
			return false
		}
	}
	return true
}

// normal returns r as Parse would: equal requests have equal normal forms. What is normal already is not copied.
func (r Request) normal() Request {
	if len(r.Path) == 0 {
		r.Path = nil
	}
	r.Filters, r.Metrics = normalFilters(r.Filters), normalMetrics(r.Metrics)
	r.Format = strings.ToLower(r.Format)
	return r
}

func normalFilters(list []Filter) []Filter {
	if len(list) == 0 {
		return nil
	}
	normal := true
	for i, f := range list {
		normal = normal && f == f.normal() && (i == 0 || compareFilters(list[i-1], f) < 0)
	}
	if normal {
		return list
	}
	out := make([]Filter, len(list))
	for i, f := range list {
		out[i] = f.normal()
	}
	slices.SortFunc(out, compareFilters)
	return slices.Compact(out)
}

func (f Filter) normal() Filter {
	if f.Operator == Project || f.Operator == Equal && f.Value == "" {
		return Filter{Dimension: f.Dimension}
	}
	return f
}

func compareFilters(a, b Filter) int {
	return cmp.Or(cmp.Compare(a.Dimension, b.Dimension), cmp.Compare(a.Operator, b.Operator), cmp.Compare(a.Value, b.Value))
}

// fewMetrics is up to how many metrics are compared each with each.
const fewMetrics = 64

func normalMetrics(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	normal := len(list) <= fewMetrics
	for i := 0; normal && i < len(list); i++ {
		m := list[i]
		normal = m != "" && strings.TrimSpace(m) == m && !strings.Contains(m, ",") && !slices.Contains(list[:i], m)
	}
	if normal {
		return list
	}
	var out []string
	seen := map[string]bool{}
	for _, m := range list {
		for m := range strings.SplitSeq(m, ",") {
			if m = strings.TrimSpace(m); m != "" && !seen[m] {
				seen[m] = true
				out = append(out, m)
			}
		}
	}
	return out
}
