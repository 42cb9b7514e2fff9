package lambdahttp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/lambdahttp"
	"cmu-gateway/internal/rig"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// prelude is what stands before the body of a stream.
type prelude struct {
	StatusCode        int                 `json:"statusCode"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
}

// stream sends an event and returns the stream.
func stream(t T, ctx context.Context, h http.HandlerFunc, e any, log *rig.Log) io.ReadCloser {
	t.Helper()
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	out, err := lambdahttp.New(h, log.Logger).Stream(ctx, payload)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// read takes a stream apart. The error is that of the body's end.
func read(t T, out io.Reader) (head prelude, body []byte, err error) {
	t.Helper()
	all, err := io.ReadAll(out)
	text, body, ok := bytes.Cut(all, make([]byte, 8))
	if wrong := json.Unmarshal(text, &head); wrong != nil || !ok {
		t.Fatalf("no prelude: %.200q, %v", all, wrong)
	}
	return head, body, err
}

func TestStream(t *testing.T) {
	big := strings.Repeat("0123456789abcdef", 20_000)
	for _, test := range []struct {
		name   string
		method string
		answer http.HandlerFunc
		want   prelude
		body   string
	}{
		{"nothing", "GET", func(http.ResponseWriter, *http.Request) {}, prelude{StatusCode: 200}, ""},
		{"text", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/csv")
			w.Header().Set("Content-Length", "3")
			w.Header()["Vary"] = []string{"Accept", "Accept-Encoding"}
			w.Header().Set("Connection", "close, x-mine")
			w.Header().Set("X-Mine", "1")
			w.Header().Set("X-A", "a\r\nX-B: b")
			io.WriteString(w, "a\x00\xff")
		}, prelude{200, map[string]string{"Content-Type": "text/csv", "Content-Length": "3", "X-A": "a  X-B: b"},
			map[string][]string{"Vary": {"Accept", "Accept-Encoding"}}}, "a\x00\xff"},
		{"gzip goes out as it is", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			for range 3 {
				io.WriteString(w, big)
			}
		}, prelude{StatusCode: 200, Headers: map[string]string{"Content-Encoding": "gzip"}}, big + big + big},
		{"small pieces, a type found out", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Write(nil)
			for i := range len(big) / 100 {
				io.WriteString(w, big[100*i:100*(i+1)])
			}
		}, prelude{StatusCode: 200, Headers: map[string]string{"Content-Type": "text/plain; charset=utf-8"}}, big},
		{"HEAD", "HEAD", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "320000")
			if n, err := io.WriteString(w, big); n != len(big) || err != nil {
				panic(err)
			}
		}, prelude{StatusCode: 200, Headers: map[string]string{"Content-Length": "320000"}}, ""},
		{"304", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"x"`)
			w.WriteHeader(304)
			if _, err := io.WriteString(w, big); !errors.Is(err, http.ErrBodyNotAllowed) {
				panic(err)
			}
		}, prelude{StatusCode: 304, Headers: map[string]string{"Etag": `"x"`}}, ""},
		{"no bound", "GET", func(w http.ResponseWriter, r *http.Request) {
			if _, ok := lambdahttp.BodyLimit(r.Context()); ok {
				panic("there is a bound")
			}
			w.WriteHeader(404)
		}, prelude{StatusCode: 404}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := stream(t, t.Context(), test.answer, object{"httpMethod": test.method, "path": "/"}, rig.NewLog(t))
			got, body, err := read(t, out)
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
				t.Error(diff, err)
			}
			if string(body) != test.body {
				t.Errorf("a body of %d bytes, want %d: %.100q", len(body), len(test.body), body)
			}
		})
	}
}

// Whatever is written, in whatever pieces, arrives as it is.
func TestStreamArrivesWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 9), rapid.IntRange(0, 70<<10), rapid.IntRange(64<<10-2, 64<<10+2)), 0, 6).Draw(t, "sizes")
		var want []byte
		out := stream(t, context.Background(), func(w http.ResponseWriter, r *http.Request) {
			for i, size := range sizes {
				p := bytes.Repeat([]byte{byte('a' + i)}, size)
				want = append(want, p...)
				if n, err := w.Write(p); n != len(p) || err != nil {
					t.Error(n, err)
				}
				clear(p) // the writer may not keep what it was given
			}
		}, get("/"), rig.NewLog(t))
		if _, body, err := read(t, out); err != nil || !bytes.Equal(body, want) {
			t.Fatalf("%d bytes, %v; want %d", len(body), err, len(want))
		}
	})
}

