package gateway

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/upstream"
)

// directives reads what a caller asks of the cache. Source: RFC 9111 section 5.2.1 and, for Pragma, 5.4.
func directives(h http.Header) (d reports.Directives) {
	fields, given := h["Cache-Control"]
	if !given {
		for _, pragma := range h["Pragma"] {
			d.NoCache = d.NoCache || strings.EqualFold(strings.TrimSpace(pragma), "no-cache")
		}
		return d
	}
	for _, field := range fields {
		for member := range strings.SplitSeq(field, ",") {
			name, value, _ := strings.Cut(member, "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "no-cache":
				d.NoCache = true
			case "only-if-cached":
				d.OnlyIfCached = true
			case "max-age":
				s, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
				switch {
				case err != nil:
				case s == 0:
					d.NoCache = true
				default:
					d.MaxAge = time.Duration(s) * time.Second
				}
			}
		}
	}
	return d
}

// cacheName is ours in Cache-Status. Source: RFC 9211.
const cacheName = "cmu-gateway"

func cacheStatus(a *reports.Answer, source reports.Source, d reports.Directives, now time.Time) string {
	b := make([]byte, 0, 80)
	b = append(b, cacheName...)
	switch {
	case source != reports.FromAdobe:
		b = append(b, "; hit"...)
	case d.NoCache || d.MaxAge > 0:
		b = append(b, "; fwd=request; fwd-status=200"...)
	default:
		b = append(b, "; fwd=miss; fwd-status=200"...)
	}
	ttl := wholeSeconds(a.Fresh.Sub(now))
	if lacking(a) {
		ttl = min(ttl, 0)
	} else if source == reports.FromAdobe {
		b = append(b, "; stored"...)
	}
	b = append(b, "; ttl="...)
	b = strconv.AppendInt(b, ttl, 10)
	switch source {
	case reports.FromMemory:
		b = append(b, "; detail=memory"...)
	case reports.FromStore:
		b = append(b, "; detail=store"...)
	case reports.Stale:
		b = append(b, "; detail=stale"...)
	}
	return string(b)
}

// failureStatus is the Cache-Status of an answer that could not be given because of err; status is Adobe's, or 0. Nothing is forwarded
// while Adobe is not to be asked, or there is nothing to ask it with. Source: RFC 9211 section 2.
func failureStatus(status int, err error) string {
	var held *upstream.PauseError
	switch {
	case status == 0 && errors.As(err, &held) && held.Cause == nil:
		return cacheName + "; detail=pause"
	case status == 0 && errors.As(err, &held):
		return cacheName + "; detail=no-access"
	case status == 0:
		return cacheName + "; fwd=miss"
	}
	return cacheName + "; fwd=miss; fwd-status=" + strconv.Itoa(status)
}

// wholeSeconds rounds down, so that nothing is called fresh for longer than it is.
func wholeSeconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d < 0 && d%time.Second != 0 {
		s--
	}
	return s
}

// cacheControl tells the whole life of an answer: caches subtract Age from it. One that lacks rows for no reason of the caller's is
// asked for again each time, as the next may have them. Source: RFC 9111 sections 4.2 and 5.2.2.4.
func cacheControl(a *reports.Answer) string {
	if lacking(a) {
		return "private, no-cache"
	}
	return "private, max-age=" + strconv.FormatInt(max(wholeSeconds(a.Fresh.Sub(a.Fetched)), 0), 10)
}

func age(a *reports.Answer, now time.Time) string {
	return strconv.FormatInt(max(wholeSeconds(now.Sub(a.Fetched)), 0), 10)
}

// matches compares If-None-Match with a strong tag, weakly as is right for it, or If-Match strongly. Source: RFC 9110 sections 13.1.1
// and 13.1.2.
func matches(fields []string, etag string, strong bool) bool {
	for _, field := range fields {
		for field != "" {
			field = strings.TrimLeft(field, " \t,")
			if field == "*" {
				return true
			}
			var weak bool
			if field, weak = strings.CutPrefix(field, "W/"); len(field) < 2 || field[0] != '"' {
				break
			}
			end := strings.IndexByte(field[1:], '"')
			if end < 0 {
				break
			}
			if field[:end+2] == etag && !(strong && weak) {
				return true
			}
			field = field[end+2:]
		}
	}
	return false
}

// lacking reports whether an answer lacks rows although the caller set no limit.
func lacking(a *reports.Answer) bool { return a.Incomplete && a.Request.Limit == 0 }
