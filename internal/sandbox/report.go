package sandbox

import (
	"cmp"
	"errors"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"cmu-gateway/pkg/cmu"
)

const (
	flushBytes   = 64 << 10
	shuffledRows = 10_000
)

// serveReport answers a report call. Below is the escaped path below the reports base.
//
// Source: Adobe, Concurrency Monitoring usage API.
func (s *Sandbox) serveReport(w http.ResponseWriter, r *http.Request, below string) {
	b, now := s.Behaviour(), s.now()
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", http.MethodGet)
		plain(w, http.StatusMethodNotAllowed, "Method not allowed: GET only")
		return
	}
	tenant, scopes, err := s.verifyToken(bearer(r))
	if err != nil {
		s.counts.refused.Add(1)
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "<html><body><h1>HTTP Status 401 - Unauthorized</h1></body></html>")
		return
	}
	if next, full := s.overMinute(now, b.ReportsPerMinute); full {
		s.counts.throttled.Add(1)
		w.Header().Set("Expires", next.UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	need := "cmu:analytics:client"
	if strings.HasPrefix(strings.Trim(below, "/")+"/", "billing/") {
		need = "cmu:billing:client"
	}
	if !b.IgnoreScopes && !slices.Contains(scopes, need) {
		s.counts.refused.Add(1)
		plain(w, http.StatusForbidden, "Forbidden: the access token lacks the scope "+need)
		return
	}
	request, err := cmu.Parse(below, r.URL.RawQuery)
	if err != nil {
		status := http.StatusBadRequest
		if bad := (*cmu.RequestError)(nil); errors.As(err, &bad) && bad.Part == "path" {
			status = http.StatusNotFound
		}
		plain(w, status, err.Error())
		return
	}
	f, ok := negotiate(request.Format, strings.Join(r.Header.Values("Accept"), ","))
	sel, bad := s.selectReport(request, tenant, &b, now)
	switch {
	case bad != nil && bad.status == http.StatusNotFound:
		plain(w, bad.status, bad.reason)
	case !ok:
		plain(w, http.StatusNotAcceptable, "Not acceptable: there are json, xml, csv and html")
	case bad != nil:
		plain(w, bad.status, bad.reason)
	default:
		s.counts.served.Add(1)
		s.send(w, r, f, sel, &b, now)
	}
}

// bearer returns the access token of a report call.
func bearer(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return r.URL.Query().Get("access_token")
}

// overMinute counts a report call against the limit, and returns when the next one is welcome if it is over.
func (s *Sandbox) overMinute(now time.Time, limit int) (next time.Time, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inMinute == 0 || now.Sub(s.minute) >= time.Minute {
		s.minute, s.inMinute = now, 0
	}
	s.inMinute++
	next = s.minute.Add(time.Minute + time.Second - 1) // the header has whole seconds: never too early
	return next, limit > 0 && s.inMinute > limit
}

// send streams the report.
func (s *Sandbox) send(w http.ResponseWriter, r *http.Request, f format, sel *selection, b *Behaviour, now time.Time) {
	h := w.Header()
	h.Set("Content-Type", f.media)
	h.Set("Last-Modified", now.UTC().Format(http.TimeFormat))
	h.Set("Cache-Control", "no-cache")
	h.Set("Vary", "Accept, Accept-Encoding")
	h.Set("X-Request-Id", strconv.FormatUint(mix(s.world.seed, uint64(now.UnixNano()), uint64(s.counts.report.Load())), 16))
	if f.sorted { // CSV, which has a file name
		h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": sel.fileName()}))
	}
	var body io.Writer = w
	if acceptsGzip(r) {
		h.Set("Content-Encoding", "gzip")
		z := compressors.Get().(*gzip.Writer)
		z.Reset(w)
		defer compressors.Put(z)
		defer func() { _ = z.Close() }() // a caller that left is no failure
		body = z
	}
	w.WriteHeader(http.StatusOK)
	d := &document{sel: sel, prefix: cmp.Or(b.LinkPrefix, ReportsPath), numbers: b.JSONNumbers}
	p := &printer{d: d, f: f, to: body, out: f.begin(d, nil)}
	if b.Shuffle && !f.sorted {
		p.shuffle = rand.New(rand.NewPCG(s.world.seed, mixText(0, d.self())))
	}
	s.world.walk(sel, b, p.row)
	p.finish()
	s.counts.rows.Add(p.rows)
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, parameters, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(part, " ", "")), ";")
		if coding == "gzip" && parameters != "q=0" {
			return true
		}
	}
	return false
}

var compressors = sync.Pool{New: func() any {
	z, _ := gzip.NewWriterLevel(nil, 3) // a valid level
	return z
}}

// printer sends rows as they come, or a good many at a time in a mixed order.
type printer struct {
	d       *document
	f       format
	to      io.Writer
	out     []byte
	rows    int64
	err     error
	shuffle *rand.Rand
	waiting [][]byte
}

// row takes one row. It is false when the caller has left.
func (p *printer) row(labels []string, values []int64) bool {
	if p.shuffle != nil {
		p.waiting = append(p.waiting, p.f.row(p.d, nil, labels, values))
		if len(p.waiting) == shuffledRows {
			p.mix()
		}
		return p.err == nil
	}
	p.separate()
	p.out = p.f.row(p.d, p.out, labels, values)
	p.flush(flushBytes)
	return p.err == nil
}

func (p *printer) separate() {
	if p.rows++; p.rows > 1 {
		p.out = append(p.out, p.f.separator...)
	}
}

// mix sends the rows that wait.
func (p *printer) mix() {
	p.shuffle.Shuffle(len(p.waiting), func(i, j int) { p.waiting[i], p.waiting[j] = p.waiting[j], p.waiting[i] })
	for _, row := range p.waiting {
		p.separate()
		p.out = append(p.out, row...)
		p.flush(flushBytes)
	}
	p.waiting = p.waiting[:0]
}

// flush sends the buffer once it holds that many bytes.
func (p *printer) flush(least int) {
	if len(p.out) >= least && p.err == nil {
		_, p.err = p.to.Write(p.out)
		p.out = p.out[:0]
	}
}

func (p *printer) finish() {
	if p.shuffle != nil {
		p.mix()
	}
	p.out = p.f.end(p.d, p.out)
	p.flush(1)
}
