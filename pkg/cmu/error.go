package cmu

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// What callers branch on. An *Error matches them by errors.Is.
var (
	// ErrStatementRefused: Adobe does not accept the software statement. Terminal: asking again changes nothing.
	ErrStatementRefused = errors.New("software statement refused")
	// ErrInvalidClient: the client credentials are no longer good.
	ErrInvalidClient = errors.New("client credentials refused")
	// ErrUnauthorized: the access token is missing, expired or revoked (401).
	ErrUnauthorized = errors.New("access token refused")
	// ErrThrottled: too many calls (429), or none served for now (503). RetryAfter tells how long to wait.
	ErrThrottled = errors.New("asked to wait")
	// ErrTooWide: Adobe refuses the selection as too large.
	ErrTooWide = errors.New("selection too wide")
	// ErrTooLarge: the answer was longer than the client's limit.
	ErrTooLarge = errors.New("answer too large")
	// ErrNotReport: the answer is not a report that this package understands.
	ErrNotReport = errors.New("not a CMU report")
)

// Error is an answer of Adobe's that is not a success.
type Error struct {
	Op     string // "register", "token" or "report"
	Status int
	// Code is the OAuth error code, such as invalid_client; empty for reports.
	Code string
	// Reason is Adobe's text, cleaned of markup and bounded; it may be empty.
	Reason string
	// RetryAfter is how long Adobe asks to wait before the next call: set for 429 and 503, else zero.
	RetryAfter time.Duration
}

func (e *Error) Error() string {
	s := fmt.Sprintf("adobe %s: status %d", e.Op, e.Status)
	if e.Code != "" {
		s += " " + e.Code
	}
	if e.Reason != "" && e.Reason != e.Code {
		s += ": " + e.Reason
	}
	return s
}

// Is matches the sentinels above.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrStatementRefused:
		return e.Op == opRegister && (e.Code == "invalid_software_statement" || e.Code == "unapproved_software_statement")
	case ErrInvalidClient:
		return e.Op == opToken && e.Code == "invalid_client"
	case ErrUnauthorized:
		return e.Op == opReport && e.Status == http.StatusUnauthorized
	case ErrThrottled:
		return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable
	case ErrTooWide:
		return e.Op == opReport && e.Status == http.StatusBadRequest && strings.Contains(strings.ToLower(e.Reason), "too wide")
	}
	return false
}

// maxReason bounds what is read and kept of an error body.
const (
	maxReasonRead = 8 << 10
	maxReason     = 300
)

var (
	invisible = regexp.MustCompile(`(?is)<(script|style|head)\b.*?</(script|style|head)>`)
	markup    = regexp.MustCompile(`(?s)<[^>]*>`)
)

// cleanReason turns an error body, text or HTML, into one bounded line.
func cleanReason(body []byte) string {
	s := strings.ToValidUTF8(string(body), "")
	if t := strings.TrimSpace(s); strings.HasPrefix(t, "<") {
		s = html.UnescapeString(markup.ReplaceAllString(invisible.ReplaceAllString(t, " "), " "))
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxReason {
		s = string(r[:maxReason]) + "…"
	}
	return s
}

// Waits where Adobe names none: a bucket refills at one request a second at the authorization server, and reports ask for
// about a minute. An absurd wait is cut: asking once an hour harms nobody.
const (
	defaultAuthWait   = time.Second
	defaultReportWait = time.Minute
	maxWait           = time.Hour
)

// retryAfter reads how long to wait from Retry-After, else from Expires, both measured against the server's own Date.
func retryAfter(op string, h http.Header, now time.Time) time.Duration {
	wait := defaultReportWait
	if op != opReport {
		wait = defaultAuthWait
	}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	after := h.Get("Retry-After")
	if s, err := strconv.ParseUint(after, 10, 32); err == nil {
		wait = time.Duration(s) * time.Second
	} else if at, err := http.ParseTime(after); err == nil {
		wait = at.Sub(now)
	} else if at, err := http.ParseTime(h.Get("Expires")); err == nil && at.After(now) {
		wait = at.Sub(now)
	}
	return min(max(wait, time.Second), maxWait)
}
