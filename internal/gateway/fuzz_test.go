package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzHandler asks for anything: no panic, no 500, and nothing of the caller's in a header but what is safe there.
func FuzzHandler(f *testing.F) {
	for _, seed := range [][3]string{
		{"/cmu/v2/year/month", "start=2026&end=2027&metrics=active-users", "text/html"},
		{"/cmu/v2/tenant/year.csv", "tenant=a%0d%0aX:y&tenant!=é\"", "text/csv;q=0.5"},
		{"/cmu/v2/%2e%2e/x", "limit=1&?", ";;q=,"},
		{"/cmu/v2/mvpd.xml", "mvpd=%3Cscript%3E&start=1", "*/*;q=0.001"},
		{"//", "%", ","},
		{"/cmu/v2/year.html", "start=2026-06&channel=%E2%80%AE%00", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	r := newRig(f)
	f.Fuzz(func(t *testing.T, path, query, accept string) {
		plain, err := url.PathUnescape(path)
		if err != nil || len(path)+len(query) > 4<<10 {
			t.Skip()
		}
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			request, _ := http.NewRequest(method, "http://gateway/", nil)
			request.URL.Path, request.URL.RawPath, request.URL.RawQuery = plain, path, query
			request.Header.Set("Accept", accept)
			request.Header.Set("If-None-Match", accept)
			request.Header.Set("Cache-Control", query)
			request.Header.Set("Accept-Encoding", accept)
			w := &bodyless{header: http.Header{}}
			r.handler.ServeHTTP(w, request)
			if w.status == http.StatusInternalServerError {
				t.Errorf("status %d", w.status)
			}
			for name, values := range w.header {
				for _, v := range values {
					if strings.ContainsAny(v, "\r\n\x00") || !utf8.ValidString(v) || strings.IndexFunc(v, func(r rune) bool { return r > 0x7e }) >= 0 {
						t.Errorf("%s: %q", name, v)
					}
				}
			}
		}
	})
}
