package gateway

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

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
	page      string // what a page shows, or a file is called, beyond the answer
}

func (d *document) key() bodyKey {
	k := bodyKey{tag: d.Tag, base: d.base, media: d.media, gzip: d.gzip}
	switch d.media.format {
	case formatCSV:
		k.page = strings.Join(d.asked.Metrics, ",") // its name tells them, and the answer may be the same
	case formatHTML:
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
	etag := `"` + k.tag + "-" + release + "-" + k.media.tag()
	if k.gzip {
		etag += "-gzip"
	}
	return etag + `"`
}

// representation is an answer in one media type and encoding. Its headers are shared by all who send it.
type representation struct {
	etag, encoding, disposition, policy, incomplete, before, length []string

	segments [][]byte // nil: not kept
	size     int      // known where length is
}

func newRepresentation(d *document, k bodyKey, release string) *representation {
	r := &representation{etag: []string{k.etag(release)}}
	if d.gzip {
		r.encoding = []string{"gzip"}
	}
	if reason := IncompleteReason(d.Answer); reason != "" {
		r.incomplete = []string{`?1; detail="` + reason + `"`}
	}
	if text := beforeHorizon(d.Answer); text != "" {
		r.before = []string{text}
	}
	switch d.media.format {
	case formatCSV:
		r.disposition = []string{disposition(fileName(d.Request, d.asked.Metrics, d.Incomplete, r.before != nil))}
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
	size := 0
	for _, s := range segments {
		size += len(s)
	}
	r.segments = segments
	r.measured(size)
}

// measured notes the size of a body.
func (r *representation) measured(size int) { r.size, r.length = size, []string{strconv.Itoa(size)} }

// weight is the memory that the representation takes.
func (r *representation) weight() int {
	if r.segments == nil {
		return 2 << 10
	}
	return r.size + 2<<10
}

// send writes a part of a body that is kept.
func (r *representation) send(w io.Writer, part span) {
	c := cutter{to: w, span: part}
	for _, s := range r.segments {
		if _, err := c.Write(s); err != nil {
			return // all is sent, or the caller left
		}
	}
}

// fields sets the headers that all statuses share.
func (r *representation) fields(header http.Header) {
	header["Etag"] = r.etag
	if r.incomplete != nil {
		header[headerIncomplete] = r.incomplete
	}
	if r.before != nil {
		header[headerBeforeHorizon] = r.before
	}
}

// bodyFields sets the headers of a body.
func (r *representation) bodyFields(header http.Header, m *media) {
	header["Content-Type"] = m.header
	header["Accept-Ranges"] = acceptRanges
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

// represent sends the answer, or the part of it that a range names. What is small enough is kept, to be sent again without work.
func (h *handler) represent(w http.ResponseWriter, r *http.Request, d *document) {
	k := d.key()
	rep, kept := h.bodies.GetIfPresent(k)
	if !kept {
		rep = newRepresentation(d, k, h.release)
	}
	rep.fields(w.Header())
	if fields := r.Header["If-Match"]; fields != nil && !matches(fields, rep.etag[0], true) {
		h.problem(w, r, problem{Status: http.StatusPreconditionFailed, Code: "precondition_failed",
			Detail: "The report is not, or no longer, the one that If-Match names."})
		return
	}
	if fields := r.Header["If-None-Match"]; fields != nil && matches(fields, rep.etag[0], false) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	asked, part := rangeOf(r, rep.etag[0])
	limit, limited := h.BodyLimit(r.Context())
	if rep.length == nil {
		h.size(d, k, rep)
	}
	// A caller that gets a part must be told the size of all, one that scans NDJSON asks for it by HEAD, and one of HTTP/1.0 sees by it
	// that the end is missing.
	head := r.Method == http.MethodHead
	measured := rep.length == nil && (part || !r.ProtoAtLeast(1, 1) || head && d.media.format == formatNDJSON)
	small := !head && (rep.length == nil || rep.size <= h.keepLimit())
	if rep.segments == nil && (measured || small) && !h.write(w, r, d, k, rep, measured) {
		return
	}
	sent := span{0, rep.size}
	if part {
		var ok bool
		if sent, ok = asked.of(rep.size); !ok {
			h.unsatisfiable(w, r, rep.size)
			return
		}
	}
	if limited && sent.to-sent.from > limit {
		h.tooLarge(w, r, d, limit, rep.size)
		return
	}
	rep.bodyFields(w.Header(), d.media)
	if part {
		w.Header()["Content-Range"] = []string{"bytes " + strconv.Itoa(sent.from) + "-" + strconv.Itoa(sent.to-1) + "/" + strconv.Itoa(rep.size)}
		w.Header()["Content-Length"] = []string{strconv.Itoa(sent.to - sent.from)}
		w.WriteHeader(http.StatusPartialContent)
	}
	switch {
	case head:
		w.WriteHeader(http.StatusOK)
	case rep.segments != nil:
		rep.send(w, sent)
	case sent.from < sent.to:
		c := &cutter{to: w, span: sent}
		if err := d.write(c, r.Context()); c.offset < sent.to || c.failed != nil {
			h.breakOff(r, d, err)
		}
	}
}

// size finds out how large the body is where that takes no reading of rows; JSON that is compressed is there then.
func (h *handler) size(d *document, k bodyKey, rep *representation) {
	if d.gzip && d.media.format == formatJSON {
		rep.keep(d.Gzip(d.jsonHead(), jsonTail))
		h.keepSmall(k, rep)
	} else if n, ok := d.size(); ok {
		rep.measured(n)
	}
}

// write makes a body for the first time. It is ok if its size is known then and nothing is sent yet; else all is done. A body that
// is neither to be measured nor small goes out as it comes.
func (h *handler) write(w http.ResponseWriter, r *http.Request, d *document, k bodyKey, rep *representation, measured bool) (ok bool) {
	limit, limited := h.BodyLimit(r.Context())
	var size measure
	keep, room := h.keepLimit(), int64(2*h.keepLimit())
	free := sync.OnceFunc(func() { h.spools.Release(room) })
	if !h.spools.TryAcquire(room) {
		keep, free = min(keep, smallSpool), func() {}
	}
	defer free()
	s := &spool{limit: keep, free: free, over: func() (io.Writer, error) {
		rep.bodyFields(w.Header(), d.media)
		return w, nil
	}}
	switch {
	case measured:
		s.over = func() (io.Writer, error) { return &size, nil }
	case limited:
		s.limit, s.over = limit, func() (io.Writer, error) { return nil, errDoesNotFit }
	}
	err := d.write(s, r.Context())
	switch {
	case errors.Is(err, errDoesNotFit):
		h.tooLarge(w, r, d, limit, int(float64(limit)*float64(d.Rows)/float64(max(d.written, 1))))
	case err != nil && (s.to == nil || measured):
		h.Log.ErrorContext(r.Context(), "a report could not be written", "report", d.Request.Canonical(), "error", err)
		h.problem(w, r, problem{Status: http.StatusInternalServerError, Code: "internal", Detail: "The request failed; the log tells why."})
	case err != nil:
		h.breakOff(r, d, err)
	case s.to == nil:
		rep.keep([][]byte{s.kept})
		h.keepSmall(k, rep)
		return true
	case measured:
		rep.measured(int(size))
		h.bodies.Set(k, rep)
		return true
	default: // all is sent; who asks for the size next is told
		rep.measured(s.total)
		h.bodies.Set(k, rep)
	}
	return false
}

// breakOff ends an answer so that the caller sees that its end is missing.
func (h *handler) breakOff(r *http.Request, d *document, err error) {
	if r.Context().Err() == nil {
		h.Log.WarnContext(r.Context(), "a report broke off", "report", d.Request.Canonical(), "error", err)
	}
	panic(http.ErrAbortHandler)
}

func (h *handler) unsatisfiable(w http.ResponseWriter, r *http.Request, size int) {
	w.Header()["Content-Range"] = []string{"bytes */" + strconv.Itoa(size)}
	h.problem(w, r, problem{Status: http.StatusRequestedRangeNotSatisfiable, Code: "no_such_range",
		Detail: "The report has " + strconv.Itoa(size) + " bytes, and the range begins past them."})
}

const (
	// maxKept is the largest body that is kept.
	maxKept = 4 << 20
	// spoolMemory bounds what is written to be kept, over all requests at once; smallSpool is what one has that finds nothing left.
	spoolMemory = 64 << 20
	smallSpool  = 64 << 10
)

func (h *handler) keepLimit() int { return int(min(h.memory/4, maxKept)) }

// keepSmall keeps a body to be sent again, unless it is large.
func (h *handler) keepSmall(k bodyKey, rep *representation) {
	if rep.size <= h.keepLimit() {
		h.bodies.Set(k, rep)
	}
}

var errDoesNotFit = errors.New("the body is larger than can be sent")

// spool keeps what is written up to a limit. Past it, all goes to the writer that over returns, in constant memory.
type spool struct {
	kept  []byte
	total int // written so far
	limit int
	over  func() (io.Writer, error)
	to    io.Writer // nil: all is kept
	free  func()    // called when nothing is kept any more
}

func (s *spool) Write(p []byte) (int, error) {
	s.total += len(p)
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
		s.free()
	}
	if s.to != nil {
		return s.to.Write(p)
	}
	s.kept = append(s.kept, p...)
	return len(p), nil
}
