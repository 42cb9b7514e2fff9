package lambdahttp

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda/messages"
)

// Stream answers one event as the answer is made: it returns once 64 KiB of the body are there, or the answer is whole. The rest comes as the
// response is read, which must be closed when it is not read to its end. The request is that of Invoke, without a BodyLimit. It fails, and answers, as
// Invoke does; when a handler panics, or writes less than its Content-Length, after some of the body has gone out, reading it fails, which the
// runtime client turns into the error trailers of the stream.
func (h *Handler) Stream(ctx context.Context, payload []byte) (*events.APIGatewayProxyStreamingResponse, error) {
	e, err := h.event(ctx, payload)
	if err != nil {
		return nil, err
	}
	ctx, cancel := soon(ctx)
	s := newStream(e.HTTPMethod)
	req, err := e.request(ctx, 0)
	if err != nil {
		defer cancel()
		h.malformed(ctx, s, err)
		return s.whole(), nil
	}
	go func() {
		defer cancel()
		id := e.RequestContext.RequestID
		ok := h.serve(s, req, id)
		if ok && !s.complete() {
			h.log.ErrorContext(ctx, "the answer is not as long as it said", "event", "broke_off", "request_id", id)
			ok = false
		}
		switch {
		case s.out != nil && ok:
			s.finish()
		case s.out != nil:
			s.out.CloseWithError(messages.InvokeResponse_Error{Type: "Answer.BrokeOff", Message: "the answer broke off; the log tells why"})
		case ok:
			s.answer <- s.whole()
		default:
			instead := newStream(e.HTTPMethod)
			failed(instead, id)
			s.answer <- instead.whole()
		}
	}()
	return <-s.answer, nil
}

// held is how much of a body is kept back: a handler that fails until then can still be answered with 500, and a body of small pieces
// goes out in larger ones.
const held = 64 << 10

// stream is the http.ResponseWriter of one request that is answered as the answer is made.
type stream struct {
	head
	answer chan *events.APIGatewayProxyStreamingResponse
	kept   []byte // what has not gone out yet
	size   int64  // of all that was written
	out    *io.PipeWriter
}

func newStream(method string) *stream {
	return &stream{head: newHead(method), answer: make(chan *events.APIGatewayProxyStreamingResponse, 1)}
}

func (s *stream) Write(p []byte) (int, error) {
	if body, err := s.begin(p); err != nil {
		return 0, err
	} else if !body {
		return len(p), nil
	}
	s.size += int64(len(p))
	if len(s.kept)+len(p) <= held {
		s.kept = append(s.kept, p...)
		return len(p), nil
	}
	if s.out == nil {
		in, out := io.Pipe()
		s.out = out
		s.answer <- s.response(in)
	}
	if _, err := s.out.Write(s.kept); err != nil {
		return 0, err
	}
	if s.kept = s.kept[:0]; len(p) >= held {
		return s.out.Write(p)
	}
	s.kept = append(s.kept, p...)
	return len(p), nil
}

// complete says whether all is there that was announced.
func (s *stream) complete() bool {
	s.end()
	length, err := strconv.ParseInt(s.sent.Get("Content-Length"), 10, 64)
	return s.bare || err != nil || length == s.size
}

func (s *stream) finish() {
	_, err := s.out.Write(s.kept)
	s.out.CloseWithError(err)
}

// whole returns an answer of which nothing has gone out.
func (s *stream) whole() *events.APIGatewayProxyStreamingResponse {
	s.end()
	return s.response(bytes.NewReader(s.kept))
}

// response tells of a Content-Length where there is one: a caller sees by it, too, that the end is missing.
func (s *stream) response(body io.Reader) *events.APIGatewayProxyStreamingResponse {
	s.endToEnd()
	r := &events.APIGatewayProxyStreamingResponse{StatusCode: s.status, Body: body,
		Headers: map[string]string{}, MultiValueHeaders: map[string][]string{}}
	for name, values := range s.sent {
		switch len(values) {
		case 0:
		case 1:
			r.Headers[name] = oneLine.Replace(values[0])
		default:
			for _, v := range values {
				r.MultiValueHeaders[name] = append(r.MultiValueHeaders[name], oneLine.Replace(v))
			}
		}
	}
	return r
}

var _ http.ResponseWriter = (*stream)(nil)
