package gateway

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"cmu-gateway/internal/reports"
	"cmu-gateway/pkg/cmu"

	"pgregory.net/rapid"
)

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

// The narrower windows cover the window, one after the other, and break it at periods of the report.
func TestNarrowerWindows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.SampledFrom([]string{"year", "year/month", "year/month/day", "mvpd/year/month/day/hour"}).Draw(t, "path")
		from := cmu.CivilDate(2024, 1, 1, 0, 0) + cmu.Civil(rapid.IntRange(0, 900*24*60).Draw(t, "from"))*60_000
		to := from + cmu.Civil(rapid.IntRange(1, 900*24*60).Draw(t, "length"))*60_000
		asked, err := cmu.Parse(path, "start="+from.String()+"&end="+to.String()+"&mvpd=x")
		if err != nil {
			t.Fatal(err)
		}
		d := &document{Answer: &reports.Answer{Request: asked}, asked: asked, base: "/cmu/v2"}
		parts := d.narrower(rapid.IntRange(0, 100).Draw(t, "n"))
		grain, _ := asked.Grain()
		if len(parts) == 0 {
			if grain.Step(from, 2) < to {
				t.Fatal("there are periods to split at")
			}
			return
		}
		at := asked.Start.String()
		for i, p := range parts {
			edge, err := cmu.ParseBound(p.Start)
			c, ok := edge.Civil()
			if err != nil || !ok || p.Start != at || i > 0 && grain.Floor(c) != c {
				t.Fatalf("%v after %s", p, at)
			}
			at = p.End
		}
		if at != asked.End.String() || len(parts) > maxNarrower || len(parts) < 2 {
			t.Fatalf("%d parts, to %s", len(parts), at)
		}
	})
}
