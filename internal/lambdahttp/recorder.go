package lambdahttp

import (
	"bytes"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

var errTooLarge = errors.New("the answer is larger than a Lambda answer may be")

// recorder is the http.ResponseWriter of one request that is answered as a whole. A body with a Content-Encoding is written into the
// envelope as base64 as it comes, so that a large one is not copied; any other is kept until its end and becomes text if it is text and
// fits as such, else base64. Headers follow the body: their order in the envelope is free.
type recorder struct {
	head
	encoded  bool
	body     []byte // as written, or when encoded the envelope so far
	carry    []byte // when encoded, up to two bytes that make no whole group yet
	tooLarge bool
}

func newRecorder(method string) *recorder { return &recorder{head: newHead(method)} }

func (r *recorder) Write(p []byte) (int, error) {
	if body, err := r.begin(p); err != nil {
		return 0, err
	} else if !body {
		return len(p), nil
	}
	if r.tooLarge || len(r.body)+len(p) > maxEnvelope {
		r.tooLarge, r.body = true, nil
		return 0, errTooLarge
	}
	if r.encoded = r.sent.Get("Content-Encoding") != ""; r.encoded {
		r.encode(p)
	} else {
		r.body = append(r.body, p...)
	}
	return len(p), nil
}

// Both are openings of the envelope.
const (
	openBase64 = `{"isBase64Encoded":true,"body":"`
	openText   = `{"isBase64Encoded":false,"body":`
)

// headroom is what is set aside for the headers when the body is written, to be spared a copy.
const headroom = 2 << 10

func (r *recorder) encode(p []byte) {
	if r.body == nil {
		r.body = make([]byte, 0, len(openBase64)+base64.StdEncoding.EncodedLen(len(p))+headroom)
		r.body = append(r.body, openBase64...)
	}
	if n := len(r.carry); n > 0 {
		n = min(3-n, len(p))
		r.carry, p = append(r.carry, p[:n]...), p[n:]
		if len(r.carry) < 3 {
			return
		}
		r.body, r.carry = base64.StdEncoding.AppendEncode(r.body, r.carry), r.carry[:0]
	}
	whole := len(p) / 3 * 3
	r.body = base64.StdEncoding.AppendEncode(r.body, p[:whole])
	r.carry = append(r.carry, p[whole:]...)
}

// envelope ends the answer and returns it as API Gateway takes it. It is not ok when the answer does not fit.
func (r *recorder) envelope() (out []byte, ok bool) {
	r.end()
	if r.tooLarge {
		return nil, false
	}
	tail := r.tail()
	if r.encoded && r.body != nil {
		out = append(base64.StdEncoding.AppendEncode(r.body, r.carry), '"')
	} else if out, ok = r.text(maxEnvelope - len(tail)); !ok {
		out = make([]byte, 0, len(openBase64)+base64.StdEncoding.EncodedLen(len(r.body))+1+len(tail))
		out = append(base64.StdEncoding.AppendEncode(append(out, openBase64...), r.body), '"')
	}
	out = append(out, tail...)
	return out, len(out) <= maxEnvelope
}

func (r *recorder) text(limit int) (out []byte, ok bool) {
	if !utf8.Valid(r.body) {
		return nil, false
	}
	out = make([]byte, 0, len(openText)+len(r.body)+len(r.body)/4+headroom)
	out, _ = jsontext.AppendQuote(append(out, openText...), r.body)
	return out, len(out) <= limit
}

// tail returns the status and the headers, up to the end of the envelope. A repeated header goes into multiValueHeaders.
func (r *recorder) tail() []byte {
	r.endToEnd()
	if !r.bare {
		r.sent.Del("Content-Length") // API Gateway counts what it sends
	}
	out := append([]byte(nil), `,"statusCode":`...)
	out = strconv.AppendInt(out, int64(r.status), 10)
	single, multi := []byte(`,"headers":{`), []byte(`,"multiValueHeaders":{`)
	for _, name := range slices.Sorted(maps.Keys(r.sent)) {
		switch values := r.sent[name]; len(values) {
		case 0:
		case 1:
			single = appendString(appendString(single, name, ':'), values[0], ',')
		default:
			multi = append(appendString(multi, name, ':'), '[')
			for _, v := range values {
				multi = appendString(multi, v, ',')
			}
			multi = append(bytes.TrimSuffix(multi, []byte{','}), "],"...)
		}
	}
	out = append(append(out, bytes.TrimSuffix(single, []byte{','})...), '}')
	out = append(append(out, bytes.TrimSuffix(multi, []byte{','})...), '}')
	return append(out, '}')
}

// appendString appends s as JSON, in one line as a header must be, and a separator. What is not UTF-8 is replaced.
func appendString(dst []byte, s string, sep byte) []byte {
	dst, _ = jsontext.AppendQuote(dst, oneLine.Replace(s))
	return append(dst, sep)
}
