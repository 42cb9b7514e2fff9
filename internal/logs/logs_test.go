package logs

import (
	"bufio"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"cmu-gateway/internal/rig"
)

// A server that sends what nobody asked for, the token of the call before in it, does not get it into the log.
func TestWhatAServerSendsUnasked(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before); log.SetOutput(io.Discard) })
	text := &rig.Transcript{}
	own := slog.New(slog.NewTextHandler(text, &slog.HandlerOptions{Level: slog.LevelDebug}))
	Default(own)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	closed := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			closed <- err
			return
		}
		defer c.Close()
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			closed <- err
			return
		}
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nX-Echo: "+r.Header.Get("Authorization")+"\r\n\r\n")
		_, err = c.Read(make([]byte, 1)) // the client closes the connection once it has seen that
		closed <- err
	}()
	transport := &http.Transport{}
	q, _ := http.NewRequest(http.MethodGet, "http://"+l.Addr().String(), nil)
	q.Header.Set("Authorization", "Bearer secret-of-the-call")
	resp, err := transport.RoundTrip(q)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := <-closed; err != io.EOF {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "secret") || !strings.Contains(text.String(), "Unsolicited response") {
		t.Error(text.String())
	}
}
