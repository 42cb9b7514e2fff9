package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

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
	server := &http.Server{ConnState: callers.state, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
