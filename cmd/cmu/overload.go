package main

import (
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// writeTime is how long a caller may take for a piece of an answer: who reads more slowly than that is not waited for.
	writeTime  = time.Minute
	writePiece = 64 << 10
	// maxConnections bounds the open connections, most of which wait idle; maxRequests the requests that are being answered.
	maxConnections = 4096
	maxRequests    = 512
	// ownFiles are those that this process has open beside them: listeners, the data file, calls to Adobe.
	ownFiles = 20
)

// connections is how many may be open at once where so many files may be: the others wait to be accepted.
func connections(maxOpen int) int { return max(min(maxConnections, maxOpen-ownFiles), 1) }

// tooMany is a problem in the form of the gateway's own.
const tooMany = `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"Too many requests are being answered at once. ` +
	`Ask again in some seconds.","code":"unavailable","retry_after":5}`

// patient returns h with a deadline for each piece of an answer that is written: it rolls on as long as the caller reads, and no
// answer has to end by a time. Past most requests at once others get what is kept, some at once, and all others are sent away.
func patient(h http.Handler, wait time.Duration, most int) http.Handler {
	places, more := make(chan struct{}, most), make(chan struct{}, most/8)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &pieces{ResponseWriter: w, control: http.NewResponseController(w), wait: wait}
		defer p.extend() // for what is still buffered
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			h.ServeHTTP(p, r)
			return
		default:
		}
		select {
		case more <- struct{}{}:
			defer func() { <-more }()
			kept := r.Clone(r.Context())
			kept.Header.Set("Cache-Control", "only-if-cached")
			p.keptAlone = true
			h.ServeHTTP(p, kept)
		default:
			p.sendAway()
		}
	})
}

// sendAway tells a caller to come back later.
func (p *pieces) sendAway() {
	p.sentAway = true
	p.Header().Set("Retry-After", "5")
	p.Header().Set("Content-Type", "application/problem+json")
	p.Header().Set("Cache-Control", "no-store")
	p.Header().Set("Content-Length", strconv.Itoa(len(tooMany)))
	p.extend()
	p.ResponseWriter.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(p.ResponseWriter, tooMany)
}

// pieces writes an answer piece by piece.
type pieces struct {
	http.ResponseWriter
	control   *http.ResponseController
	wait      time.Duration
	keptAlone bool // what is not kept (504) is told as too many requests
	sentAway  bool
}

// extend sets the deadline anew; a connection that cannot have one has none.
func (p *pieces) extend() { _ = p.control.SetWriteDeadline(time.Now().Add(p.wait)) }

func (p *pieces) WriteHeader(status int) {
	if p.keptAlone && status == http.StatusGatewayTimeout {
		p.sendAway()
		return
	}
	p.extend()
	p.ResponseWriter.WriteHeader(status)
}

func (p *pieces) Write(text []byte) (n int, err error) {
	if p.sentAway {
		return len(text), nil
	}
	for first := true; first || len(text) > 0; first = false {
		p.extend()
		wrote, err := p.ResponseWriter.Write(text[:min(len(text), writePiece)])
		if n += wrote; err != nil {
			return n, err
		}
		text = text[wrote:]
	}
	return n, nil
}

// Unwrap lets http.ResponseController through.
func (p *pieces) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// bounded returns a listener that accepts no more while so many of its connections are open. Those that wait for a request make room, the
// one that waits longest first.
func bounded(l net.Listener, most int) *boundedListener {
	return &boundedListener{Listener: l, places: make(chan struct{}, most), closed: make(chan struct{}), idle: map[net.Conn]int64{}}
}

type boundedListener struct {
	net.Listener
	places chan struct{}
	close  sync.Once
	closed chan struct{}

	mu      sync.Mutex         // guards what follows
	idle    map[net.Conn]int64 // since when, as a count
	count   int64
	crowded bool // somebody waits to be accepted, and none is idle
}

// changed is for http.Server.ConnState.
func (l *boundedListener) changed(c net.Conn, state http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.idle, c)
	if state != http.StateIdle {
		return
	}
	if l.crowded {
		l.crowded = false
		_ = c.Close()
		return
	}
	l.count++
	l.idle[c] = l.count
}

// makeRoom closes the connection that has been idle for longest, or else the next one that will be.
func (l *boundedListener) makeRoom() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var longest net.Conn
	for c, since := range l.idle {
		if longest == nil || since < l.idle[longest] {
			longest = c
		}
	}
	if l.crowded = longest == nil; longest != nil {
		delete(l.idle, longest)
		_ = longest.Close()
	}
}

func (l *boundedListener) Accept() (net.Conn, error) {
	select {
	case l.places <- struct{}{}:
	default:
		l.makeRoom()
		select {
		case l.places <- struct{}{}:
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

func (l *boundedListener) Close() error {
	l.close.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type boundedConn struct {
	net.Conn
	leave func()
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
