package gateway

import (
	"errors"
	"fmt"

	"cmu-gateway/pkg/cmu"
)

const (
	dateColumn    = "date"
	byteOrderMark = "\ufeff"
)

// Dated returns a row with a field date in the place of its time dimensions: the first instant of its period, in ISO 8601 without
// a zone, as short as the finest of them allows but never without the day: 2026-07-01, 2026-07-04T05:00. All values are
// strings, as Adobe writes them.
//
// Errors: the row's time dimensions are not a chain from year down, or it has a field date.
func Dated(row cmu.Row) (cmu.Row, error) {
	grain, times := cmu.NoGrain, map[string]string{}
	for name, value := range row.Each {
		if g := cmu.TimeDimension(string(name)); g != cmu.NoGrain {
			grain = max(grain, g)
			times[string(name)] = string(value)
		} else if string(name) == dateColumn {
			return nil, errors.New("the report has a column date of its own")
		}
	}
	if grain == cmu.NoGrain {
		return nil, errors.New("the report has no time dimension to make a date of")
	}
	for g := cmu.Year; g <= grain; g++ {
		if _, ok := times[g.String()]; !ok {
			return nil, fmt.Errorf("no date can be made of a report by %s without %s", grain, g)
		}
	}
	begins, err := grain.Period(func(dimension string) string { return times[dimension] })
	if err != nil {
		return nil, fmt.Errorf("no date can be made of a row: %w", err)
	}
	date := begins.String()
	if y, m, d, h, min := begins.Fields(); grain >= cmu.Hour {
		date = fmt.Sprintf("%04d-%02d-%02dT%02d:%02d", y, m, d, h, min)
	}
	out, written := cmu.Row("{"), false
	field := func(name, value string, null bool) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(quote(out, name), ':')
		if null {
			out = append(out, "null"...)
		} else {
			out = quote(out, value)
		}
	}
	for name, value := range row.Each {
		switch {
		case cmu.TimeDimension(string(name)) == cmu.NoGrain:
			field(string(name), string(value), value == nil)
		case !written:
			field(dateColumn, date, false)
			written = true
		}
	}
	return append(out, '}'), nil
}

// DatedPath is a path as rows that are Dated have it.
func DatedPath(path []string) (dated []string) {
	written := false
	for _, name := range path {
		switch {
		case cmu.TimeDimension(name) == cmu.NoGrain:
			dated = append(dated, name)
		case !written:
			dated = append(dated, dateColumn)
			written = true
		}
	}
	return dated
}
