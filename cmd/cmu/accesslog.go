package main

import (
	"log/slog"
	"net/http"
	"time"
)

// logged returns h with a log line for each request. The query is left out: it may hold a token.
func logged(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		c := &counter{ResponseWriter: w, status: http.StatusOK}
		defer func() {
			log.InfoContext(r.Context(), "request", "method", r.Method, "path", r.URL.EscapedPath(), "status", c.status, "bytes", c.bytes,
				"ms", float64(time.Since(began).Microseconds())/1000, "cache", c.Header().Get("Cache-Status"))
		}()
		h.ServeHTTP(c, r)
	})
}

// counter notes what is answered.
type counter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (c *counter) WriteHeader(status int) {
	if status >= 200 {
		c.status = status
	}
	c.ResponseWriter.WriteHeader(status)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController through.
func (c *counter) Unwrap() http.ResponseWriter { return c.ResponseWriter }
