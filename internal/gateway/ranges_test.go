package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// raw is an answer as it is on the wire.
func (r *rig) raw(method, target string, headers ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, request)
	return w
}

// A range is a part of the very bytes of the whole, whether they are kept or made anew, in every format and encoding.
func TestRanges(t *testing.T) {
	for name, memory := range map[string]int64{"kept": 0, "made anew": 8 << 10} {
		r := newRig(t, func(g *Gateway) { g.memory = memory })
		for _, format := range formatNames {
			for _, encoding := range []string{"identity", "gzip"} {
				target := days + "&format=" + format
				whole := r.raw(http.MethodGet, target, "Accept-Encoding", encoding)
				body, size := whole.Body.String(), whole.Body.Len()
				for asked, want := range map[string]string{
					"bytes=0-0": body[:1], "bytes=0-": body, "bytes=10-19": body[10:20], "Bytes = 10-19": body[10:20],
					"bytes=-7": body[size-7:], "bytes=-99999999": body, fmt.Sprintf("bytes=%d-", size-1): body[size-1:],
					"bytes=5-99999999999999999999": body[5:], fmt.Sprintf("bytes=0-%d", size): body,
				} {
					got := r.raw(http.MethodGet, target, "Accept-Encoding", encoding, "Range", asked)
					if got.Code != http.StatusPartialContent || got.Body.String() != want {
						t.Fatalf("%s %s %s %s: %d, %d bytes, want %d", name, format, encoding, asked, got.Code, got.Body.Len(), len(want))
					}
					h := got.Header()
					from := strings.Index(body, want)
					if strings.HasPrefix(asked, "bytes=-") {
						from = size - len(want)
					}
					if contentRange := fmt.Sprintf("bytes %d-%d/%d", from, from+len(want)-1, size); len(want) > 1 && h.Get("Content-Range") != contentRange ||
						h.Get("Content-Length") != strconv.Itoa(len(want)) || h.Get("Etag") != whole.Header().Get("Etag") || h.Get("Accept-Ranges") != "bytes" ||
						h.Get("Content-Type") != whole.Header().Get("Content-Type") || h.Get("Vary") == "" {
						t.Errorf("%s %s %s %s: %v, want %s", name, format, encoding, asked, h, contentRange)
					}
				}
				for _, asked := range []string{fmt.Sprintf("bytes=%d-", size), "bytes=99999999999999999999-", "bytes=-0"} {
					got := r.raw(http.MethodGet, target, "Accept-Encoding", encoding, "Range", asked)
					if got.Code != 416 || got.Header().Get("Content-Range") != fmt.Sprintf("bytes */%d", size) || !strings.Contains(got.Body.String(), "no_such_range") {
						t.Errorf("%s %s: %d %v %s", format, asked, got.Code, got.Header(), got.Body)
					}
				}
			}
		}
	}
}

// What is no single range of this representation is answered with the whole.
func TestRangesThatAreNotAnswered(t *testing.T) {
	r := newRig(t)
	etag := r.ok(days).Header.Get("Etag")
	for _, headers := range [][]string{
		{"Range", "bytes=0-1,5-6"}, {"Range", "bytes=0-1,"}, {"Range", "rows=0-1"}, {"Range", "bytes=5-4"}, {"Range", "bytes=-"}, {"Range", "bytes=x-1"},
		{"Range", "bytes=+1-2"}, {"Range", "bytes=--1"}, {"Range", "bytes"}, {"Range", ""}, {"Range", "bytes=0-0", "Range", "bytes=1-1"},
		{"Range", "bytes=0-1", "If-Range", `"x"`}, {"Range", "bytes=0-1", "If-Range", "W/" + etag},
		{"Range", "bytes=0-1", "If-Range", "Wed, 22 Jul 2026 00:00:00 GMT"}, {"If-Range", etag},
	} {
		if got := r.get(days, headers...); got.StatusCode != 200 || got.Header.Get("Content-Range") != "" {
			t.Errorf("%q: %d %v", headers, got.StatusCode, got.Header)
		}
	}
	for _, test := range []struct {
		want    int
		headers []string
	}{
		{206, []string{"Range", "bytes=0-1", "If-Range", etag}},
		{206, []string{"Range", "bytes=0-1", "If-Match", etag}},
		{206, []string{"Range", "bytes=0-1", "If-None-Match", `"x"`}},
		{304, []string{"Range", "bytes=0-1", "If-None-Match", etag}},
		{412, []string{"Range", "bytes=0-1", "If-Match", `"x"`}},
	} {
		if got := r.get(days, test.headers...); got.StatusCode != test.want {
			t.Errorf("%q: %d, want %d", test.headers, got.StatusCode, test.want)
		}
	}
	if got := r.do(http.MethodHead, days, "Range", "bytes=0-1"); got.StatusCode != 200 || got.Header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("HEAD: %d %v", got.StatusCode, got.Header)
	}
}

