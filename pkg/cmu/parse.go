package cmu

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
)

// Parse reads the part of a report URL below the reports base: the escaped path, with or without a slash at either end, and
// the raw query without its question mark. A slash that is escaped (%2F) is one all the same. The Request is in normal form: filters sorted, nothing twice, and it passes
// [Request.Check].
//
// An extension of the last dimension (/year.csv) is the Format, and wins over the format parameter. The access_token parameter
// is dropped, and so is what else names a secret, such as client_secret, key or X-Amz-Signature, in any spelling: it must not go
// into logs and to Adobe as a filter. A parameter that is not reserved is a filter. Reserved parameters without a value count as absent.
//
// Errors are of type *[RequestError].
//
// Source: Adobe, Concurrency Monitoring usage API.
func Parse(path, query string) (Request, error) {
	var r Request
	if len(path) > maxPath {
		return r, tooLong("path", maxPath)
	}
	if len(query) > maxQuery {
		return r, tooLong("query", maxQuery)
	}
	if err := r.parsePath(path); err != nil {
		return Request{}, err
	}
	if err := r.parseQuery(query); err != nil {
		return Request{}, err
	}
	r = r.normal()
	if err := r.wrong(); err != nil {
		return Request{}, err
	}
	return r, nil
}

func (r *Request) parsePath(path string) error {
	// A slash is one however it is written: clients made by generators escape it.
	plain, err := url.PathUnescape(path)
	if err != nil {
		return &RequestError{"path", fmt.Sprintf("%q has a broken percent escape", bounded(path))}
	}
	plain = strings.TrimSuffix(strings.TrimPrefix(plain, "/"), "/")
	if plain == "" {
		return nil
	}
	segments := strings.Split(plain, "/")
	if len(segments) > maxDepth {
		return tooDeep()
	}
	last := &segments[len(segments)-1]
	if name, format, ok := cutExtension(*last); ok {
		*last, r.Format = name, format
	}
	r.Path = segments
	return nil
}

// cutExtension cuts what reads as a format off the last dimension of a path.
func cutExtension(dimension string) (name, format string, ok bool) {
	dot := strings.LastIndexByte(dimension, '.')
	if dot < 1 {
		return dimension, "", false
	}
	format = dimension[dot+1:]
	other := func(c rune) bool { return c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c) }
	if format == "" || len(format) > 8 || strings.ContainsFunc(format, other) {
		return dimension, "", false
	}
	return dimension[:dot], format, true
}

func (r *Request) parseQuery(query string) error {
	seen := map[string]string{}
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if pair == "" {
			continue
		}
		rawName, rawValue, equals := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		if err1 != nil || err2 != nil {
			return &RequestError{"query", fmt.Sprintf("%q has a broken percent escape", bounded(rawName))}
		}
		if namesSecret(name) {
			continue
		}
		if single[name] {
			if before, again := seen[name]; again && before != value {
				return &RequestError{name, "given twice with different values"}
			}
			seen[name] = value
		}
		if err := r.parameter(name, value, equals); err != nil {
			return err
		}
	}
	return nil
}

// single are the reserved parameters that take one value.
var single = map[string]bool{"start": true, "end": true, "format": true, "limit": true}

// secretNames are names of parameters that hold secrets, their letters alone. No dimension of Adobe's has one.
var secretNames = map[string]bool{
	"bearer": true, "jwt": true, "authorization": true, "softwarestatement": true, "sig": true,
}

// secretEnds are how names of secrets end, their letters alone. No dimension of Adobe's ends so.
var secretEnds = []string{"token", "secret", "password", "passwd", "pwd", "key", "signature", "credential", "credentials", "assertion"}

// namesSecret tells whether a parameter holds a secret, however its name is spelt: in any case, among spaces, brackets and dashes, or
// as a part of a name (filter[access_token]).
func namesSecret(name string) bool {
	letters := strings.Map(func(r rune) rune {
		if fullWidth := r - 0xfee0; '!' <= fullWidth && fullWidth <= '~' {
			r = fullWidth
		}
		if !unicode.IsLetter(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
	for _, end := range secretEnds {
		if strings.HasSuffix(letters, end) {
			return true
		}
	}
	return secretNames[letters] || strings.HasPrefix(letters, "xamz") || strings.Contains(letters, "accesstoken") ||
		strings.Contains(letters, "clientsecret") || strings.Contains(letters, "softwarestatement")
}

func (r *Request) parameter(name, value string, equals bool) error {
	var err error
	switch name {
	case "start":
		r.Start, err = parseBound(value)
	case "end":
		r.End, err = parseBound(value)
	case "format":
		if r.Format == "" {
			r.Format = value
		}
	case "limit":
		r.Limit, err = parseLimit(value)
	case "metrics":
		r.Metrics = append(r.Metrics, value)
	default:
		f := Filter{Dimension: name, Operator: Equal, Value: value}
		if d, not := strings.CutSuffix(name, "!"); not && equals {
			f.Dimension, f.Operator = d, NotEqual
		}
		r.Filters = append(r.Filters, f)
	}
	if err != nil {
		return &RequestError{name, fmt.Sprintf("%q: %v", bounded(value), err)}
	}
	return nil
}

func parseLimit(value string) (int, error) {
	if value == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 || n > MaxLimit {
		return 0, errLimit
	}
	return n, nil
}

// parseBound takes no empty text: a program that has nothing to say there has mostly lost it.
func parseBound(value string) (Bound, error) {
	if value == "" {
		return Bound{}, errors.New("it is empty; leave it out for Adobe's default")
	}
	return ParseBound(value)
}
