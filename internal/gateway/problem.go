package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cmu-gateway/internal/fair"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

// problem is the body of an error answer. Its type is always about:blank, so its title is the status's; code tells cases
// apart and is stable. Source: RFC 9457.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	// Adobe is the status of Adobe's answer, where that is the cause.
	Adobe int `json:"adobe_status,omitempty"`
	// Seconds repeats Retry-After. Done of Total blocks are there already.
	Seconds int64 `json:"retry_after,omitempty"`
	Done    *int  `json:"blocks_done,omitempty"`
	Total   int   `json:"blocks_total,omitempty"`
	// Narrower are requests that together ask for the same.
	Narrower []narrower `json:"narrower,omitempty"`
	// Nearest are reports that are known, instead of one that Adobe does not have.
	Nearest []string `json:"nearest,omitempty"`

	RetryAfter time.Duration `json:"-"` // zero: not told
}

// Waits where nobody names one.
const (
	storePause  = 5 * time.Second
	accessPause = 10 * time.Second
)

func (h *handler) problem(w http.ResponseWriter, r *http.Request, p problem) {
	if l, ok := w.(*line); ok {
		l.code = p.Code
	}
	header := w.Header()
	for _, name := range []string{"Etag", "Age", "Accept-Ranges", "Content-Encoding", "Content-Length", "Content-Disposition",
		headerIncomplete, headerBeforeHorizon, headerSettledUntil} {
		delete(header, name)
	}
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	if p.RetryAfter > 0 {
		p.Seconds = -wholeSeconds(-p.RetryAfter)
		header.Set("Retry-After", strconv.FormatInt(p.Seconds, 10))
	}
	header.Set("Content-Type", "application/problem+json")
	header.Set("Cache-Control", "no-store")
	if vary := header.Get("Vary"); vary == "" || vary == varyOrigin[0] {
		header["Vary"] = h.varyPage
	}
	body, err := json.Marshal(p)
	if err != nil {
		panic(err) // nothing in a problem can fail
	}
	if wantsPage(r.Header["Accept"]) {
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", pagePolicy)
		body = h.problemPage(r, p)
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(p.Status)
	w.Write(body)
}

func (h *handler) notAllowed(w http.ResponseWriter, r *http.Request, methods []string) {
	allowed := strings.Join(methods, ", ")
	w.Header().Set("Allow", allowed)
	h.problem(w, r, problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: "Allowed here: " + allowed + "."})
}

// statusClientGone is what servers log for a caller that left; nobody reads it.
const statusClientGone = 499

// fail answers with what became of a request, which source told. The log gets the cause, the caller a code and a sentence.
func (h *handler) fail(w http.ResponseWriter, r *http.Request, source reports.Source, err error) {
	ctx := r.Context()
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		h.Log.InfoContext(ctx, "the caller left before the answer", "path", r.URL.Path)
		w.WriteHeader(statusClientGone)
		return
	}
	if h.madeUp() { // which may just have been learnt
		w.Header()[cmu.HeaderSimulated] = simulated
	}
	if errors.Is(err, reports.ErrNotCached) && inPassing(ctx) {
		h.problem(w, r, problem{Status: http.StatusServiceUnavailable, Code: "overloaded", RetryAfter: passingPause,
			Detail: "Too many requests are being answered at once, and this one needs Adobe. Ask again in some seconds."})
		return
	}
	p := h.explained(ctx, r.URL.Path, err)
	if p.Adobe == http.StatusNotFound {
		p.Nearest = h.near(r)
	}
	switch {
	case p.Code == "bad_request" || p.Code == "too_long":
	case errors.Is(err, reports.ErrNotCached):
		w.Header().Set("Cache-Status", cacheName+"; detail=only-if-cached")
	case source == reports.FromMemory:
		w.Header().Set("Cache-Status", cacheName+"; hit; detail=memory") // a refusal, remembered
	default:
		w.Header().Set("Cache-Status", failureStatus(p.Adobe, err))
	}
	h.problem(w, r, p)
}

// explained is what callers are told of an error. What is no fault of theirs is logged with its cause.
func (g Gateway) explained(ctx context.Context, path string, err error) problem {
	p := problemOf(err)
	if p.Status >= 500 {
		level := slog.LevelWarn
		if errors.Is(err, reports.ErrNotCached) {
			level = slog.LevelInfo // as the caller wanted it
		}
		g.Log.Log(ctx, level, "request failed", "status", p.Status, "code", p.Code, "path", path, "error", err)
	}
	return p
}

// Explain says in a sentence what became of a request for a report that failed, and when to ask again (zero: not told). It is what
// a caller over HTTP would be told, and logged like that.
func (g Gateway) Explain(ctx context.Context, asked cmu.Request, err error) (detail string, retryAfter time.Duration) {
	p := g.filled().explained(ctx, reportsPath+pathOf(asked.Path), err)
	return p.Detail, p.RetryAfter
}

// problemOf is what callers are told of an error. What is no fault of the request tells when it is tried again, where that is known.
func problemOf(err error) problem {
	p := kindOf(err)
	var failed *reports.FailedError
	if errors.As(err, &failed) && (p.Status >= 500 || p.Code == "report_refused") {
		p.RetryAfter = max(failed.RetryAfter, time.Second)
	}
	return p
}

