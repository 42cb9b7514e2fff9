package reports

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"testing"

	testrig "cmu-gateway/internal/rig"
)

// TestMemoryOfALargeReport lets a report of 100 MB pass through for the first time. The race detector needs memory and time of
// its own: under it a tenth of that does.
func TestMemoryOfALargeReport(t *testing.T) {
	const days = 30
	size := 420_001 // no round number: that would look truncated
	if raceDetector {
		size = size/10 + 1
	}
	r := newRig(t, limit(1_000_000))
	r.carry = carrier(func(q *http.Request) (*http.Response, error) {
		body, w := io.Pipe()
		go func() { w.CloseWithError(writeLarge(w, size, days)) }()
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, Request: q}, nil
	})
	if err := r.book().noteVerdict(t.Context(), Verdict{Proven: true, At: noon}); err != nil {
		t.Fatal(err)
	}
	grown := testrig.WatchHeap()
	a, source, err := r.Get(t.Context(), request(t, "year/month/day/tenant/mvpd/application-id?start=2026-06&end=2026-07"), Directives{})
	used := grown()
	if err != nil || source != FromAdobe || a.Rows != size || a.Incomplete {
		t.Fatal(a, source, err)
	}
	if v := r.book().verdict(); !v.Proven {
		t.Errorf("verdict %+v: the rows were not sliced", v)
	}
	plain, compressed := int64(0), int64(0)
	for _, f := range a.Fragments {
		plain, compressed = plain+f.Len, compressed+int64(len(f.Deflate))
	}
	t.Logf("%d MB of JSON, %d MB compressed, at most %d MB of heap", plain>>20, compressed>>20, used>>20)
	if bound := 3*compressed + 64<<20; used > bound || plain < int64(size)*200 {
		t.Errorf("%d bytes of heap for %d, want at most %d", used, plain, bound)
	}
}

// writeLarge writes a report of June 2026.
func writeLarge(to io.Writer, size, days int) error {
	w := bufio.NewWriterSize(to, 32<<10)
	fmt.Fprint(w, `{"_links":{"self":{"href":"/cmu/v2/year?limit=1000000"}},"report":[`)
	for i := range size {
		if i > 0 {
			w.WriteByte(',')
		}
		fmt.Fprintf(w, `{"year":"2026","month":"6","day":"%d","tenant":"ACME","mvpd":"MVPD %d","application-id":"%08x-1111-2222-3333-%012x","active-users":"%d","active-sessions":"%d","started-sessions":"%d","completed-sessions":"%d","failed-attempts":"%d"}`,
			i*days/size+1, i%17, i%41, i%41, i*7919%10007, i*104729%20011, i*1299709%15013, i%99991, i%7)
	}
	fmt.Fprint(w, `]}`)
	return w.Flush()
}
