package gateway

import (
	"errors"
	"io"
	"net/http"
	"strconv"

	"cmu-gateway/internal/reports"
	"cmu-gateway/pkg/cmu"
)

// document is what a representation is made of.
type document struct {
	*reports.Answer
	asked     cmu.Request
	media     *media
	base      string // of the reports, as callers see it
	gzip      bool
	stale     bool
	simulated bool
	dates     bool // one column instead of the time dimensions

	written int // rows written so far, to judge the size of what does not fit
}

// bodyKey tells representations apart.
type bodyKey struct {
	tag, base string
	media     *media
	gzip      bool
	page      string // what a page shows beyond the answer
}

func (d *document) key() bodyKey {
	k := bodyKey{tag: d.Tag, base: d.base, media: d.media, gzip: d.gzip}
	if d.media.format == formatHTML {
		k.tag += "." + strconv.FormatInt(d.Fetched.Unix(), 36)
		if d.stale {
			k.tag += "s"
		}
		k.page = hrefOf("", d.asked, "")
	}
	return k
}

// etag is strong: one tag, one sequence of bytes under the same URL. Another release may make other bytes of the same answer.
func (k bodyKey) etag(release string) string {
	etag := `"` + k.tag + "-" + release + "-" + k.media.subtype
	if k.gzip {
		etag += "-gzip"
	}
	return etag + `"`
}

// representation is an answer in one media type and encoding. Its headers are shared by all who send it.
type representation struct {
	etag, encoding, disposition, policy, incomplete, length []string

	segments [][]byte // nil: not kept
	size     int
}

func newRepresentation(d *document, k bodyKey, release string) *representation {
	r := &representation{etag: []string{k.etag(release)}}
	if d.gzip {
		r.encoding = []string{"gzip"}
	}
	if reason := IncompleteReason(d.Answer); reason != "" {
		r.incomplete = []string{`?1; detail="` + reason + `"`}
	}
	switch d.media.format {
	case formatCSV:
		r.disposition = []string{disposition(fileName(d.Request, d.Incomplete))}
	case formatHTML:
		r.policy = []string{pagePolicy}
	}
	if d.simulated && r.disposition != nil {
		r.disposition = []string{simulatedFile.Replace(r.disposition[0])}
	}
	return r
}

// keep notes a body that is there whole.
func (r *representation) keep(segments [][]byte) {
	r.segments = segments
	for _, s := range segments {
		r.size += len(s)
	}
	r.length = []string{strconv.Itoa(r.size)}
}

// fields sets the headers that all statuses share.
func (r *representation) fields(header http.Header) {
	header["Etag"] = r.etag
	if r.incomplete != nil {
		header[headerIncomplete] = r.incomplete
	}
}

// bodyFields sets the headers of a body.
func (r *representation) bodyFields(header http.Header, m *media) {
	header["Content-Type"] = m.header
	if r.encoding != nil {
		header["Content-Encoding"] = r.encoding
	}
	if r.disposition != nil {
		header["Content-Disposition"] = r.disposition
	}
	if r.policy != nil {
		header["Content-Security-Policy"] = r.policy
	}
	if r.length != nil {
		header["Content-Length"] = r.length
	}
}

// represent sends the answer. What is small enough is kept, to be sent again without work.
func (h *handler) represent(w http.ResponseWriter, r *http.Request, d *document) {
	k := d.key()
	rep, kept := h.bodies.GetIfPresent(k)
	if !kept {
		rep = newRepresentation(d, k, h.release)
	}
	rep.fields(w.Header())
	if fields := r.Header["If-None-Match"]; fields != nil && matches(fields, rep.etag[0]) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	limit, limited := h.BodyLimit(r.Context())
	if !kept && d.gzip && d.media.format == formatJSON {
		rep.keep(d.Gzip(d.jsonHead(), jsonTail))
		h.keepSmall(k, rep)
	}
	if rep.segments != nil {
		if limited && rep.size > limit {
			h.tooLarge(w, r, d, limit, rep.size)
			return
		}
		rep.bodyFields(w.Header(), d.media)
		for _, s := range rep.segments {
			if _, err := w.Write(s); err != nil {
				return // the caller left
			}
		}
		return
	}
	s := &spool{limit: h.keepLimit(), over: func() (io.Writer, error) {
		if r.Method == http.MethodHead {
			return nil, errBodyUnwanted
		}
		return w, nil
	}}
	if limited {
		s.limit, s.over = limit, func() (io.Writer, error) { return nil, errDoesNotFit }
	}
	rep.bodyFields(w.Header(), d.media)
	err := d.write(s, r.Context())
	switch {
	case errors.Is(err, errDoesNotFit):
		h.tooLarge(w, r, d, limit, int(float64(limit)*float64(d.Rows)/float64(max(d.written, 1))))
	case errors.Is(err, errBodyUnwanted):
		w.WriteHeader(http.StatusOK)
	case err != nil && s.to == nil:
		h.Log.ErrorContext(r.Context(), "a report could not be written", "report", d.Request.Canonical(), "error", err)
		h.problem(w, r, problem{Status: http.StatusInternalServerError, Code: "internal", Detail: "The request failed; the log tells why."})
	case err != nil:
		if r.Context().Err() == nil {
			h.Log.WarnContext(r.Context(), "a report broke off", "report", d.Request.Canonical(), "error", err)
		}
		panic(http.ErrAbortHandler) // the caller must see that the end is missing
	case s.to == nil:
		rep.keep([][]byte{s.kept})
		h.keepSmall(k, rep)
		w.Header()["Content-Length"] = rep.length
		w.Write(s.kept)
	}
}

// maxKept is the largest body that is kept.
const maxKept = 4 << 20

func (h *handler) keepLimit() int { return int(min(h.memory/4, maxKept)) }

// keepSmall keeps a body to be sent again, unless it is large.
func (h *handler) keepSmall(k bodyKey, rep *representation) {
	if rep.size <= h.keepLimit() {
		h.bodies.Set(k, rep)
	}
}

var (
	errDoesNotFit   = errors.New("the body is larger than can be sent")
	errBodyUnwanted = errors.New("only the header is wanted")
)

// spool keeps what is written up to a limit. Past it, all goes to the writer that over returns, in constant memory.
type spool struct {
	kept  []byte
	limit int
	over  func() (io.Writer, error)
	to    io.Writer // nil: all is kept
}

func (s *spool) Write(p []byte) (int, error) {
	if s.to == nil && len(s.kept)+len(p) > s.limit {
		to, err := s.over()
		if err != nil {
			return 0, err
		}
		s.to = to
		if _, err := to.Write(s.kept); err != nil {
			return 0, err
		}
		s.kept = nil
	}
	if s.to != nil {
		return s.to.Write(p)
	}
	s.kept = append(s.kept, p...)
	return len(p), nil
}
