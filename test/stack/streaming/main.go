// Command streaming runs the built query function with ResponseMode streaming, and stands in for Lambda's Runtime API: it hands it requests
// as API Gateway does, looks at the streams that come back, and watches the process's memory.
//
//	go run ./test/stack/streaming BOOTSTRAP PATH?QUERY WIDE-PATH?QUERY
//
// The function's environment is this process's own. The wide report must have over 100 MB as JSON. Prints a line for each request; it needs
// Linux.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const (
	wide   = 100 << 20 // bytes of the wide report, at least
	memory = 256 << 10 // kB that the process may take at its largest
)

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: streaming BOOTSTRAP PATH?QUERY WIDE-PATH?QUERY")
		os.Exit(2)
	}
	if err := try(os.Args[1], os.Args[2], os.Args[3]); err != nil {
		fmt.Fprintln(os.Stderr, "streaming:", err)
		os.Exit(1)
	}
}

func try(bootstrap, narrow, broad string) error {
	f, err := start(bootstrap)
	if err != nil {
		return err
	}
	defer f.end()
	gzipped := map[string]string{"Accept-Encoding": "gzip"}
	fmt.Printf("%-32s %6s %12s %9s %9s %s\n", "request", "status", "bytes", "first ms", "last ms", "end")
	var tag string
	for _, t := range []struct {
		name string
		request
		check func(answer) error
	}{
		{"a report", request{path: narrow}, func(a answer) error {
			tag = a.Headers["Etag"]
			return errors.Join(a.is(200), a.whole(), a.announced(), valid(a.body))
		}},
		{"the same, by gzip", request{path: narrow, headers: gzipped}, func(a answer) error {
			z, err := gzip.NewReader(bytes.NewReader(a.body))
			if err != nil {
				return err
			}
			text, err := io.ReadAll(z)
			return errors.Join(a.is(200), a.whole(), a.announced(), err, valid(text))
		}},
		{"HEAD", request{path: narrow, method: "HEAD"}, func(a answer) error {
			if a.size != 0 || a.Headers["Content-Length"] == "" {
				return fmt.Errorf("%d bytes, Content-Length %q", a.size, a.Headers["Content-Length"])
			}
			return errors.Join(a.is(200), a.whole())
		}},
		{"its ETag", request{path: narrow, lazy: func() map[string]string { return map[string]string{"If-None-Match": tag} }}, func(a answer) error {
			return errors.Join(a.is(304), a.whole())
		}},
		{"a report that there is not", request{path: "/cmu/v2/no-such-dimension"}, func(a answer) error {
			if a.Headers["Content-Type"] != "application/problem+json" {
				return fmt.Errorf("it is %s", a.Headers["Content-Type"])
			}
			return errors.Join(a.is(404), a.whole(), valid(a.body))
		}},
		{"100 MB, asked of Adobe", request{path: broad}, wideAnswer},
		{"100 MB, kept", request{path: broad}, wideAnswer},
		{"the same, by gzip", request{path: broad, headers: gzipped}, func(a answer) error {
			return errors.Join(a.is(200), a.whole(), a.announced())
		}},
		{"time is up in mid-body", request{path: broad, stall: 6 * time.Second}, func(a answer) error {
			if a.failure != "Answer.BrokeOff" || a.size == 0 || a.size >= wide || !strings.Contains(a.cause, "broke off") {
				return fmt.Errorf("%d bytes, then the trailers %q %q", a.size, a.failure, a.cause)
			}
			return a.is(200)
		}},
		{"a report after that", request{path: narrow}, func(a answer) error { return errors.Join(a.is(200), a.whole(), valid(a.body)) }},
	} {
		a, err := f.ask(t.request)
		if err == nil {
			err = t.check(a)
		}
		if err == nil && a.mode != "streaming" {
			err = fmt.Errorf("Lambda-Runtime-Function-Response-Mode is %q", a.mode)
		}
		if err == nil && (!a.chunked || a.Headers == nil) {
			err = fmt.Errorf("chunked: %v, headers: %v", a.chunked, a.Headers)
		}
		if err != nil {
			return fmt.Errorf("%s: %w; the function's log:\n%s", t.name, err, f.log.String())
		}
		end := "whole"
		if a.failure != "" {
			end = a.failure
		}
		fmt.Printf("%-32s %6d %12d %9d %9d %s\n", t.name, a.StatusCode, a.size, a.first.Milliseconds(), a.last.Milliseconds(), end)
	}
	kB, err := f.largest()
	if err != nil {
		return err
	}
	fmt.Printf("the process took %d MB at its largest\n", kB>>10)
	if kB > memory {
		return fmt.Errorf("that is more than %d MB", memory>>10)
	}
	return nil
}

func wideAnswer(a answer) error {
	if a.size < wide || !bytes.HasSuffix(a.body, []byte("]}")) {
		return fmt.Errorf("%d bytes, the last of them %q", a.size, a.body)
	}
	return errors.Join(a.is(200), a.whole(), a.announced())
}

func valid(text []byte) error {
	if !json.Valid(text) {
		return fmt.Errorf("not JSON: %.100q", text)
	}
	return nil
}

type request struct {
	path, method string
	headers      map[string]string
	lazy         func() map[string]string // headers that an answer before told
	stall        time.Duration            // the reader stops in mid-body until the function's time, which is that long, is up
}

