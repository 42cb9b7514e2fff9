package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A caller that does not read is not waited for; one that reads slowly, but reads, gets all.
func TestWhoDoesNotReadIsNotWaitedFor(t *testing.T) {
	const size = 64 << 20 // more than the buffers of a connection
	broke := make(chan error, 1)
	server := httptest.NewServer(patient(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write(make([]byte, size))
		broke <- err
	}), 2*time.Second, 10))
	defer server.Close()
	ask := func() net.Conn {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		return c
	}
	c := ask()
	defer c.Close()
	if err := <-broke; err == nil {
		t.Error("all was written to a caller that does not read")
	}
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	read := 0
	for buffer := make([]byte, 1<<20); ; {
		n, err := io.ReadFull(resp.Body, buffer)
		if read += n; err != nil {
			break
		}
		time.Sleep(50 * time.Millisecond) // all of it takes longer than one piece may
	}
	if err := <-broke; err != nil || read != size {
		t.Errorf("%d bytes came, %v", read, err)
	}
}

// A deadline that has passed between two requests of a connection does not break the second.
func TestDeadlineOfAnEarlierAnswer(t *testing.T) {
	server := httptest.NewServer(patient(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/empty" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		io.WriteString(w, "answer")
	}), 20*time.Millisecond, 10))
	defer server.Close()
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	for _, path := range []string{"/", "/empty", "/", "/empty", "/"} {
		io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || path == "/" && string(body) != "answer" {
			t.Errorf("%s: %q, %v", path, body, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestTooManyRequestsAtOnce(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(patient(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		begun <- struct{}{}
		<-end
	}), time.Minute, 2))
	defer server.Close()
	answered := make(chan int, 2)
	for range 2 {
		go func() {
			resp, err := http.Get(server.URL)
			if err != nil {
				answered <- 0
				return
			}
			resp.Body.Close()
			answered <- resp.StatusCode
		}()
		<-begun
	}
	resp, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !strings.Contains(string(body), "Too many") {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
	close(end)
	for range 2 {
		if status := <-answered; status != http.StatusOK {
			t.Errorf("one that was there got %d", status)
		}
	}
}

func TestBoundedListener(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := bounded(inner, 1)
	dial := func() net.Conn {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	dial()
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	dial()
	second := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			c.Close()
		}
		second <- err
	}()
	select {
	case err := <-second:
		t.Fatalf("a second one was accepted beside the first: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	first.Close() // again does no harm
	if err := <-second; err != nil {
		t.Fatal(err)
	}
	dial()
	if _, err := l.Accept(); err != nil {
		t.Fatal(err)
	}
	go l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// Where few files may be open, callers wait, and the calls to Adobe do not.
func TestConnectionsByTheLimitOfFiles(t *testing.T) {
	for files, want := range map[int]int{5: 1, 24: 4, 256: 236, 1024: 1004, 1 << 20: maxConnections} {
		if n := connections(files); n != want {
			t.Errorf("%d files: %d connections", files, n)
		}
	}
}

// Connections that wait for a request make room for callers who have one.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	hold := make(chan struct{})
	callers := bounded(inner, 3)
	server := &http.Server{ConnState: callers.changed, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			<-hold
		}
		io.WriteString(w, "answer")
	})}
	go server.Serve(callers)
	defer server.Close()
	ask := func(path string) *bufio.Reader {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n")
		return bufio.NewReader(c)
	}
	answered := func(from *bufio.Reader) {
		t.Helper()
		resp, err := http.ReadResponse(from, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "answer" {
			t.Errorf("%q, %v", body, err)
		}
	}
	held := ask("/hold")
	for range 20 {
		answered(ask("/")) // and keeps its connection
	}
	more := []*bufio.Reader{held, ask("/hold"), ask("/hold")}
	last := ask("/") // waits for one of those, which then becomes idle
	close(hold)
	answered(last)
	for _, one := range more {
		answered(one)
	}
}

// While all places are taken what is kept is answered still, and what is not is told to come back later.
func TestWhatIsKeptIsAnsweredBesideTooMany(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{}, 10)
	h := patient(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/hold":
			held <- struct{}{}
			<-hold
		case r.URL.Path == "/new" && r.Header.Get("Cache-Control") == "only-if-cached":
			w.WriteHeader(http.StatusGatewayTimeout)
		}
		io.WriteString(w, "answer")
	}), time.Minute, 8)
	ask := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	if w := ask("/new"); w.Body.String() != "answer" || w.Code != http.StatusOK {
		t.Errorf("before: %d %s", w.Code, w.Body)
	}
	for range 8 {
		go ask("/hold")
		<-held
	}
	if w := ask("/status"); w.Code != http.StatusOK || w.Body.String() != "answer" {
		t.Errorf("what is kept: %d %s", w.Code, w.Body)
	}
	for range 2 {
		if w := ask("/new"); w.Code != http.StatusServiceUnavailable || w.Body.String() != tooMany || w.Header().Get("Retry-After") != "5" {
			t.Errorf("what is new: %d %v %s", w.Code, w.Header(), w.Body)
		}
		if len(held) == 0 {
			go ask("/hold") // takes the place of those, too
			select {
			case <-held:
			case <-time.After(time.Second): // it was taken already
			}
		}
	}
	close(hold)
}
