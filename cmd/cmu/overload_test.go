package main

import (
	"bufio"
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
	answered := make(chan int, 3)
	for range cap(answered) { // the last one in passing
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
	for range cap(answered) {
		if status := <-answered; status != http.StatusOK {
			t.Errorf("one that was there got %d", status)
		}
	}
}
