package cmu

import (
	"bytes"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Row is one row of a report: a flat JSON object as Adobe sent it, without white space. It is valid JSON with distinct names, its
// fields in Adobe's order, which means nothing. Rows come from [ReadReport] and [Client.Rows], which use their memory again: they say
// how long a row is good, and bytes.Clone keeps one. A Row made otherwise makes the methods panic, unless it is empty.
//
// Source: Adobe, Concurrency Monitoring usage API, "HAL".
type Row []byte

// newRow checks that v, a valid JSON value, is a flat object, and takes out white space.
func newRow(v jsontext.Value) (Row, error) {
	if v.Kind() != '{' {
		return nil, fmt.Errorf("%w: a row is no object", ErrNotReport)
	}
	inString, spaced := false, false
	for i := 1; i < len(v); i++ {
		switch c := v[i]; {
		case c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			return nil, fmt.Errorf("%w: a row holds a nested value", ErrNotReport)
		case c <= ' ':
			spaced = true
		}
	}
	if spaced {
		v = v.Clone() // the decoder's buffer must not be changed
		if err := v.Compact(); err != nil {
			return nil, err
		}
	}
	return Row(v), nil
}

// Each calls f with every name and value in the order they stand, until f returns false, so it can be ranged over:
//
//	for name, value := range row.Each {
//
// Strings come unquoted, a null as nil, other values as they are written: Adobe's samples write numbers as strings, and either
// comes out as digits. The slices are valid as long as the row, and must not be changed.
func (r Row) Each(f func(name, value []byte) bool) {
	for i := 1; i < len(r) && r[i] != '}'; {
		name, next := text(r, i)
		value, end := text(r, next+1) // past the colon
		if !f(name, value) {
			return
		}
		i = end
		if i < len(r) && r[i] == ',' {
			i++
		}
	}
}

// text returns the value at i of valid compact JSON and where it ends.
func text(r []byte, i int) (value []byte, end int) {
	if r[i] != '"' {
		end = i + bytes.IndexAny(r[i:], ",}")
		if value = r[i:end]; string(value) == "null" {
			value = nil
		}
		return value, end
	}
	end = i + 1
	for escaped := false; ; end++ {
		switch r[end] {
		case '\\':
			escaped = true
			end++
		case '"':
			if !escaped {
				return r[i+1 : end], end + 1
			}
			value, _ = jsontext.AppendUnquote(nil, r[i:end+1])
			return value, end + 1
		}
	}
}

// Get returns the value of a name as Each gives it, or nil if there is none. It searches from the beginning: use Each to read many
// names of one row.
func (r Row) Get(name string) (value []byte) {
	r.Each(func(n, v []byte) bool {
		if string(n) == name {
			value = v
			return false
		}
		return true
	})
	return value
}
