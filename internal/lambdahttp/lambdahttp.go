// Package lambdahttp serves an http.Handler behind Amazon API Gateway: a REST proxy event comes in, the handler sees the request
// that the client sent, and its answer goes out as the envelope that API Gateway expects.
//
// Source: Amazon API Gateway Developer Guide, Lambda proxy integrations.
package lambdahttp

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"
)

// maxEnvelope is Lambda's bound on a buffered answer, in bytes of the whole envelope.
const maxEnvelope = 6_291_556

// bodyLimit is what fits into maxEnvelope in base64, with room for the headers.
const bodyLimit = (maxEnvelope - 32<<10) / 4 * 3

// reserve is the time to write an answer and hand it over, once the handler has been told to end.
const reserve = 500 * time.Millisecond

// Handler serves API Gateway events. It has the method of lambda.Handler and may be called concurrently.
type Handler struct {
	next http.Handler
	log  *slog.Logger
}

// New returns a Handler that answers by h. What must not be told to callers goes to log.
func New(h http.Handler, log *slog.Logger) *Handler { return &Handler{h, log} }

// Invoke answers one event as a whole. The request's context is ctx, with a deadline half a second before Lambda's, and what BasePath and
// BodyLimit and Caller return. It fails only when the payload is not a REST proxy event; a handler that panics is answered with 500, an answer that
// does not fit with 413, both as problem details (RFC 9457).
func (h *Handler) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	e, err := h.event(ctx, payload)
	if err != nil {
		return nil, err
	}
	ctx, cancel := soon(ctx)
	defer cancel()
	rec := newRecorder(e.HTTPMethod)
	req, err := e.request(ctx, bodyLimit)
	if err != nil {
		h.malformed(ctx, rec, err)
	} else if !h.serve(rec, req, e.RequestContext.RequestID) {
		rec = newRecorder(e.HTTPMethod)
		failed(rec, e.RequestContext.RequestID)
	}
	if out, ok := rec.envelope(); ok {
		return out, nil
	}
	h.log.ErrorContext(ctx, "the answer does not fit into a Lambda answer", "event", "too_large", "limit", maxEnvelope, "request_id", e.RequestContext.RequestID)
	rec = newRecorder(e.HTTPMethod)
	problem(rec, http.StatusRequestEntityTooLarge, "The answer is larger than can be sent; ask for less.")
	out, _ := rec.envelope()
	return out, nil
}

// event reads a payload. What it refuses is logged.
func (h *Handler) event(ctx context.Context, payload []byte) (*event, error) {
	e := new(event)
	err := json.Unmarshal(payload, e)
	if err == nil {
		err = e.check()
	}
	if err != nil {
		err = fmt.Errorf("the event is not an API Gateway REST proxy event: %w", err)
		h.log.ErrorContext(ctx, "the event is refused", "event", "event_refused", "error", err)
		return nil, err
	}
	return e, nil
}

// soon returns ctx with a deadline before its own.
func soon(ctx context.Context) (context.Context, context.CancelFunc) {
	if deadline, ok := ctx.Deadline(); ok {
		return context.WithDeadline(ctx, deadline.Add(-reserve))
	}
	return context.WithCancel(ctx)
}

// serve runs the handler. It is not ok when that panics, which is logged.
func (h *Handler) serve(w http.ResponseWriter, req *http.Request, id string) (ok bool) {
	defer func() {
		switch cause := recover(); {
		case cause == http.ErrAbortHandler:
			h.log.ErrorContext(req.Context(), "the answer broke off", "event", "broke_off", "request_id", id)
		case cause != nil:
			h.log.ErrorContext(req.Context(), "panic", "event", "panic", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()),
				"request_id", id)
		}
	}()
	h.next.ServeHTTP(w, req)
	return true
}

func (h *Handler) malformed(ctx context.Context, w http.ResponseWriter, err error) {
	h.log.InfoContext(ctx, "the request is malformed", "event", "refused", "status", http.StatusBadRequest, "error", err)
	problem(w, http.StatusBadRequest, fmt.Sprintf("The request is malformed: %v.", err))
}

func failed(w http.ResponseWriter, id string) {
	problem(w, http.StatusInternalServerError, fmt.Sprintf("The request failed; the log tells why under request id %q.", id))
}

func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	body, _ := json.Marshal(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, detail})
	w.Write(body)
}

type contextKey struct{}

// facts are what a request's context tells beyond the request.
type facts struct {
	basePath, caller string
	bodyLimit        int // zero: none
}

// Caller returns the id of the API key that the request came with; it is empty where there was none.
func Caller(ctx context.Context) string {
	f, _ := ctx.Value(contextKey{}).(facts)
	return f.caller
}

// BasePath returns the path under which the client sees the handler's root: the stage of the API, or the base path of a custom
// domain, such as /prod. It begins with a slash and does not end in one, and needs no escaping; it is empty at a domain's
// root and for requests that did not come through a Handler.
func BasePath(ctx context.Context) string {
	f, _ := ctx.Value(contextKey{}).(facts)
	return f.basePath
}

// BodyLimit returns the size up to which any body of an answer fits, in bytes as written to the ResponseWriter. Without a
// limit, as for requests that are answered by Stream or did not come through a Handler, ok is false.
func BodyLimit(ctx context.Context) (limit int, ok bool) {
	f, _ := ctx.Value(contextKey{}).(facts)
	return f.bodyLimit, f.bodyLimit > 0
}
