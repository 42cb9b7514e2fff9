package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
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

// Connections that wait idle keep nobody out: the one that has waited longest goes for one that comes.
func TestIdleConnectionsGiveWay(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "answer") }))
	l := bounded(server.Listener, 3)
	server.Listener, server.Config.ConnState = l, l.state
	server.Start()
	defer server.Close()
	open := make([]net.Conn, 10)
	for i := range open {
		c, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(time.Minute))
		open[i] = c
		fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "answer" {
			t.Fatalf("connection %d: %q, %v", i, body, err)
		}
	}
	if _, err := open[0].Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the first connection: %v", err)
	}
}
