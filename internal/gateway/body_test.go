package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// A body past what is kept is streamed, with the same bytes.
func TestLargeBodiesStream(t *testing.T) {
	r := newRig(t)
	r.gateway.memory = 8 << 10
	small := r.gateway.Handler()
	large := r.handler
	for _, format := range []string{"json", "csv", "xml", "ndjson", "html"} {
		for _, encoding := range []string{"identity", "gzip"} {
			target := days + "&format=" + format
			r.handler = large
			want := r.ok(target, "Accept-Encoding", encoding)
			r.handler = small
			got := r.ok(target, "Accept-Encoding", encoding)
			if got.body != want.body || got.Header.Get("Etag") != want.Header.Get("Etag") {
				t.Errorf("%s: %d bytes, want %d", target, len(got.body), len(want.body))
			}
		}
	}
}

// A caller that cannot be written to any more gets no end that looks right.
func TestBrokenBodyIsSeen(t *testing.T) {
	r := newRig(t)
	r.gateway.memory = 8 << 10
	h := r.gateway.Handler()
	defer func() {
		if recover() != http.ErrAbortHandler {
			t.Error("the answer ended as if it were whole")
		}
	}()
	request, _ := http.NewRequest(http.MethodGet, "http://gateway"+days+"&format=xml", nil)
	h.ServeHTTP(&failing{header: http.Header{}}, request)
}

type failing struct {
	header http.Header
	n      int
}

func (f *failing) Header() http.Header { return f.header }
func (f *failing) WriteHeader(int)     {}
func (f *failing) Write(p []byte) (int, error) {
	if f.n++; f.n > 1 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

// Many callers at once, over real connections, get what one gets alone.
func TestManyCallersOverHTTP(t *testing.T) {
	r := newRig(t)
	r.gateway.memory = 60 << 10 // some bodies are kept, others not
	server := httptest.NewServer(r.gateway.Handler())
	defer server.Close()
	targets := []string{}
	want := map[string]string{}
	for _, format := range []string{"json", "csv", "xml", "ndjson", "html"} {
		for _, query := range []string{
			"/year/month/day?start=2026-06-01&end=2026-06-03",
			"/year/month/day/mvpd?start=2026-06-01&end=2026-06-11",
		} {
			target := "/cmu/v2" + query + "&format=" + format
			targets = append(targets, target)
			want[target] = r.ok(target).body
		}
	}
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			for j := range targets {
				target := targets[(i+j)%len(targets)]
				resp, err := server.Client().Get(server.URL + target) // asks for gzip and undoes it
				if err != nil {
					t.Error(err)
					return
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || string(body) != want[target] {
					t.Errorf("%s: %d bytes, want %d; %v", target, len(body), len(want[target]), err)
				}
				head, err := server.Client().Head(server.URL + target)
				if err != nil || head.StatusCode != http.StatusOK {
					t.Errorf("HEAD %s: %v", target, err)
				}
			}
		})
	}
	group.Wait()
}
