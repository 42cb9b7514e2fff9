package cmu

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// What callers branch on, by [errors.Is]. The first five are kinds of *[Error]: what to do differs, and nothing here does it.
var (
	// ErrStatementRefused: Adobe does not accept the software statement. Asking again changes nothing: a person must download
	// another, or get this one approved.
	ErrStatementRefused = errors.New("software statement refused")
	// ErrInvalidClient: the client credentials are no longer good. Register again, once.
	ErrInvalidClient = errors.New("client credentials refused")
	// ErrUnauthorized: the access token is missing, expired or revoked (401). Get another.
	ErrUnauthorized = errors.New("access token refused")
	// ErrThrottled: too many calls (429), or none served for now (503). Wait for RetryAfter of the *Error, where it is told.
	ErrThrottled = errors.New("asked to wait")
	// ErrTooWide: Adobe refuses the selection as too large. Ask for less: a shorter window, fewer dimensions, more filters.
	ErrTooWide = errors.New("selection too wide")
	// ErrTooLarge: a report was longer than the client's MaxBody or something in it than [MaxRow] and the bounds beside it allow,
	// or the answer to a registration was longer than 64 KiB, or headers than the transport reads.
	ErrTooLarge = errors.New("answer too large")
	// ErrNotAnswer: with a status of success came something else than the answer to a registration or to a call for a token: a login
	// page of the network perhaps, or a proxy's.
	ErrNotAnswer = errors.New("not an answer of the authorization server")
	// ErrNotReport: an answer is not a report that this package understands.
	ErrNotReport = errors.New("not a CMU report")
)

// answerError says what an answer is not. It matches ErrNotAnswer.
type answerError struct{ text string }

func (e *answerError) Error() string { return e.text }

func (e *answerError) Is(target error) bool { return target == ErrNotAnswer }

// Error is an answer of Adobe's that is not a success. It holds no secret, and no URL. Another error of a call means that no usable
// answer came: whether Adobe saw the call is then not known, unless the error says that a URL or the request is wrong.
//
// Source: RFC 6749 section 5.2, RFC 7591 section 3.2.2; Adobe, DCR and Concurrency Monitoring usage API, "Responses".
type Error struct {
	// Op is the call: "register", "token" or "report".
	Op string
	// Status is the HTTP status.
	Status int
	// Code is the OAuth error code, such as invalid_client; empty where there is none, as for reports.
	Code string
	// Reason is Adobe's text in one line, cleaned of markup and secrets and cut after 300 characters; it may be empty. Empty for
	// register and token, whose answers may hold what nobody must see.
	Reason string
	// RetryAfter is how long to wait before the next call, from one second to one hour: by Retry-After, else by Expires, else a
	// second for register and token, and for a report that was throttled (429) a minute. Zero for a report's 503 that names no time,
	// which tells of that report alone, and for all that is not [ErrThrottled].
	RetryAfter time.Duration
}

// Error returns the call, the status, and code or reason, in one line.
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

// Is matches the sentinels: see [ErrStatementRefused] and those after it.
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
	invisible = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?is)<(script|style|head)\b.*?</(script|style|head)>`)
	})
	markup = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?s)<[^>]*>`)
	})
)

// Reason turns a body that is not what was asked for, text or HTML, into one line that people can be shown: without markup and
// what steers terminals, without secrets as [Redact] takes them out, and bounded.
func Reason(body []byte, secrets ...Secret) string {
	s := strings.ToValidUTF8(string(body), "")
	if t := strings.TrimSpace(s); strings.HasPrefix(t, "<") {
		s = html.UnescapeString(markup().ReplaceAllString(invisible().ReplaceAllString(t, " "), " "))
	}
	s = Redact(strings.Join(strings.Fields(visible(s)), " "), secrets...)
	if r := []rune(s); len(r) > maxReason {
		s = string(r[:maxReason]) + "…"
	}
	return s
}

// steers tells whether a character is none to be seen but steers how others are: controls, the direction of writing, line ends. The
// joiners of scripts and of emoji are harmless.
func steers(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) && r != '\u200c' && r != '\u200d'
}

// visible has a space in the place of each character that steers.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if steers(r) {
			return ' '
		}
		return r
	}, s)
}

// Waits where Adobe names none: a bucket refills at one request a second at the authorization server, and a throttled report asks
// for about a minute. An absurd wait is cut: asking once an hour harms nobody.
const (
	defaultAuthWait   = time.Second
	defaultReportWait = time.Minute
	maxWait           = time.Hour
)

// wait reads how long to wait from Retry-After, else from Expires, both measured against the server's own Date.
func (e *Error) wait(h http.Header, now time.Time) time.Duration {
	wait := defaultReportWait
	if e.Op != opReport {
		wait = defaultAuthWait
	}
	named := true
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
	}
	after := h.Get("Retry-After")
	if s, err := strconv.ParseUint(after, 10, 32); err == nil || errors.Is(err, strconv.ErrRange) { // then it is the most that there is
		wait = time.Duration(s) * time.Second
	} else if at, err := http.ParseTime(after); err == nil {
		wait = at.Sub(now)
	} else if at, err := http.ParseTime(h.Get("Expires")); err == nil && at.After(now) {
		wait = at.Sub(now)
	} else {
		named = false
	}
	if !named && e.Op == opReport && e.Status == http.StatusServiceUnavailable {
		return 0
	}
	return min(max(wait, time.Second), maxWait)
}
