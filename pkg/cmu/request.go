package cmu

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Operator says what a filter does with its dimension.
type Operator uint8

// The operators. Project has no value: it forces the dimension into the rows.
const (
	Project Operator = iota
	Equal
	NotEqual
)

// Filter restricts or projects one dimension. Several Equal filters on a dimension mean IN, several NotEqual mean NOT IN.
type Filter struct {
	Dimension string
	Operator  Operator
	Value     string
}

func (f Filter) query() string {
	switch f.Operator {
	case Equal:
		return escape(f.Dimension) + "=" + escape(f.Value)
	case NotEqual:
		return escape(f.Dimension) + "!=" + escape(f.Value)
	}
	return escape(f.Dimension)
}

// Request asks for one report: what to group by, what to keep, which metrics, over which window. The zero Request is the
// root report with all of Adobe's defaults.
type Request struct {
	// Path holds the dimensions to group by, in order. Any name is allowed: the tree of dimensions is Adobe's, and differs
	// by licence.
	Path []string
	// Filters are sorted and free of duplicates in a Request that Parse returned.
	Filters []Filter
	// Metrics in the order wanted; empty means all that the path has.
	Metrics []string
	// Start and End bound the window; an absent one is left to Adobe, which reports its choice in the self link.
	Start, End Bound
	// Limit is the largest number of rows wanted; zero leaves it to Adobe.
	Limit int
	// Format is the extension or the format parameter, in lower case and not judged; empty when neither was given. It is
	// not part of the canonical form.
	Format string
}

// RequestError says which part of a report request is wrong and what is allowed. Its text is fit for callers.
type RequestError struct{ Part, Problem string }

func (e *RequestError) Error() string { return e.Part + ": " + e.Problem }

// TooLong reports whether the path or the query as a whole is longer than Parse reads.
func (e *RequestError) TooLong() bool {
	return (e.Part == "path" || e.Part == "query") && strings.HasPrefix(e.Problem, longer)
}

// Bounds on what Parse accepts.
const (
	maxPath      = 2 << 10
	maxQuery     = 8 << 10
	maxDimension = 128
	maxDepth     = 32
	longer       = "longer than " // how a part that is begins its problem
	// MaxLimit is the largest row limit that a request may name.
	MaxLimit = 1_000_000_000
)

// Parse reads the part of a report URL below the reports base: the escaped path, with or without a leading slash, and the
// raw query without its question mark. The access_token parameter is dropped. Errors are of type *RequestError.
//
// Source: Adobe, Concurrency Monitoring usage API; see also Canonical.
func Parse(path, query string) (Request, error) {
	var r Request
	if len(path) > maxPath {
		return r, &RequestError{"path", fmt.Sprintf(longer+"%d bytes", maxPath)}
	}
	if len(query) > maxQuery {
		return r, &RequestError{"query", fmt.Sprintf(longer+"%d bytes", maxQuery)}
	}
	if err := r.parsePath(path); err != nil {
		return Request{}, err
	}
	if err := r.parseQuery(query); err != nil {
		return Request{}, err
	}
	return r, nil
}

func (r *Request) parsePath(path string) error {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil
	}
	segments := strings.Split(path, "/")
	if len(segments) > maxDepth {
		return &RequestError{"path", fmt.Sprintf("more than %d dimensions", maxDepth)}
	}
	for i, s := range segments {
		d, err := url.PathUnescape(s)
		if err != nil {
			return &RequestError{"path", fmt.Sprintf("%q has a broken percent escape", bounded(s))}
		}
		if i == len(segments)-1 {
			if dot := strings.LastIndexByte(d, '.'); dot > 0 && extension(d[dot+1:]) {
				d, r.Format = d[:dot], strings.ToLower(d[dot+1:])
			}
		}
		if err := checkDimension(d); err != nil {
			return &RequestError{"path", err.Error()}
		}
		if slices.Contains(r.Path, d) {
			return &RequestError{"path", fmt.Sprintf("dimension %q stands twice", d)}
		}
		r.Path = append(r.Path, d)
	}
	return nil
}

func extension(s string) bool {
	return s != "" && len(s) <= 8 && strings.IndexFunc(s, func(c rune) bool {
		return c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c)
	}) < 0
}

func checkDimension(d string) error {
	switch {
	case d == "":
		return errors.New("a dimension is empty")
	case len(d) > maxDimension:
		return fmt.Errorf("a dimension is longer than %d bytes", maxDimension)
	case d == "." || d == "..":
		return fmt.Errorf("%q is not a dimension", d)
	}
	return checkText(d)
}

func checkText(s string) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%q is not valid UTF-8", bounded(s))
	}
	if strings.IndexFunc(s, unicode.IsControl) >= 0 {
		return fmt.Errorf("%q holds a control character", bounded(s))
	}
	return nil
}

// bounded returns the beginning of caller's text for use in a message.
func bounded(s string) string {
	if len(s) > 64 {
		return s[:64] + "…"
	}
	return s
}