func kindOf(err error) problem {
	var (
		request     *cmu.RequestError
		unavailable *reports.UnavailableError
		adobe       *cmu.Error
		notReport   *upstream.NotReportError
		size        *cmu.SizeError
	)
	switch {
	case errors.As(err, &request) && request.TooLong():
		return problem{Status: http.StatusRequestURITooLong, Code: "too_long", Detail: sentence("The request is too long: " + request.Error())}
	case errors.As(err, &request):
		return problem{Status: http.StatusBadRequest, Code: "bad_request", Detail: sentence("The request is not valid: " + request.Error())}
	case errors.As(err, &unavailable):
		p := problem{Status: http.StatusServiceUnavailable, Code: "unavailable", RetryAfter: max(unavailable.RetryAfter, time.Second)}
		if errors.Is(err, fair.ErrOverloaded) {
			p = problem{Status: p.Status, Code: "overloaded", RetryAfter: p.RetryAfter}
		}
		if unavailable.Total > 0 {
			p.Done, p.Total = &unavailable.Done, unavailable.Total
		}
		if errors.As(unavailable.Cause, &adobe) {
			p.Adobe = adobe.Status
		}
		if errors.Is(unavailable.Cause, reports.ErrStore) {
			p.Code = "store_unavailable"
		}
		p.Detail = sentence(unavailable.Error())
		return p
	case errors.Is(err, reports.ErrStore):
		return problem{Status: http.StatusServiceUnavailable, Code: "store_unavailable", RetryAfter: storePause,
			Detail: "What is kept cannot be read for now. Try again."}
	case errors.Is(err, reports.ErrNotCached):
		return problem{Status: http.StatusGatewayTimeout, Code: "not_cached",
			Detail: "Not in the cache, and only-if-cached forbids to ask Adobe."}
	case errors.As(err, new(*upstream.RefusedError)):
		return problem{Status: http.StatusForbidden, Code: "report_refused", Adobe: http.StatusUnauthorized,
			Detail: "Adobe refuses this report (401), though it takes the gateway's access token for others."}
	case errors.As(err, &adobe):
		return adobeProblem(adobe)
	case errors.Is(err, upstream.ErrSlow):
		return problem{Status: http.StatusGatewayTimeout, Code: "timeout",
			Detail: "Adobe takes much longer for this report than for others, which would have to wait."}
	case errors.Is(err, upstream.ErrTimeout), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return problem{Status: http.StatusGatewayTimeout, Code: "timeout", Detail: "Adobe did not answer in time."}
	case errors.As(err, &size):
		return problem{Status: http.StatusBadGateway, Code: "adobe_too_large",
			Detail: sentence("Adobe's answer is larger than this gateway reads: " + size.What)}
	case errors.Is(err, cmu.ErrTooLarge):
		return problem{Status: http.StatusBadGateway, Code: "adobe_too_large",
			Detail: "Adobe's answer is larger than this gateway reads. Ask for a narrower window."}
	case errors.As(err, &notReport) && notReport.Begins != "":
		return problem{Status: http.StatusBadGateway, Code: "not_understood", Detail: sentence("Adobe's answer is no report. It begins: " + notReport.Begins)}
	case errors.Is(err, cmu.ErrNotReport):
		return problem{Status: http.StatusBadGateway, Code: "not_understood", Detail: "Adobe's answer is no report."}
	}
	return problem{Status: http.StatusBadGateway, Code: "adobe_unreachable",
		Detail: "Adobe could not be reached, or its answer broke off."}
}

// adobeProblem passes on Adobe's refusal of what was asked, and takes the blame for all else.
func adobeProblem(e *cmu.Error) problem {
	told := fmt.Sprintf("Adobe answered with status %d", e.Status)
	if e.Reason != "" {
		told += ": " + e.Reason
	}
	told = sentence(told)
	switch {
	case e.Op != "report" || e.Status == http.StatusUnauthorized:
		return problem{Status: http.StatusServiceUnavailable, Code: "no_access", Adobe: e.Status, RetryAfter: max(e.RetryAfter, accessPause),
			Detail: "The gateway has no access to Adobe for now."}
	case errors.Is(e, cmu.ErrThrottled):
		return problem{Status: http.StatusServiceUnavailable, Code: "unavailable", Adobe: e.Status,
			RetryAfter: max(e.RetryAfter, time.Second), Detail: told}
	case errors.Is(e, cmu.ErrTooWide):
		return problem{Status: e.Status, Code: "too_wide", Adobe: e.Status, Detail: told}
	case e.Status >= 400 && e.Status < 500 && e.Status != http.StatusMethodNotAllowed && e.Status != http.StatusNotAcceptable:
		return problem{Status: e.Status, Code: "refused_by_adobe", Adobe: e.Status, Detail: told}
	}
	return problem{Status: http.StatusBadGateway, Code: "adobe_failed", Adobe: e.Status, Detail: told}
}

// sentence begins text with a capital and ends it.
func sentence(text string) string {
	if text == "" {
		return text
	}
	if c := text[0]; 'a' <= c && c <= 'z' {
		text = string(c-'a'+'A') + text[1:]
	}
	if strings.HasSuffix(text, ".") || strings.HasSuffix(text, "…") || strings.HasSuffix(text, "!") {
		return text
	}
	return text + "."
}

// sendJSON sends a small document of the service's own.
func sendJSON(w http.ResponseWriter, v any) {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err)
	}
	header := w.Header()
	header.Set("Content-Type", "application/json")
	if header.Get("Cache-Control") == "" {
		header.Set("Cache-Control", "no-store")
	}
	header.Set("Content-Length", strconv.Itoa(len(body)+1))
	w.Write(append(body, '\n'))
}
