package gateway

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestCachingHeaders(t *testing.T) {
	r := newRig(t)
	r.prove()
	target := "/cmu/v2/tenant/year/month/day?start=2026-07-01&end=2026-07-22"
	steps := []struct {
		name, status, cacheStatus, age, control string
		before                                  func()
		headers                                 []string
	}{
		{name: "first", cacheStatus: "cmu-gateway; fwd=miss; fwd-status=200; stored; ttl=2700", age: "0", control: "private, max-age=2700"},
		{name: "again", cacheStatus: "cmu-gateway; hit; ttl=2600; detail=memory", age: "100", control: "private, max-age=2700",
			before: func() { r.clock.Add(100 * time.Second) }},
		{name: "only if cached", cacheStatus: "cmu-gateway; hit; ttl=2600; detail=memory", age: "100", control: "private, max-age=2700",
			headers: []string{"Cache-Control", "only-if-cached"}},
		{name: "young enough", cacheStatus: "cmu-gateway; hit; ttl=2600; detail=memory", age: "100", control: "private, max-age=2700",
			headers: []string{"Cache-Control", "max-age=100"}},
		{name: "stale", cacheStatus: "cmu-gateway; hit; ttl=-100; detail=stale", age: "2800", control: "private, max-age=2700",
			before: func() { r.clock.Add(2700 * time.Second) }},
		{name: "renewed", cacheStatus: "cmu-gateway; hit; ttl=2700; detail=memory", age: "0", control: "private, max-age=2700", before: r.after.Run},
	}
	for _, s := range steps {
		if s.before != nil {
			s.before()
		}
		got := r.ok(target, s.headers...)
		h := got.Header
		if h.Get("Cache-Status") != s.cacheStatus || h.Get("Age") != s.age || h.Get("Cache-Control") != s.control {
			t.Errorf("%s: Cache-Status %q, Age %q, Cache-Control %q", s.name, h.Get("Cache-Status"), h.Get("Age"), h.Get("Cache-Control"))
		}
		if h.Get("Vary") != "Accept, Accept-Encoding" || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Etag") == "" {
			t.Errorf("%s: %v", s.name, h)
		}
	}
}

func TestDirectives(t *testing.T) {
	r := newRig(t)
	if got := r.get(days, "Cache-Control", "only-if-cached"); got.StatusCode != http.StatusGatewayTimeout || r.adobe.Calls() != 0 {
		t.Errorf("only-if-cached on nothing: %d", got.StatusCode)
	}
	if log := r.log.String(); !strings.Contains(log, "code=not_cached") || strings.Contains(log, "level=WARN") {
		t.Errorf("a miss that the caller wanted is logged as %s", log)
	}
	const open = "/cmu/v2/tenant/year/month/day?start=2026-06-01"
	r.ok(open)
	r.after.Run()
	for _, test := range []struct {
		headers []string
		want    int64 // calls to Adobe
	}{
		{[]string{"Cache-Control", "no-store"}, 0},
		{[]string{"Cache-Control", "max-age=nonsense"}, 0},
		{[]string{"Cache-Control", "max-age=3600", "Pragma", "no-cache"}, 0},
		{[]string{"Cache-Control", "max-age=99999999999"}, 0},
		{[]string{"Pragma", "No-Cache"}, 1},
		{[]string{"Cache-Control", "No-Cache"}, 1},
		{[]string{"Cache-Control", "foo, max-age=0"}, 1},
		{[]string{"Cache-Control", `max-age="30"`}, 1},
	} {
		r.clock.Add(time.Minute)
		before := r.adobe.Calls()
		got := r.ok(open, test.headers...)
		r.after.Run()
		if n := r.adobe.Calls() - before; min(n, 1) != test.want {
			t.Errorf("%v: %d calls to Adobe; %s", test.headers, n, got.Header.Get("Cache-Status"))
		}
	}
}

func TestConditional(t *testing.T) {
	r := newRig(t)
	tags := map[string]bool{}
	for _, format := range []string{"json", "csv", "xml", "ndjson", "html"} {
		for _, encoding := range []string{"identity", "gzip"} {
			target := days + "&format=" + format
			etag := r.ok(target, "Accept-Encoding", encoding).Header.Get("Etag")
			if tags[etag] || !strings.HasPrefix(etag, `"`) {
				t.Errorf("%s: tag %s is another's", target, etag)
			}
			tags[etag] = true
			for value, want := range map[string]int{
				etag: 304, "W/" + etag: 304, "*": 304, `"x", W/"y", ` + etag: 304, `"x",` + etag + `,"z"`: 304,
				`"x"`: 200, strings.Trim(etag, `"`): 200, "": 200, `"`: 200, strings.ToUpper(etag): 200,
			} {
				got := r.get(target, "If-None-Match", value, "Accept-Encoding", encoding)
				if got.StatusCode != want {
					t.Errorf("%s: If-None-Match %s: status %d, want %d", target, value, got.StatusCode, want)
				}
				if want == 304 && (got.body != "" || got.Header.Get("Etag") != etag || got.Header.Get("Cache-Control") == "" ||
					got.Header.Get("Vary") == "" || got.Header.Get("Age") == "" || got.Header.Get("Content-Type") != "") {
					t.Errorf("%s: %v %q", target, got.Header, got.body)
				}
			}
		}
	}
}

// Two media types of one format are two representations.
func TestTagsOfMediaTypesDiffer(t *testing.T) {
	r := newRig(t)
	tags := map[string]string{}
	for _, m := range medias {
		name := m.kind + "/" + m.subtype
		etag := r.ok(days, "Accept", name).Header.Get("Etag")
		if tags[etag] != "" {
			t.Errorf("%s has the tag of %s", name, tags[etag])
		}
		tags[etag] = name
	}
}

func TestHead(t *testing.T) {
	r := newRig(t, func(g *Gateway) { g.memory = 40 << 10 })
	for _, target := range []string{
		"/", "/status", "/openapi.json", days, days + "&format=csv", days + "&format=html", "/nowhere", "/cmu/v2/nowhere", days + "&format=pdf",
		"/cmu/v2/year/month/day/hour?start=2026-06-01&end=2026-06-15", // not kept
	} {
		for _, encoding := range []string{"identity", "gzip"} {
			r.get(target, "Accept-Encoding", encoding)
			get := r.get(target, "Accept-Encoding", encoding)
			// The recorder keeps what the server would not send.
			w := &bodyless{header: http.Header{}}
			request, _ := http.NewRequest(http.MethodHead, "http://gateway"+target, nil)
			request.Header.Set("Accept-Encoding", encoding)
			r.handler.ServeHTTP(w, request)
			if w.status == 0 {
				w.status = 200
			}
			if w.status != get.StatusCode {
				t.Errorf("HEAD %s: status %d, GET has %d", target, w.status, get.StatusCode)
			}
			for name := range get.Header {
				if w.header.Get(name) != get.Header.Get(name) {
					t.Errorf("HEAD %s: %s is %q, GET has %q", target, name, w.header.Get(name), get.Header.Get(name))
				}
			}
		}
	}
}

// bodyless is a ResponseWriter for HEAD.
type bodyless struct {
	header http.Header
	status int
}

func (b *bodyless) Header() http.Header         { return b.header }
func (b *bodyless) Write(p []byte) (int, error) { return len(p), nil }
func (b *bodyless) WriteHeader(status int)      { b.status = status }
