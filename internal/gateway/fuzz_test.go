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

func TestFileNames(t *testing.T) {
	for name, want := range map[string]string{
		"report__2026-01-01_2026-02-01.csv": `attachment; filename="report__2026-01-01_2026-02-01.csv"`,
		"a\r\nX: y\"/..\\.csv":              `attachment; filename="a--X- y--..-.csv"`,
		"é日%41;.csv":                        `attachment; filename="__-41-.csv"; filename*=UTF-8''%C3%A9%E6%97%A5-41-.csv`,
		"a b\u202e\xff.csv":                 `attachment; filename="a b--.csv"`,
		"a b é.csv":                         `attachment; filename="a b _.csv"; filename*=UTF-8''a%20b%20%C3%A9.csv`,
	} {
		if got := disposition(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}
