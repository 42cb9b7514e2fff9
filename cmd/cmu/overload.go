package main

import (
	"io"
	"net/http"
	"time"

	"cmu-gateway/internal/gateway"
)

const (
	// writeTime is how long a caller may take for a piece of an answer: who reads more slowly than that is not waited for.
	writeTime  = time.Minute
	writePiece = 64 << 10
	// maxRequests bounds the requests that are being answered.
	maxRequests = 512
	// Past these, a part of them more is answered in passing, with what is at hand: status, pages, reports that are kept. Who reads slowly is not waited
	// for there, nor by any once half of the places are taken.
	passingPart = 8
	passingTime = 5 * time.Second
)

// tooMany is a problem in the form of the gateway's own.
const tooMany = `{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"Too many requests are being answered at once. ` +
	`Ask again in some seconds.","code":"unavailable","retry_after":5}`

// patient returns h with a deadline for each piece of an answer that is written: it rolls on as long as the caller reads, and no
// answer has to end by a time. Past most requests at once some are answered in passing, and others sent away.
func patient(h http.Handler, wait time.Duration, most int) http.Handler {
	places, passing := make(chan struct{}, most), make(chan struct{}, max(most/passingPart, 1))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &pieces{ResponseWriter: w, control: http.NewResponseController(w), wait: func() time.Duration {
			if len(places) > most/2 {
				return min(wait, passingTime)
			}
			return wait
		}}
		defer p.extend() // for what is still buffered
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			h.ServeHTTP(p, r)
			return
		default:
		}
		select {
		case passing <- struct{}{}:
			defer func() { <-passing }()
			h.ServeHTTP(p, r.WithContext(gateway.InPassing(r.Context())))
		default:
			p.Header().Set("Retry-After", "5")
			p.Header().Set("Content-Type", "application/problem+json")
			p.Header().Set("Cache-Control", "no-store")
			p.WriteHeader(http.StatusServiceUnavailable)
			_, _ = io.WriteString(p, tooMany)
		}
	})
}

// pieces writes an answer piece by piece.
type pieces struct {
	http.ResponseWriter
	control *http.ResponseController
	wait    func() time.Duration
}

// extend sets the deadline anew; a connection that cannot have one has none.
func (p *pieces) extend() { _ = p.control.SetWriteDeadline(time.Now().Add(p.wait())) }

func (p *pieces) WriteHeader(status int) {
	p.extend()
	p.ResponseWriter.WriteHeader(status)
}

func (p *pieces) Write(text []byte) (n int, err error) {
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
