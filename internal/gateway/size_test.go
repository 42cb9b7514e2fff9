package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/rows"
	"cmu-gateway/pkg/cmu"
)

// The size is told to HEAD where it is known without making a body, and is that of GET.
func TestHeadTellsTheSize(t *testing.T) {
	for _, memory := range []int64{0, 8 << 10} {
		r := newRig(t, func(g *Gateway) { g.memory = memory })
		for _, report := range []string{days, days + "&mvpd=Nobody"} {
			for _, name := range formatNames {
				for _, encoding := range []string{"identity", "gzip"} {
					target := report + "&format=" + name
					head := r.raw(http.MethodHead, target, "Accept-Encoding", encoding)
					get := r.raw(http.MethodGet, target, "Accept-Encoding", encoding)
					again := r.raw(http.MethodHead, target, "Accept-Encoding", encoding)
					known := get.Header().Get("Content-Encoding") == "" && (name == "json" || name == "csv" || name == "ndjson") ||
						name == "json"
					size := strconv.Itoa(get.Body.Len())
					if got := head.Header().Get("Content-Length"); head.Code != 200 || known && got != size || !known && got != "" && got != size {
						t.Errorf("%s %s: %d %q, want %s", target, encoding, head.Code, got, size)
					}
					if got := again.Header().Get("Content-Length"); got != size && (known || memory == 0) {
						t.Errorf("%s %s, once it was made: %q, want %s", target, encoding, got, size)
					}
				}
			}
		}
	}
}

// A HEAD opens no rows: it costs the same whatever their number. The size of NDJSON alone is measured, and told again.
func TestHeadReadsNoRows(t *testing.T) {
	r := newRig(t)
	for _, name := range formatNames {
		if name == "ndjson" {
			continue
		}
		a := wide(1000)
		for i := range a.Fragments {
			a.Fragments[i].Deflate = []byte("what cannot be opened\x00\x00\xff\xff")
		}
		asked := cmu.Request{Path: a.Request.Path, Format: name}
		w := httptest.NewRecorder()
		q := httptest.NewRequest(http.MethodHead, "/cmu/v2/year/mvpd", nil)
		m, _ := choose(name, nil)
		r.handler.(*handler).represent(w, q, &document{Answer: a, asked: asked, media: m, base: reportsPath})
		if w.Code != 200 || w.Header().Get("Etag") == "" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
}

// wide is an answer of so many rows, whose values CSV must quote in part.
func wide(n int) *reports.Answer {
	w := rows.NewWriter()
	for i := range n {
		w.Add(fmt.Appendf(nil, `{"year":"2026","mvpd":"a,b %d","users":"%d"}`, i, i))
	}
	f := w.Fragment()
	return &reports.Answer{Request: cmu.Request{Path: []string{"year", "mvpd"}}, Fragments: []rows.Fragment{f, f}, Rows: 2 * n, Columns: f.Columns.Names(), Tag: "t"}
}

// The size that is worked out is that of the body, whatever the rows hold.
func TestSizeIsThatOfTheBody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := &reports.Answer{Request: cmu.Request{Path: []string{"year", "mvpd"}}}
		var all rows.Fields
		text := rapid.StringMatching(`[a-c ,"\r\n\\.é\x00]{0,4}`)
		for range rapid.IntRange(0, 3).Draw(t, "fragments") {
			w := rows.NewWriter()
			for range rapid.IntRange(0, 4).Draw(t, "rows") {
				fields := rapid.MapOfN(text, text, 1, 4).Draw(t, "fields")
				row, err := json.Marshal(fields)
				if err != nil {
					t.Fatal(err)
				}
				w.Add(row)
			}
			f := w.Fragment()
			all.Join(f.Columns)
			a.Rows += f.Rows
			a.Fragments = append(a.Fragments, f)
		}
		a.Columns = all.Names()
		for _, name := range []string{"json", "csv"} {
			m, _ := choose(name, nil)
			d := &document{Answer: a, asked: a.Request, media: m, base: reportsPath}
			var body bytes.Buffer
			if err := d.write(&body, t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, ok := d.size(); !ok || n != body.Len() {
				t.Errorf("%s: %d, %v, want %d:\n%q", name, n, ok, body.Len(), body.String())
			}
		}
	})
}