// What is made is sent before the end is made, and nothing more is made than is read.
func TestStreamGoesOutEarly(t *testing.T) {
	goOn := make(chan struct{})
	out := stream(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
		w.Write(bytes.Repeat([]byte{'a'}, 64<<10))
		w.Write([]byte("b"))
		<-goOn
		w.Write([]byte("c"))
	}, get("/"), rig.NewLog(t))
	if _, err := io.ReadFull(out, make([]byte, 60<<10)); err != nil {
		t.Fatal(err)
	}
	close(goOn)
	rest, err := io.ReadAll(out)
	if !bytes.HasSuffix(rest, []byte("abc")) || err != nil {
		t.Errorf("%q, %v", rest, err)
	}
}

// A failure is a 500 as long as nothing has gone out, and else one that the reader sees.
func TestStreamFails(t *testing.T) {
	for _, test := range []struct {
		name    string
		size    int
		length  string
		end     any // panicked with
		log     string
		problem bool
	}{
		{"a panic at once", 0, "", "the cause", `msg=panic event=panic cause="the cause"`, true},
		{"a panic while nothing has gone out", 64 << 10, "", "the cause", `msg=panic event=panic cause="the cause"`, true},
		{"a panic in mid-body", 64<<10 + 1, "", "the cause", `msg=panic event=panic cause="the cause"`, false},
		{"broken off", 1 << 20, "", http.ErrAbortHandler, "event=broke_off", false},
		{"shorter than it said", 1 << 20, "1048577", nil, "event=broke_off", false},
		{"shorter than it said, while nothing has gone out", 9, "10", nil, "event=broke_off", true},
		{"longer than it said", 1 << 20, "9", nil, "event=broke_off", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			log := rig.NewLog(t)
			log.Expect(test.log)
			e := get("/")
			e["requestContext"] = object{"requestId": "r-7"}
			out := stream(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Cache-Control", "max-age=60")
				if test.length != "" {
					w.Header().Set("Content-Length", test.length)
				}
				w.Write(make([]byte, test.size/2))
				w.Write(make([]byte, test.size-test.size/2))
				if test.end != nil {
					panic(test.end)
				}
			}, e, log)
			head, body, err := read(t, out)
			var seen messages.InvokeResponse_Error
			switch {
			case test.problem && (err != nil || head.StatusCode != 500 || head.Headers["Cache-Control"] != "no-store" || !strings.Contains(string(body), "r-7")):
				t.Errorf("%v, %v, %s", head, err, body)
			case !test.problem && (!errors.As(err, &seen) || seen.Type != "Answer.BrokeOff" || head.StatusCode != 200):
				t.Errorf("%v, %v", head, err)
			}
			if strings.Contains(string(body), "the cause") {
				t.Errorf("the caller is told %s", body)
			}
		})
	}
}

func TestStreamRefuses(t *testing.T) {
	log := rig.NewLog(t)
	log.Expect("event=event_refused")
	if out, err := lambdahttp.New(nil, log.Logger).Stream(t.Context(), []byte(`{"version": "2.0"}`)); out != nil || err == nil {
		t.Errorf("%v, %v", out, err)
	}
	head, body, err := read(t, stream(t, t.Context(), nil, object{"httpMethod": "POST", "path": "/", "body": "!", "isBase64Encoded": true}, rig.NewLog(t)))
	if head.StatusCode != 400 || err != nil || !strings.Contains(string(body), "malformed") {
		t.Errorf("%v, %v, %s", head, err, body)
	}
}

// A caller that leaves ends the work for it.
func TestStreamCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := rig.NewLog(t)
		log.Expect("event=broke_off")
		ended := make(chan error, 1)
		out := stream(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 100<<10)); err != nil {
					ended <- err
					panic(http.ErrAbortHandler)
				}
			}
		}, get("/"), log)
		if _, err := io.ReadFull(out, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		out.Close()
		if err := <-ended; !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
		synctest.Wait() // for its line in the log
	})
}

// A handler that waits until it is told to end is told so before Lambda's time is up, also in mid-body.
func TestStreamEndsBeforeDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 29*time.Second)
		defer cancel()
		log := rig.NewLog(t)
		log.Expect("event=broke_off")
		_, _, err := read(t, stream(t, ctx, func(w http.ResponseWriter, r *http.Request) {
			w.Write(make([]byte, 100<<10))
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}, get("/"), log))
		if err == nil || ctx.Err() != nil {
			t.Errorf("%v, %v", err, ctx.Err())
		}
	})
}

func TestStreamMemory(t *testing.T) {
	const size = 100 << 20
	row := bytes.Repeat([]byte(`{"year":"2026","month":"7","active-users":"205"},`), 20)
	out := stream(t, t.Context(), func(w http.ResponseWriter, r *http.Request) {
		for sent := 0; sent < size; sent += len(row) {
			w.Write(row)
		}
	}, get("/"), rig.NewLog(t))
	grown := rig.WatchHeap()
	n, err := io.Copy(io.Discard, out)
	if most := grown(); n < size || err != nil || most > 16<<20 {
		t.Errorf("%d bytes, %v; the heap grew by %d", n, err, most)
	}
}
