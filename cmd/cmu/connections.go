package main

import (
	"container/list"
	"net"
	"net/http"
	"sync"
)

const (
	// maxConnections bounds the open connections, most of which wait idle.
	maxConnections = 4096
	// ownFiles are those that this process has open beside them: listeners, the data file, calls to Adobe.
	ownFiles = 20
)

// connections is how many may be open at once where so many files may be.
func connections(maxOpen int) int { return max(min(maxConnections, maxOpen-ownFiles), 1) }

// bounded returns a listener that has no more than so many connections open. Past these the one that has waited idle longest is closed for one that
// comes; while none waits idle, who comes waits to be accepted. Its state must be the server's ConnState.
func bounded(l net.Listener, most int) *boundedListener {
	return &boundedListener{Listener: l, places: make(chan struct{}, most), closed: make(chan struct{})}
}

type boundedListener struct {
	net.Listener
	places chan struct{}
	close  sync.Once
	closed chan struct{}

	mu    sync.Mutex // guards what follows
	idle  list.List  // of *boundedConn: since the longest time first
	wants bool       // one waits to be accepted
}

func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	default:
		l.want(true)
		select {
		case l.places <- struct{}{}:
			l.want(false)
		case <-l.closed:
			return nil, net.ErrClosed
		}
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.places
		return nil, err
	}
	return &boundedConn{Conn: c, leave: sync.OnceFunc(func() { <-l.places })}, nil
}

// want notes whether one waits to be accepted, and makes room for it.
func (l *boundedListener) want(wants bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wants = wants; wants {
		l.makeRoom()
	}
}

// makeRoom closes the connection that has waited idle longest, for one that waits to be accepted. l.mu is held.
func (l *boundedListener) makeRoom() {
	first := l.idle.Front()
	if first == nil {
		return
	}
	c := l.idle.Remove(first).(*boundedConn)
	c.place, l.wants = nil, false
	_ = c.Close()
}

// state follows which connections wait idle.
func (l *boundedListener) state(conn net.Conn, state http.ConnState) {
	c, ok := conn.(*boundedConn)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.place != nil {
		l.idle.Remove(c.place)
		c.place = nil
	}
	if state != http.StateIdle {
		return
	}
	if c.place = l.idle.PushBack(c); l.wants {
		l.makeRoom()
	}
}

func (l *boundedListener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type boundedConn struct {
	net.Conn
	leave func()
	place *list.Element // among those that wait idle; guarded by the listener's mu
}

func (c *boundedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// CloseWrite lets net/http end an answer before it closes the connection.
func (c *boundedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
