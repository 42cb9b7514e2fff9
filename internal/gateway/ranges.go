package gateway

import (
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
)

var acceptRanges = []string{"bytes"}

// byteRange is what a Range asks for: from first to last, or with first below zero the last bytes, as many as last says.
type byteRange struct{ first, last int64 }

// rangeOf returns the range that is to be answered. Several ranges, other units, what is no range, and a range of a
// representation that If-Range does not name are all answered with the whole. Source: RFC 9110 sections 13.1.5 and 14.2.
func rangeOf(r *http.Request, etag string) (b byteRange, ok bool) {
	fields := r.Header["Range"]
	if len(fields) != 1 || r.Method != http.MethodGet {
		return b, false
	}
	// There is no Last-Modified, so a date names nothing. The comparison is strong.
	if named, given := r.Header["If-Range"]; given && (len(named) != 1 || strings.TrimSpace(named[0]) != etag) {
		return b, false
	}
	unit, set, _ := strings.Cut(fields[0], "=")
	if !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return b, false
	}
	first, last, dash := strings.Cut(strings.TrimSpace(set), "-")
	if !dash {
		return b, false
	}
	b = byteRange{-1, math.MaxInt64}
	if first != "" {
		if b.first, ok = position(first); !ok {
			return b, false
		}
	}
	if last != "" {
		if b.last, ok = position(last); !ok {
			return b, false
		}
	}
	return b, (first != "" || last != "") && b.first <= b.last
}

// position reads a number of bytes. One past all bounds is as good as the largest.
func position(text string) (int64, bool) {
	if strings.Trim(text, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// of returns the part of a body of size bytes. It is not ok if there is none.
func (b byteRange) of(size int) (s span, ok bool) {
	if b.first < 0 {
		return span{size - int(min(b.last, int64(size))), size}, b.last > 0 && size > 0
	}
	if b.first >= int64(size) {
		return s, false
	}
	return span{int(b.first), int(min(b.last, int64(size)-1)) + 1}, true
}

// span is a part of a body: from a byte, to before another.
type span struct{ from, to int }

// errSent ends the writing of a body of which no more is wanted.
var errSent = errors.New("the range is sent")

// cutter lets a span of what is written through, and ends the writing with errSent.
type cutter struct {
	to     io.Writer
	span   span
	offset int // of what comes next
	failed error
}

func (c *cutter) Write(p []byte) (int, error) {
	from, to := max(c.span.from-c.offset, 0), min(c.span.to-c.offset, len(p))
	c.offset += len(p)
	if from < to {
		if _, c.failed = c.to.Write(p[from:to]); c.failed != nil {
			return 0, c.failed
		}
	}
	if c.offset >= c.span.to {
		return 0, errSent
	}
	return len(p), nil
}

// measure counts what is written.
type measure int

func (m *measure) Write(p []byte) (int, error) {
	*m += measure(len(p))
	return len(p), nil
}