func TestIfMatch(t *testing.T) {
	r := newRig(t)
	etag := r.ok(days).Header.Get("Etag")
	for value, want := range map[string]int{
		etag: 200, "*": 200, `"x", ` + etag: 200, `"x",W/"y",` + etag: 200, "W/" + etag: 412, `"x"`: 412, "": 412, strings.Trim(etag, `"`): 412,
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			got := r.do(method, days, "If-Match", value)
			if got.StatusCode != want || want == 412 && method == http.MethodGet && !strings.Contains(got.body, "precondition_failed") {
				t.Errorf("%s, If-Match %s: %d %.200s, want %d", method, value, got.StatusCode, got.body, want)
			}
		}
	}
	if got := r.get(days, "If-Match", `"x"`, "If-None-Match", etag); got.StatusCode != 412 {
		t.Errorf("If-Match goes first: %d", got.StatusCode)
	}
}

// A part of what is larger than can be sent can be sent.
func TestRangesOfWhatIsTooLarge(t *testing.T) {
	limited := false
	r := newRig(t, func(g *Gateway) {
		g.BodyLimit = func(context.Context) (int, bool) { return 1 << 10, limited }
	})
	for _, format := range []string{"json", "csv"} {
		target := days + "&format=" + format
		limited = false
		want := r.raw(http.MethodGet, target).Body.String()
		limited = true
		if got := r.raw(http.MethodGet, target); got.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("%s: %d", format, got.Code)
		}
		var all strings.Builder
		for all.Len() < len(want) {
			got := r.raw(http.MethodGet, target, "Range", fmt.Sprintf("bytes=%d-%d", all.Len(), all.Len()+1<<10-1))
			if got.Code != http.StatusPartialContent {
				t.Fatalf("%s: %d %s", format, got.Code, got.Body)
			}
			all.WriteString(got.Body.String())
		}
		if all.String() != want {
			t.Errorf("%s: the parts are not the whole", format)
		}
		if got := r.raw(http.MethodGet, target, "Range", "bytes=0-"); got.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("%s, a part that is too large: %d", format, got.Code)
		}
	}
}

// A cutter lets through what lies in the span, however it is written.
func TestCutter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		body := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "body")
		from := rapid.IntRange(0, len(body)-1).Draw(t, "from")
		to := rapid.IntRange(from+1, len(body)).Draw(t, "to")
		var out strings.Builder
		c := &cutter{to: &out, span: span{from, to}}
		for rest := body; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "write")
			if _, err := c.Write(rest[:n]); err != nil {
				break
			}
			rest = rest[n:]
		}
		if out.String() != string(body[from:to]) {
			t.Fatalf("%q, want %q", out.String(), body[from:to])
		}
	})
}

// HTTP/1.0 has no chunks: a body's size is told whatever it is, so that a caller sees that its end is missing.
func TestHTTP10(t *testing.T) {
	r := newRig(t, func(g *Gateway) { g.memory = 8 << 10 })
	server := httptest.NewServer(r.handler)
	defer server.Close()
	for _, format := range formatNames {
		want := r.ok(days + "&format=" + format).body
		for _, host := range []string{"", "Host: localhost\r\n"} {
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "GET %s&format=%s HTTP/1.0\r\n%s\r\n", days, format, host)
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			conn.Close()
			if err != nil || string(body) != want || resp.ContentLength != int64(len(want)) || len(resp.TransferEncoding) > 0 || resp.StatusCode != 200 {
				t.Errorf("%s: %d, %d bytes of %d, %v, %v", format, resp.StatusCode, len(body), len(want), resp.Header, err)
			}
		}
	}
}
