package upstream

import (
	"io"
	"net/http"
)

// Raw is an answer of Adobe's that is no report, as it came.
type Raw struct {
	ContentType string
	Body        []byte
}

// maxRaw bounds an answer that is passed through unread.
const maxRaw = 8 << 20

func contentType(h http.Header) string {
	if t := h.Get("Content-Type"); t != "" {
		return t
	}
	return "application/octet-stream"
}

// firstBytes keeps what is read until it is stopped, so that an answer that is no report can be passed on whole.
type firstBytes struct {
	r       io.Reader
	kept    []byte
	stopped bool
}

func (f *firstBytes) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if !f.stopped {
		if f.kept = append(f.kept, p[:n]...); len(f.kept) > maxRaw {
			f.stop()
		}
	}
	return n, err
}

func (f *firstBytes) stop() { f.kept, f.stopped = nil, true }

// all returns the whole body if it was kept from its beginning and is not too large.
func (f *firstBytes) all() ([]byte, bool) {
	if f.stopped {
		return nil, false
	}
	if _, err := io.Copy(io.Discard, f); err != nil || f.stopped {
		return nil, false
	}
	return f.kept, true
}
