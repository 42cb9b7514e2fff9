package lambdahttp_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"testing"

	"cmu-gateway/internal/lambdahttp"
	"cmu-gateway/internal/rig"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestAnswer(t *testing.T) {
	tests := []struct {
		name   string
		method string
		answer http.HandlerFunc
		want   events.APIGatewayProxyResponse
	}{
		{"nothing", "GET", func(w http.ResponseWriter, r *http.Request) {}, events.APIGatewayProxyResponse{StatusCode: 200}},
		{"text", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/csv")
			w.Header().Set("Content-Length", "8")
			w.Header()["Vary"] = []string{"Accept", "Accept-Encoding"}
			io.WriteString(w, "a\t\"é\"\n")
			io.WriteString(w, "\u2028\x00")
		}, events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": "text/csv"},
			MultiValueHeaders: map[string][]string{"Vary": {"Accept", "Accept-Encoding"}}, Body: "a\t\"é\"\n\u2028\x00"}},
		{"type found out", "GET", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") },
			events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": "text/html; charset=utf-8"}, Body: "<html>"}},
		{"not text", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			w.Write([]byte{0xff, 0xfe})
		}, events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": "image/png"}, Body: "//4=", IsBase64Encoded: true}},
		{"encoded, in pieces", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/csv")
			w.Header().Set("Content-Encoding", "gzip")
			for _, s := range []string{"a", "b", "", "cdefg", "h"} {
				io.WriteString(w, s)
			}
		}, events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": "text/csv", "Content-Encoding": "gzip"},
			Body: "YWJjZGVmZ2g=", IsBase64Encoded: true}},
		{"a part that begins and ends within characters", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/csv")
			w.Header().Set("Content-Range", "bytes 1-4/9")
			w.Header().Set("Content-Length", "4")
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, "ééé"[1:5])
		}, events.APIGatewayProxyResponse{StatusCode: 206, Headers: map[string]string{"Content-Type": "text/csv", "Content-Range": "bytes 1-4/9"},
			Body: "qcOpww==", IsBase64Encoded: true}},
		{"HEAD", "HEAD", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			w.Header().Set("Content-Type", "text/csv")
			if n, err := io.WriteString(w, "abcde"); n != 5 || err != nil {
				panic(err)
			}
		}, events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"Content-Length": "5", "Content-Type": "text/csv"}}},
		{"304", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"x"`)
			w.WriteHeader(304)
			if _, err := io.WriteString(w, "abc"); !errors.Is(err, http.ErrBodyNotAllowed) {
				panic(err)
			}
		}, events.APIGatewayProxyResponse{StatusCode: 304, Headers: map[string]string{"Etag": `"x"`}}},
		{"headers are fixed with the status", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</x>; rel=preload")
			w.WriteHeader(103)
			w.WriteHeader(404)
			w.WriteHeader(200)
			w.Header().Set("Link", "</y>")
			w.Header().Set("X-Late", "1")
		}, events.APIGatewayProxyResponse{StatusCode: 404, Headers: map[string]string{"Link": "</x>; rel=preload"}}},
		{"hop by hop", "GET", func(w http.ResponseWriter, r *http.Request) {
			for _, h := range []string{"Keep-Alive", "Transfer-Encoding", "Upgrade", "Te", "Trailer", "X-Mine", "X-Theirs"} {
				w.Header().Set(h, "x")
			}
			w.Header().Set("Connection", "close, x-mine")
		}, events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"X-Theirs": "x"}}},
		{"header values", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-A", "a\"\\é\r\nX-B: b")
			w.Header().Set("X-C", "\xff")
			w.Header()["X-D"] = nil
		}, events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"X-A": "a\"\\é  X-B: b", "X-C": "\ufffd"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, _ := invoke(t, test.answer, object{"httpMethod": test.method, "path": "/"})
			for _, m := range []*map[string]string{&test.want.Headers, &got.Headers} {
				if len(*m) == 0 {
					*m = nil
				}
			}
			if len(got.MultiValueHeaders) == 0 {
				got.MultiValueHeaders = nil
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever is written, in whatever pieces, encoded or not, arrives as it is.
func TestBodyArrivesWhole(t *testing.T) {
	t.Run("a writer that uses its buffer again", func(t *testing.T) { arrivesWhole(t, [][]byte{[]byte("A")}, true) })
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 9), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) })), 0, 5)
		arrivesWhole(t, pieces.Draw(t, "pieces"), rapid.Bool().Draw(t, "encoded"))
	})
}

func arrivesWhole(t T, pieces [][]byte, encoded bool) {
	t.Helper()
	var want []byte
	_, got := invoke(t, func(w http.ResponseWriter, r *http.Request) {
		if encoded {
			w.Header().Set("Content-Encoding", "gzip")
		}
		for _, p := range pieces {
			want = append(want, p...)
			if n, err := w.Write(p); n != len(p) || err != nil {
				t.Error(n, err)
			}
			clear(p) // the writer may not keep what it was given
		}
	}, get("/"))
	if !bytes.Equal(want, got) {
		t.Fatalf("%q; want %q", got, want)
	}
}

// What BodyLimit promises holds for any body, and beyond what fits the caller is told.
func TestSize(t *testing.T) {
	noise := make([]byte, limit)
	rand.NewChaCha8([32]byte{}).Read(noise)
	quotes := bytes.Repeat([]byte{'"'}, limit)
	plain := bytes.Repeat([]byte{'a'}, limit)
	promised := 0
	invoke(t, func(w http.ResponseWriter, r *http.Request) {
		var ok bool
		if promised, ok = lambdahttp.BodyLimit(r.Context()); !ok || promised < 4_600_000 {
			t.Fatalf("BodyLimit = %d, %v", promised, ok)
		}
	}, get("/"))
	tests := []struct {
		name     string
		encoding string
		body     []byte
		size     int
		piece    int
		want     int
	}{
		{"noise at the limit", "gzip", noise, promised, promised, 200},
		{"noise at the limit in pieces", "gzip", noise, promised, 32 << 10, 200},
		{"noise that does not fit", "gzip", noise, limit / 4 * 3, limit, 413},
		{"far too much noise, in pieces", "gzip", noise, limit, 32 << 10, 413},
		{"no encoding, not text", "", noise, promised, promised, 200},
		{"text that grows by escapes", "", quotes, promised, promised, 200},
		{"text past the limit that fits as text", "", plain, limit - 1000, limit, 200},
		{"text that does not fit", "", plain, limit, 1 << 20, 413},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			log := rig.NewLog(t)
			if test.want != 200 {
				log.Expect("does not fit")
			}
			answer, got := invokeLogged(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/octet-stream")
				if test.encoding != "" {
					w.Header().Set("Content-Encoding", test.encoding)
				}
				for p := test.body[:test.size]; len(p) > 0; {
					n := min(len(p), test.piece)
					if _, err := w.Write(p[:n]); err != nil {
						return
					}
					p = p[n:]
				}
			}, get("/"), log)
			if answer.StatusCode != test.want {
				t.Fatalf("status %d; want %d", answer.StatusCode, test.want)
			}
			if test.want == 200 && !bytes.Equal(got, test.body[:test.size]) {
				t.Error("the body differs")
			}
			if test.want != 200 {
				wantProblem(t, answer, got, "larger than")
			}
		})
	}
}

// BenchmarkEnvelope compares a large gzip body, written at once, with the same through encoding/json.
func BenchmarkEnvelope(b *testing.B) {
	body := make([]byte, 4<<20)
	rand.NewChaCha8([32]byte{}).Read(body)
	text := bytes.Repeat([]byte(`{"year":"2026","month":"7","mvpd":"Comcast","active-users":"205"},`), 4<<20/66)
	payload, _ := json.Marshal(get("/"))
	serve := func(b *testing.B, encoding string, body []byte) {
		h := lambdahttp.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if encoding != "" {
				w.Header().Set("Content-Encoding", encoding)
			}
			w.Write(body)
		}), slog.New(slog.DiscardHandler))
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.Invoke(context.Background(), payload); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("gzip", func(b *testing.B) { serve(b, "gzip", body) })
	b.Run("text", func(b *testing.B) { serve(b, "", text) })
	b.Run("small", func(b *testing.B) { serve(b, "gzip", body[:4<<10]) })
	b.Run("gzip through encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			r := events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"Content-Encoding": "gzip"},
				Body: base64.StdEncoding.EncodeToString(body), IsBase64Encoded: true}
			if _, err := json.Marshal(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
