package gateway

import (
	"log/slog"
	"net/http"
	"time"
)

// line is the line in the log that a request leaves: what metric filters count, and what tells who asked for how much. It stands in the
// place of the http.ResponseWriter while the request is answered.
type line struct {
	http.ResponseWriter
	began  time.Time
	status int
	bytes  int64
	code   string      // of a problem
	answer []slog.Attr // of a report that was answered
}

func (l *line) WriteHeader(status int) {
	if l.status == 0 && status >= 200 {
		l.status = status
	}
	l.ResponseWriter.WriteHeader(status)
}

func (l *line) Write(p []byte) (int, error) {
	if l.status == 0 {
		l.status = http.StatusOK
	}
	n, err := l.ResponseWriter.Write(p)
	l.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController through.
func (l *line) Unwrap() http.ResponseWriter { return l.ResponseWriter }

// write logs reports, and whatever was refused or failed. Event is answered, refused (4xx) or failed (5xx). The path is escaped as in a
// URL; a query is left out.
func (l *line) write(h *handler, r *http.Request) {
	event, message := "answered", "report answered"
	switch {
	case l.status >= 500:
		event, message = "failed", "no answer"
	case l.status >= 400:
		event, message = "refused", "request refused"
	case l.answer == nil:
		return
	}
	attrs := append(make([]slog.Attr, 0, 11), slog.String("event", event), slog.Int("status", l.status), slog.Int64("bytes", l.bytes),
		slog.Int64("milliseconds", h.Now().Sub(l.began).Milliseconds()))
	if h.Caller != nil {
		if id := h.Caller(r.Context()); id != "" {
			attrs = append(attrs, slog.String("api_key_id", id))
		}
	}
	if l.code != "" {
		attrs = append(attrs, slog.String("code", l.code), slog.String("method", clip(r.Method)), slog.String("path", clip(r.URL.EscapedPath())))
	}
	h.Log.LogAttrs(r.Context(), slog.LevelInfo, message, append(attrs, l.answer...)...)
}

// clip bounds what a caller may write into the log.
func clip(text string) string {
	const most = 300
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
