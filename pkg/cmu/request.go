package cmu

import "slices"

// Operator says what a [Filter] does with its dimension.
type Operator uint8

const (
	// Project puts the dimension into the rows and keeps every value of it. It takes no value, and is the zero Operator.
	Project Operator = iota
	// Equal keeps the rows whose dimension has the value. Several on one dimension mean IN.
	Equal
	// NotEqual keeps the rows whose dimension has another value. Several on one dimension mean NOT IN.
	NotEqual
)

// Filter restricts or projects one dimension. Adobe takes filters on dimensions of the path or below it, and refuses those on
// time dimensions; a filter with a value puts its dimension into the rows too.
//
// Source: Adobe, Concurrency Monitoring usage API, "Filtering".
type Filter struct {
	// Dimension is the name of the dimension, such as mvpd. A reserved parameter (start, end, format, limit, metrics,
	// access_token) cannot be one.
	Dimension string
	Operator  Operator
	// Value is ignored by Project. Equal with the empty value is the same as Project: the API writes both alike.
	Value string
}

// Request asks for one report: what to group by, what to keep, which metrics, over which window. The zero Request is the
// root report with all of Adobe's defaults. It may be built by hand or by [Parse]; requests that mean the same have the same
// [Request.Canonical] text either way. Methods do not change it.
//
// Source: Adobe, Concurrency Monitoring usage API.
type Request struct {
	// Path holds the dimensions to group by, in order, unescaped. Any name is allowed: the tree of dimensions is Adobe's,
	// differs by licence, and Adobe answers 404 where it has no such node.
	Path []string
	// Filters restrict the rows, which pass all of them, in any order.
	Filters []Filter
	// Metrics are the columns wanted, in that order; empty: all that the path has.
	Metrics []string
	// Start and End bound the window; an absent one is left to Adobe, which reports its choice in the self link. Adobe does
	// not state whether the end is inclusive.
	Start, End Bound
	// Limit is the largest number of rows wanted, up to MaxLimit. Zero leaves it to Adobe, whose default was 1000 in samples.
	// There is no paging: rows past the limit are missing without a word.
	Limit int
	// Format names a representation as Adobe's format parameter does: json, xml, csv, html. It is not judged, not part of the
	// canonical form, and read in lower case. Empty: the Accept header decides.
	Format string
}

// MaxLimit is the largest Limit that a Request may name. Adobe's own largest is not documented.
const MaxLimit = 1_000_000_000

// Grain returns the finest time dimension of the path, provided that its time dimensions form a chain from year down
// without a gap, in that order: /tenant/year/month is Month. Otherwise ok is false and the rows cannot be told apart by
// calendar period.
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

// LevelReport reports whether the rows are broken down by activity or concurrency level, in the path or by a filter. Adobe
// recomputes such a report daily, whatever [Grain.Recompute] says.
//
// Source: Adobe, Concurrency Monitoring usage reports, "data freshness".
func (r Request) LevelReport() bool {
	level := func(d string) bool { return d == "activity-level" || d == "concurrency-level" }
	return slices.ContainsFunc(r.Path, level) || slices.ContainsFunc(r.Filters, func(f Filter) bool { return level(f.Dimension) })
}
