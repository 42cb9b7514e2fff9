package rig

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// serve serves h until the test ends on a network of its own that is all in memory, so that it may stand in a bubble of
// testing/synctest, where sockets may not. It returns the server's URL and the only transport that leads there.
func serve(t testing.TB, h http.Handler) (url string, to *http.Transport) {
	n := &network{calls: make(chan net.Conn), closed: make(chan struct{})}
	to = &http.Transport{DialContext: n.dial}
	server := &httptest.Server{Listener: n, Config: &http.Server{Handler: h}}
	server.Start()
	t.Cleanup(func() {
		to.CloseIdleConnections()
		server.Close()
	})
	return server.URL, to
}

// network is a listener and the way to it.
type network struct {
	calls  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case n.calls <- there:
		return here, nil
	case <-n.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.calls:
		return c, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error {
	n.once.Do(func() { close(n.closed) })
	return nil
}

func (n *network) Addr() net.Addr  { return n }
func (n *network) Network() string { return "memory" }
func (n *network) String() string  { return "adobe.test" }
