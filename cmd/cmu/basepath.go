package main

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

var basePathPattern = regexp.MustCompile(`^(/[A-Za-z0-9$_.+!*'()~-]+)*$`)

// parseBasePath reads the path under which a proxy shows the gateway; it ends in no slash.
func parseBasePath(text string) (string, error) {
	path := strings.TrimRight(text, "/")
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." || !basePathPattern.MatchString(path) || len(path) > 200 {
			return "", usagef("--base-path: %.100q is not a path such as /reports", text)
		}
	}
	return path, nil
}

// below takes the base path off requests: some proxies do it, others leave it. What comes without it is answered as well.
func below(base string, h http.Handler) http.Handler {
	if base == "" {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rest, ok := strings.CutPrefix(r.URL.EscapedPath(), base)
		if plain, err := url.PathUnescape(rest); ok && err == nil && (rest == "" || rest[0] == '/') {
			inner := *r
			u := *r.URL
			inner.URL = &u
			u.Path, u.RawPath = plain, rest
			r = &inner
		}
		h.ServeHTTP(w, r)
	})
}