type answer struct {
	StatusCode  int               `json:"statusCode"`
	Headers     map[string]string `json:"headers"`
	mode        string
	chunked     bool
	size        int64
	body        []byte        // its end
	first, last time.Duration // since the request was handed over: to the prelude, and to the end
	failure     string        // by the trailers
	cause       string
}

func (a answer) is(status int) error {
	if a.StatusCode != status {
		return fmt.Errorf("status %d: %.300s", a.StatusCode, a.body)
	}
	return nil
}

func (a answer) whole() error {
	if a.failure != "" {
		return fmt.Errorf("it ended with %s: %s", a.failure, a.cause)
	}
	return nil
}

// announced compares the size with what was said of it; a body whose size nobody knew says nothing.
func (a answer) announced() error {
	if length := a.Headers["Content-Length"]; length != "" && length != strconv.FormatInt(a.size, 10) {
		return fmt.Errorf("%d bytes, and %s were announced", a.size, length)
	}
	return nil
}

// function is the process, and the Runtime API that it asks.
type function struct {
	cmd      *exec.Cmd
	log      bytes.Buffer
	server   *http.Server
	requests chan request
	answers  chan answer
	ended    chan error
	begun    time.Time
	stall    time.Duration
}

func start(bootstrap string) (*function, error) {
	f := &function{requests: make(chan request), answers: make(chan answer), ended: make(chan error, 1)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", f.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{what}", f.answered)
	f.server = &http.Server{Handler: mux}
	go f.server.Serve(listener)
	f.cmd = exec.Command(bootstrap)
	// Without the extension, whose events nobody gives here: stale answers are refreshed first.
	f.cmd.Env = append(os.Environ(), "AWS_SAM_LOCAL=true", "CMU_RESPONSE_MODE=streaming", "GOMAXPROCS=1", "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String())
	f.cmd.Stdout, f.cmd.Stderr = &f.log, &f.log
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { f.ended <- f.cmd.Wait() }()
	return f, nil
}

func (f *function) end() {
	f.cmd.Process.Kill()
	f.server.Close()
}

func (f *function) ask(r request) (answer, error) {
	for sent := false; ; {
		requests := f.requests
		if sent {
			requests = nil
		}
		select {
		case requests <- r:
			sent = true
		case a := <-f.answers:
			return a, nil
		case err := <-f.ended:
			return answer{}, fmt.Errorf("the process ended: %v", err)
		case <-time.After(5 * time.Minute):
			return answer{}, errors.New("no answer in five minutes")
		}
	}
}

func (f *function) next(w http.ResponseWriter, r *http.Request) {
	var ask request
	select {
	case ask = <-f.requests:
	case <-r.Context().Done():
		return
	}
	path, query, _ := strings.Cut(ask.path, "?")
	lists, _ := url.ParseQuery(query)
	method, headers, limit := ask.method, ask.headers, 15*time.Minute
	if method == "" {
		method = http.MethodGet
	}
	if ask.lazy != nil {
		headers = ask.lazy()
	}
	if ask.stall > 0 {
		limit = ask.stall
	}
	f.begun, f.stall = time.Now(), ask.stall
	w.Header().Set("Lambda-Runtime-Aws-Request-Id", "1")
	w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(limit).UnixMilli(), 10))
	json.NewEncoder(w).Encode(map[string]any{"resource": "/{proxy+}", "path": path, "httpMethod": method, "headers": headers,
		"multiValueQueryStringParameters": lists, "requestContext": map[string]any{"requestId": "r-1", "stage": "live", "path": "/live" + path}})
}

func (f *function) answered(w http.ResponseWriter, r *http.Request) {
	a := answer{mode: r.Header.Get("Lambda-Runtime-Function-Response-Mode")}
	for _, e := range r.TransferEncoding {
		a.chunked = a.chunked || e == "chunked"
	}
	var head []byte
	piece := make([]byte, 64<<10)
	for whole := false; ; {
		n, err := r.Body.Read(piece)
		rest := piece[:n]
		if !whole {
			head = append(head, rest...)
			if head, rest, whole = bytes.Cut(head, make([]byte, 8)); whole {
				a.first = time.Since(f.begun)
				if err := json.Unmarshal(head, &a); err != nil {
					a.cause = err.Error()
				}
			}
		}
		if whole {
			a.size += int64(len(rest))
			if a.body = append(a.body, rest...); len(a.body) > 1<<20 {
				a.body = append([]byte(nil), a.body[len(a.body)-1000:]...)
			}
		}
		if f.stall > 0 && a.size > 0 {
			time.Sleep(time.Until(f.begun.Add(f.stall)))
			f.stall = 0
		}
		if err != nil {
			break
		}
	}
	a.last = time.Since(f.begun)
	a.failure = r.Trailer.Get("Lambda-Runtime-Function-Error-Type")
	if text, err := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body")); err == nil && len(text) > 0 {
		a.cause = string(text)
	}
	if r.PathValue("what") == "error" {
		a.failure, a.cause = "error", string(head)
	}
	w.WriteHeader(http.StatusAccepted)
	f.answers <- a
}

// largest returns the most memory that the process has had, in kB.
func (f *function) largest() (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", f.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0, errors.New("the process's memory is not told")
	}
	return strconv.Atoi(fields[0])
}
