package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// repeated is a question asked again and again: its answer is about 20 kB of gzip.
const repeated = "/cmu/v2/year/month/day/hour?start=2026-06-01&end=2026-06-29"

func repeatedRequest(target string) *http.Request {
	request, _ := http.NewRequest(http.MethodGet, target, nil)
	request.Header.Set("Accept", "application/json")
	request.Header.Set("Accept-Encoding", "gzip")
	return request
}

// BenchmarkRepeated compares the gateway with a handler that writes the same bytes, over loopback with keep-alive.
func BenchmarkRepeated(b *testing.B) {
	r := newRig(b)
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, repeatedRequest("http://gateway"+repeated))
	body, header := w.Body.Bytes(), w.Header()
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		w.Write(body)
	})
	b.Logf("%d bytes", len(body))
	for name, h := range map[string]http.Handler{"gateway": r.handler, "bare": bare} {
		b.Run(name, func(b *testing.B) {
			server := httptest.NewServer(h)
			defer server.Close()
			client := server.Client()
			client.Transport.(*http.Transport).DisableCompression = true
			request := repeatedRequest(server.URL + repeated)
			b.ReportAllocs()
			for b.Loop() {
				resp, err := client.Do(request)
				if err != nil {
					b.Fatal(err)
				}
				if n, err := io.Copy(io.Discard, resp.Body); err != nil || n != int64(len(body)) {
					b.Fatalf("%d bytes, %v", n, err)
				}
				resp.Body.Close()
			}
		})
	}
}

// BenchmarkHandler is the gateway's own part of a repeated request.
func BenchmarkHandler(b *testing.B) {
	r := newRig(b)
	for _, format := range []string{"json", "csv"} {
		b.Run(format, func(b *testing.B) {
			request := repeatedRequest("http://gateway" + repeated + "&format=" + format)
			w := &bodyless{header: http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				clear(w.header)
				r.handler.ServeHTTP(w, request)
			}
		})
	}
}

// BenchmarkFormats makes bodies anew.
func BenchmarkFormats(b *testing.B) {
	r := newRig(b)
	r.gateway.memory = 1
	h := r.gateway.Handler()
	for _, format := range []string{"json", "csv", "xml", "ndjson", "html"} {
		for _, encoding := range []string{"identity", "gzip"} {
			b.Run(format+"/"+encoding, func(b *testing.B) {
				request := repeatedRequest("http://gateway/cmu/v2/year/month/day/mvpd?start=2026-01-01&end=2026-07-01&format=" + format)
				request.Header.Set("Accept-Encoding", encoding)
				w := &bodyless{header: http.Header{}}
				b.ReportAllocs()
				for b.Loop() {
					clear(w.header)
					h.ServeHTTP(w, request)
				}
			})
		}
	}
}

func TestRepeatedRequestAllocatesLittle(t *testing.T) {
	r := newRig(t)
	request := repeatedRequest("http://gateway" + repeated)
	w := &bodyless{header: http.Header{}}
	got := testing.AllocsPerRun(100, func() {
		clear(w.header)
		r.handler.ServeHTTP(w, request)
	})
	if w.header.Get("Content-Encoding") != "gzip" || w.header.Get("Content-Length") < "1" {
		t.Fatalf("%v", w.header)
	}
	if got >= 60 {
		t.Errorf("%v allocations", got)
	}
	t.Logf("%v allocations", got)
}