func (r *Request) parseQuery(query string) error {
	seen := map[string]string{}
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		if err1 != nil || err2 != nil {
			return &RequestError{"query", fmt.Sprintf("%q has a broken percent escape", bounded(pair))}
		}
		if err := cmp.Or(checkText(name), checkText(value)); err != nil {
			return &RequestError{"query", err.Error()}
		}
		if before, again := seen[name]; again && single[name] && before != value {
			return &RequestError{name, "given twice with different values"}
		}
		seen[name] = value
		if err := r.parameter(name, value, strings.Contains(pair, "=")); err != nil {
			return err
		}
	}
	slices.SortFunc(r.Filters, func(a, b Filter) int {
		return cmp.Or(cmp.Compare(a.Dimension, b.Dimension), cmp.Compare(a.Operator, b.Operator), cmp.Compare(a.Value, b.Value))
	})
	r.Filters = slices.Compact(r.Filters)
	return nil
}

// single are the reserved parameters that take one value.
var single = map[string]bool{"start": true, "end": true, "format": true, "limit": true}

func (r *Request) parameter(name, value string, equals bool) error {
	var err error
	switch name {
	case "access_token":
	case "start":
		r.Start, err = ParseBound(value)
	case "end":
		r.End, err = ParseBound(value)
	case "format":
		if r.Format == "" {
			r.Format = strings.ToLower(value)
		}
	case "limit":
		err = r.parseLimit(value)
	case "metrics":
		for m := range strings.SplitSeq(value, ",") {
			if m = strings.TrimSpace(m); m != "" && !slices.Contains(r.Metrics, m) {
				r.Metrics = append(r.Metrics, m)
			}
		}
	default:
		return r.parseFilter(name, value, equals)
	}
	if err != nil {
		return &RequestError{name, fmt.Sprintf("%q: %v", bounded(value), err)}
	}
	return nil
}

func (r *Request) parseLimit(value string) error {
	if value == "" {
		return nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > MaxLimit {
		return fmt.Errorf("want a whole number from 1 to %d", MaxLimit)
	}
	r.Limit = n
	return nil
}

func (r *Request) parseFilter(name, value string, equals bool) error {
	f := Filter{Dimension: name, Operator: Equal, Value: value}
	if d, not := strings.CutSuffix(name, "!"); not && equals {
		f.Dimension, f.Operator = d, NotEqual
	} else if value == "" {
		f.Operator = Project
	}
	switch f.Dimension {
	case "start", "end", "format", "limit", "metrics", "access_token":
		return &RequestError{f.Dimension, "cannot be negated: it is not a dimension"}
	}
	if err := checkDimension(f.Dimension); err != nil {
		return &RequestError{"filter", err.Error()}
	}
	r.Filters = append(r.Filters, f)
	return nil
}

// Report returns the canonical form of what the rows of r are about, whatever the window: path, filters and metrics.
func (r Request) Report() string { return r.join(r.filterQuery(nil)) }

// Canonical returns the one form of r that all equal requests share: the path and query below the reports base, filters
// sorted, metrics in their order, bounds filled up, no format.
func (r Request) Canonical() string { return r.join(r.query()) }

// URL returns the address of r below base, in its canonical form.
func (r Request) URL(base string) string { return strings.TrimSuffix(base, "/") + r.Canonical() }

func (r Request) join(query []string) string {
	var b strings.Builder
	for _, d := range r.Path {
		b.WriteByte('/')
		b.WriteString(url.PathEscape(d))
	}
	for i, q := range query {
		b.WriteByte("?&"[min(i, 1)])
		b.WriteString(q)
	}
	return b.String()
}

func (r Request) query() []string {
	q := r.filterQuery(nil)
	if !r.Start.IsZero() {
		q = append(q, "start="+escape(r.Start.String()))
	}
	if !r.End.IsZero() {
		q = append(q, "end="+escape(r.End.String()))
	}
	if r.Limit > 0 {
		q = append(q, "limit="+strconv.Itoa(r.Limit))
	}
	return q
}

func (r Request) filterQuery(q []string) []string {
	for _, f := range r.Filters {
		q = append(q, f.query())
	}
	if len(r.Metrics) > 0 {
		escaped := make([]string, len(r.Metrics))
		for i, m := range r.Metrics {
			escaped[i] = escape(m)
		}
		q = append(q, "metrics="+strings.Join(escaped, ","))
	}
	return q
}

// escape is url.QueryEscape with %20 for a space, which every server reads alike, and colons left legible.
func escape(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), "%3A", ":")
}

// Grain returns the finest time dimension of the path, provided that its time dimensions form a chain from year down
// without a gap, in that order. Otherwise ok is false and the rows cannot be told apart by calendar period.
func (r Request) Grain() (g Grain, ok bool) {
	for _, d := range r.Path {
		if t := TimeDimension(d); t != NoGrain {
			if t != g+1 {
				return NoGrain, false
			}
			g = t
		}
	}
	return g, g != NoGrain
}

// LevelReport reports whether the rows are broken down by activity or concurrency level, which Adobe recomputes daily
// whatever the grain.
func (r Request) LevelReport() bool {
	level := func(d string) bool { return d == "activity-level" || d == "concurrency-level" }
	return slices.ContainsFunc(r.Path, level) || slices.ContainsFunc(r.Filters, func(f Filter) bool { return level(f.Dimension) })
}
