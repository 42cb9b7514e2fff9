package sandbox

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// Fault is a failure of some calls. The zero Count and zero Probability mean every call.
type Fault struct {
	// On is the endpoint: register, token or report; empty means all three.
	On string `json:"on"`
	// Kind is one of
	//   - status: the answer is Status with Body and Headers; the call has no effect
	//   - hang: no answer until the caller gives up
	//   - cut: the connection breaks after the first After bytes of the body
	//   - truncated: the body ends well after its first After bytes
	//   - broken_gzip: the body says that it is gzip, and is not
	//   - lost: the call has its effect, and the connection breaks before the answer
	//   - flood: a report that has no end, in the way that Shape names
	Kind string `json:"kind"`
	// Status of the kind status, 200 to 599.
	Status int `json:"status,omitempty"`
	// Body of the kind status.
	Body string `json:"body,omitempty"`
	// Headers of the kind status.
	Headers map[string]string `json:"headers,omitempty"`
	// Shape of the kind flood: one of Floods.
	Shape string `json:"shape,omitempty"`
	// After is how many bytes of the body are sent. Zero: 100.
	After int `json:"after,omitempty"`
	// Count is how many calls fail. Zero: all from now on.
	Count int `json:"count,omitempty"`
	// Of limits the fault to calls whose path and query hold this text, as /mvpd. Empty: any call.
	Of string `json:"of,omitempty"`
	// Probability, over 0 and up to 1, that a call fails. Zero: every call.
	Probability float64 `json:"probability,omitempty"`
}

var (
	faultKinds = []string{"status", "hang", "cut", "truncated", "broken_gzip", "lost", "flood"}
	endpoints  = []string{"", "register", "token", "report"}
)

func (f *Fault) check() error {
	switch {
	case !slices.Contains(endpoints, f.On):
		return fmt.Errorf("on: want one of %q", endpoints)
	case !slices.Contains(faultKinds, f.Kind):
		return fmt.Errorf("kind: want one of %q", faultKinds)
	case f.Kind == "status" && (f.Status < 200 || f.Status > 599):
		return fmt.Errorf("status: want 200 to 599, not %d", f.Status)
	case f.Kind == "flood" && !slices.Contains(Floods(), f.Shape):
		return fmt.Errorf("shape: want one of %q", Floods())
	case f.Count < 0 || f.After < 0:
		return fmt.Errorf("count and after are not negative")
	case f.Probability < 0 || f.Probability > 1:
		return fmt.Errorf("probability: want 0 to 1, not %g", f.Probability)
	}
	if f.After == 0 {
		f.After = 100
	}
	return nil
}

// takeFault returns the fault that is due for a call of the endpoint with a path and query, and counts it off.
func (s *Sandbox) takeFault(endpoint, asked string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.behaviour.Faults {
		if f.On != "" && f.On != endpoint || !strings.Contains(asked, f.Of) {
			continue
		}
		if f.Probability > 0 {
			s.draws++
			if unit(mix(s.world.seed, s.draws)) >= f.Probability {
				continue
			}
		}
		if f.Count == 1 {
			s.behaviour.Faults = slices.Delete(slices.Clone(s.behaviour.Faults), i, i+1)
		} else if f.Count > 1 {
			s.behaviour.Faults = slices.Clone(s.behaviour.Faults)
			s.behaviour.Faults[i].Count--
		}
		return f, true
	}
	return Fault{}, false
}

// serve answers a call with the fault. Breaking the connection is a panic with http.ErrAbortHandler, as net/http has it.
func (f *Fault) serve(w http.ResponseWriter, r *http.Request, serve http.HandlerFunc) {
	switch f.Kind {
	case "status":
		w.Header().Set("Content-Type", "text/html")
		for name, value := range f.Headers {
			w.Header().Set(name, value)
		}
		w.WriteHeader(f.Status)
		_, _ = io.WriteString(w, f.Body)
	case "hang":
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case "cut":
		serve(&shortened{ResponseWriter: w, left: f.After}, r)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case "truncated":
		plain := r.Clone(r.Context())
		plain.Header.Del("Accept-Encoding") // so that the bytes cut are the body's own
		serve(&shortened{ResponseWriter: w, left: f.After}, plain)
	case "broken_gzip":
		serve(&garbled{ResponseWriter: w}, r)
	case "flood":
		serveFlood(w, r, f.Shape)
	case "lost":
		serve(&discarded{header: http.Header{}}, r)
		panic(http.ErrAbortHandler)
	}
}

// shortened passes the first bytes of a body and swallows the rest.
type shortened struct {
	http.ResponseWriter
	left int
}

func (w *shortened) Write(p []byte) (int, error) {
	pass := p[:min(w.left, len(p))]
	w.left -= len(pass)
	if len(pass) > 0 {
		if n, err := w.ResponseWriter.Write(pass); err != nil {
			return n, err
		}
	}
	return len(p), nil
}

// garbled claims gzip and spoils the bytes after a gzip header's length.
type garbled struct {
	http.ResponseWriter
	passed int
}

func (w *garbled) WriteHeader(status int) {
	w.Header().Set("Content-Encoding", "gzip")
	w.ResponseWriter.WriteHeader(status)
}

func (w *garbled) Write(p []byte) (int, error) {
	spoilt := slices.Clone(p)
	for i := range spoilt {
		if w.passed+i >= 10 {
			spoilt[i] ^= 0xA5
		}
	}
	w.passed += len(p)
	return w.ResponseWriter.Write(spoilt)
}

// discarded is an answer that nobody gets.
type discarded struct{ header http.Header }

func (w *discarded) Header() http.Header         { return w.header }
func (w *discarded) Write(p []byte) (int, error) { return len(p), nil }
func (w *discarded) WriteHeader(int)             {}
