package cmu

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// RequestError says which part of a report request is wrong and what is allowed. Its text is fit for whoever wrote the
// request: it quotes at most the beginning of what was given.
type RequestError struct {
	// Part is path, query, filter or the name of a reserved parameter, such as start.
	Part string
	// Problem is a sentence without the part.
	Problem string
}

// Error returns part and problem in one line.
func (e *RequestError) Error() string { return e.Part + ": " + e.Problem }

// TooLong reports whether the path or the query as a whole is longer than [Parse] reads.
func (e *RequestError) TooLong() bool {
	return (e.Part == "path" || e.Part == "query") && strings.HasPrefix(e.Problem, longer)
}

// longer is how the problem of a part begins that is longer than it may be.
const longer = "longer than "

// Bounds on a request. Those in bytes are for the escaped text.
const (
	maxPath      = 2 << 10
	maxQuery     = 8 << 10
	maxDimension = 128
	maxDepth     = 32
)

var errLimit = fmt.Errorf("want a whole number from 1 to %d", MaxLimit)

func tooLong(part string, most int) error {
	return &RequestError{part, fmt.Sprintf(longer+"%d bytes", most)}
}

func tooDeep() error { return &RequestError{"path", fmt.Sprintf("more than %d dimensions", maxDepth)} }

// Check returns what is wrong with a Request built by hand, as a *[RequestError], or nil. One that passes can be written as a
// URL that means the same: [Parse] of its canonical text gives its normal form. [Client.Report] checks by itself.
//
// Refused are: more than 32 dimensions, a dimension twice, empty, longer than 128 bytes, of dots and spaces alone, or with a slash, a
// backslash, a semicolon, a percent sign or an invisible character in it, as servers and proxies read those in more ways than one; a
// filter on a name that looks like a secret's, such as access_token; text that is not UTF-8 or holds control characters; a dimension in
// the path that ends like a file extension (a.csv), as it would read as a format; a filter
// with an unknown operator, on a reserved parameter, or Equal on a name that ends in "!"; a Limit that is negative or over
// MaxLimit; bounds outside the years 1900 to 9999; an End before the Start; a path over 2 KiB or a query over 8 KiB. Whether Adobe has such a
// report is not known here.
func (r Request) Check() error { return r.normal().wrong() }

// wrong is Check for the normal form.
func (r Request) wrong() error {
	if err := r.wrongPath(); err != nil {
		return err
	}
	if backwards(r.Start, r.End) {
		return &RequestError{"end", fmt.Sprintf("%q is before the start, %q: a window begins before it ends", r.End, r.Start)}
	}
	size := 0 // at most, escaped
	for _, f := range r.Filters {
		if err := f.wrong(); err != nil {
			return err
		}
		size += 3*(len(f.Dimension)+len(f.Value)) + len("&!=")
	}
	for _, m := range r.Metrics {
		if err := checkText(m); err != nil {
			return &RequestError{"query", err.Error()}
		}
		size += 3*len(m) + len(",")
	}
	if !r.Start.valid() {
		return &RequestError{"start", errBound.Error()}
	}
	if !r.End.valid() {
		return &RequestError{"end", errBound.Error()}
	}
	if r.Limit < 0 || r.Limit > MaxLimit {
		return &RequestError{"limit", errLimit.Error()}
	}
	if err := checkText(r.Format); err != nil {
		return &RequestError{"format", err.Error()}
	}
	const rest = 256 // start, end, limit and the name of metrics
	if size > maxQuery-rest {
		if _, query, _ := strings.Cut(r.Canonical(), "?"); len(query) > maxQuery {
			return tooLong("query", maxQuery)
		}
	}
	return nil
}

func (r Request) wrongPath() error {
	if len(r.Path) > maxDepth {
		return tooDeep()
	}
	size := 0
	for i, d := range r.Path {
		if err := checkDimension(d); err != nil {
			return &RequestError{"path", err.Error()}
		}
		if slices.Contains(r.Path[:i], d) {
			return &RequestError{"path", fmt.Sprintf("dimension %q stands twice", d)}
		}
		if _, format, ok := cutExtension(d); ok {
			return &RequestError{"path", fmt.Sprintf("the end of dimension %q reads as the format %q: one extension, at the end of the path, is one", d, format)}
		}
		size += 3*len(d) + len("/")
	}
	if size > maxPath && len(Request{Path: r.Path}.Canonical()) > maxPath {
		return tooLong("path", maxPath)
	}
	return nil
}

func (f Filter) wrong() error {
	if err := checkText(f.Dimension); err != nil {
		return &RequestError{"query", err.Error()}
	}
	if err := checkText(f.Value); err != nil {
		return &RequestError{"query", err.Error()}
	}
	switch f.Dimension {
	case "start", "end", "format", "limit", "metrics":
		return &RequestError{f.Dimension, "is not a dimension: it cannot be filtered or negated"}
	}
	if namesSecret(f.Dimension) {
		return &RequestError{"filter", fmt.Sprintf("%q is the name of a secret, not of a dimension", bounded(f.Dimension))}
	}
	if err := checkDimension(f.Dimension); err != nil {
		return &RequestError{"filter", err.Error()}
	}
	if f.Operator > NotEqual {
		return &RequestError{"filter", fmt.Sprintf("operator %d of %q is none of Project, Equal and NotEqual", f.Operator, f.Dimension)}
	}
	if f.Operator == Equal && strings.HasSuffix(f.Dimension, "!") {
		return &RequestError{"filter", fmt.Sprintf("dimension %q ends in the sign for not equal", f.Dimension)}
	}
	return nil
}

func checkDimension(d string) error {
	switch {
	case d == "":
		return errors.New("a dimension is empty")
	case len(d) > maxDimension:
		return fmt.Errorf("a dimension is longer than %d bytes", maxDimension)
	case strings.Trim(d, ". ") == "":
		return fmt.Errorf("%q is not a dimension", d)
	}
	if err := checkText(d); err != nil {
		return err
	}
	if strings.ContainsFunc(d, unseen) || strings.ContainsAny(d, `/\;%`+lookalikes) {
		return fmt.Errorf(`%q is not a dimension: it holds / \ ; %% or what looks like one of these, or an invisible character`, bounded(d))
	}
	return nil
}

// lookalikes are what some programs make / \ ; % and dots of: their wide and small forms, and signs like them.
const lookalikes = "\uff0f\u2044\u2215\u29f8\uff3c\ufe68\u2216\u29f5\u29f9\uff1b\ufe54\u037e\uff05\ufe6a\uff0e\ufe52\u2024\u2025\u2026"

// unseen tells whether nobody sees a character of a dimension.
func unseen(r rune) bool {
	return steers(r) || r == '\u200c' || r == '\u200d' || unicode.In(r, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
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

// backwards reports whether a window surely ends before it begins.
func backwards(start, end Bound) bool {
	from, civil := start.Civil()
	to, alike := end.Civil()
	if civil && alike {
		return to < from
	}
	first, absolute := start.Instant()
	last, alike := end.Instant()
	return absolute && alike && last.Before(first)
}
