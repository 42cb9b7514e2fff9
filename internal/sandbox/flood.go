package sandbox

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
)

// A flood is an answer with status 200 that is larger in some way than any real one. It goes on until the caller hangs up, or to
// maxFlood bytes, which no client should read.
const maxFlood = 4 << 30

// floods write a JSON report each, until the writer fails.
var floods = map[string]func(w *bufio.Writer) error{
	"string":      once(`{"report":[{"year":"2026","mvpd":"`, `a`),
	"name":        once(`{"report":[{"year":"2026","`, `a`),
	"escapes":     once(`{"report":[{"year":"2026","mvpd":"`, `\u00e9`),
	"number":      once(`{"report":[{"year":"2026","active-users":1`, `0`),
	"space":       once(`{"report":[`, ` `),
	"depth":       once(`{"report":[{"a":`, `[`),
	"object":      once(`{"report":[{"a":`, `{"a":`),
	"nested":      once(`{"more":[`, `[[[[]]]],`),
	"rows":        counted(`{"report":[{}`, func(int) string { return `,{}` }),
	"columns":     counted(`{"report":[{"year":"2026"`, func(i int) string { return fmt.Sprintf(`,"column %d":"1"`, i) }),
	"row columns": counted(`{"report":[{"year":"2026"}`, func(i int) string { return fmt.Sprintf(`,{"year":"2026","column %d":"1"}`, i) }),
	"large row":   counted(`{"report":[{"year":"2026"`, func(i int) string { return fmt.Sprintf(`,"column %d":"%s"`, i, strings.Repeat("a", 60_000)) }),
	"links":       counted(`{"_links":{"drill-down":[{"href":"/a","name":"a"}`, func(i int) string { return fmt.Sprintf(`,{"href":"/a%d","name":"a"}`, i) }),
	"self links":  counted(`{"_links":{"self":[{"href":"/a"}`, func(i int) string { return `,{"href":"/cmu/v2/year"}` }),
	"members":     counted(`{"a":1`, func(i int) string { return fmt.Sprintf(`,"member %d":1`, i) }),
	"same names":  counted(`{"report":[{"year":"2026"`, func(int) string { return `,"year":"2026"` }),
	"same lists":  counted(`{"report":[]`, func(int) string { return `,"report":[]` }),
	"real rows":   counted(`{"report":[{}`, realRow),
	"no end":      counted(`{"report":[{}`, realRow), // it comes a row a second
	headerFlood:   nil,
}

// realRow is a row as Adobe has it, hard to compress.
func realRow(i int) string {
	n := mix(uint64(i))
	return fmt.Sprintf(`,{"year":"2026","month":"%d","mvpd":"%016x","application-id":"%016x%016x","active-users":"%d"}`, i%12+1, n, mix(n), mix(n+1), n>>8)
}

func once(head, again string) func(*bufio.Writer) error {
	again = strings.Repeat(again, 1<<10)
	return counted(head, func(int) string { return again })
}

func counted(head string, next func(i int) string) func(*bufio.Writer) error {
	return func(w *bufio.Writer) error {
		n, err := w.WriteString(head)
		for i := 0; err == nil && n < maxFlood; i++ {
			var more int
			more, err = w.WriteString(next(i))
			n += more
		}
		return err
	}
}

// headerFlood is the flood that is no body.
const headerFlood = "headers"

// Floods names the shapes of the kind of fault flood.
func Floods() []string { return slices.Sorted(maps.Keys(floods)) }

func serveFlood(w http.ResponseWriter, r *http.Request, shape string) {
	w.Header().Set("Content-Type", "application/json")
	if shape == headerFlood {
		for i := range 100_000 {
			w.Header().Set(fmt.Sprintf("X-Header-%d", i), strings.Repeat("a", 100))
		}
		return
	}
	var to io.Writer = w
	if acceptsGzip(r) && shape != "no end" {
		w.Header().Set("Content-Encoding", "gzip") // small on the way, as a bomb is
		z := compressors.Get().(*gzip.Writer)
		z.Reset(w)
		defer compressors.Put(z)
		to = z
	}
	if shape == "no end" {
		to = &slow{w, r}
	}
	_ = floods[shape](bufio.NewWriterSize(to, 32<<10)) // whoever is flooded hangs up
	panic(http.ErrAbortHandler)
}

// slow lets a few bytes pass each second.
type slow struct {
	http.ResponseWriter
	r *http.Request
}

func (s *slow) Write(p []byte) (int, error) {
	for at := 0; at < len(p); at += 100 {
		select {
		case <-s.r.Context().Done():
			return at, s.r.Context().Err()
		case <-time.After(time.Second):
		}
		if _, err := s.ResponseWriter.Write(p[at:min(at+100, len(p))]); err != nil {
			return at, err
		}
		_ = http.NewResponseController(s.ResponseWriter).Flush()
	}
	return len(p), nil
}
