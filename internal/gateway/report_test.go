package gateway

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"html"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
)

const days = "/cmu/v2/tenant/year/month/day?start=2026-06-01&end=2026-07-01"

// halReport is a report as Adobe's JSON.
type halReport struct {
	Links struct {
		Self      halLink         `json:"self"`
		RollUp    json.RawMessage `json:"roll-up"`
		DrillDown json.RawMessage `json:"drill-down"`
	} `json:"_links"`
	Report []map[string]string `json:"report"`
}

type halLink struct{ Href, Name string }

func decodeHAL(t testing.TB, body string) (h halReport) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		t.Fatalf("%v in %.300s", err, body)
	}
	return h
}

// links reads one link or an array of them.
func links(t testing.TB, raw json.RawMessage) (list []halLink) {
	t.Helper()
	if len(raw) == 0 {
		return nil
	}
	if raw[0] == '{' {
		raw = slices.Concat([]byte{'['}, raw, []byte{']'})
	} else if json.Unmarshal(raw, &list) == nil && len(list) < 2 {
		t.Errorf("an array of %d links", len(list))
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

var cell = regexp.MustCompile(`<t[hd](?: [^>]*)?>(.*?)</t[hd]>`)

// table reads a representation as a header and rows, with the columns in the order they come.
func table(t testing.TB, format, body string) (rows []map[string]string) {
	t.Helper()
	switch format {
	case "json":
		return decodeHAL(t, body).Report
	case "ndjson":
		for line := range strings.Lines(body) {
			row := map[string]string{}
			if err := json.Unmarshal([]byte(line), &row); err != nil || !strings.HasSuffix(line, "\n") {
				t.Fatalf("line %q: %v", line, err)
			}
			rows = append(rows, row)
		}
	case "csv":
		records, err := csv.NewReader(strings.NewReader(body)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records[1:] {
			row := map[string]string{}
			for i, v := range r {
				row[records[0][i]] = v
			}
			rows = append(rows, row)
		}
	case "xml":
		var doc struct {
			Records []struct {
				Attrs []xml.Attr `xml:",any,attr"`
			} `xml:"report>record"`
		}
		if err := xml.Unmarshal([]byte(body), &doc); err != nil {
			t.Fatal(err)
		}
		for _, r := range doc.Records {
			row := map[string]string{}
			for _, a := range r.Attrs {
				row[a.Name.Local] = a.Value
			}
			rows = append(rows, row)
		}
	case "html":
		var names []string
		for line := range strings.Lines(body) {
			if !strings.Contains(line, "<th") && !strings.HasPrefix(line, "<tr>") {
				continue
			}
			var fields []string
			for _, m := range cell.FindAllStringSubmatch(line, -1) {
				fields = append(fields, html.UnescapeString(m[1]))
			}
			if names == nil {
				names = fields
				continue
			}
			row := map[string]string{}
			for i, v := range fields {
				row[names[i]] = strings.ReplaceAll(v, ",", "")
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func TestSameRowsInAllFormats(t *testing.T) {
	r := newRig(t)
	for _, query := range []string{
		"/tenant/year/month/day?start=2026-06-01&end=2026-07-01",
		"/year/month/mvpd?start=2026-05&end=2026-07&metrics=started-sessions",
		"/year/month/day?mvpd&start=2026-06-01&end=2026-06-05",
		"/mvpd?start=2026-06-01&end=2026-06-05",
		"?start=2026-06-01&end=2026-06-05",
		"/year/month/day?start=2030-01-01&end=2030-01-02",
	} {
		var want []map[string]string
		for _, format := range []string{"json", "csv", "xml", "ndjson", "html"} {
			for _, encoding := range []string{"", "gzip"} {
				target := "/cmu/v2" + query + "&format=" + format
				got := r.ok(target, "Accept-Encoding", encoding)
				rows := table(t, format, got.body)
				if want == nil {
					want = rows
				}
				if len(rows) != len(want) {
					t.Fatalf("%s: %d rows, want %d", target, len(rows), len(want))
				}
				for i := range rows {
					if !equalMaps(rows[i], want[i]) {
						t.Fatalf("%s: row %d is %v, want %v", target, i, rows[i], want[i])
					}
				}
				again := r.ok(target, "Accept-Encoding", encoding)
				if again.body != got.body || again.Header.Get("Etag") != got.Header.Get("Etag") {
					t.Errorf("%s: asked again, the answer differs", target)
				}
			}
		}
		if len(want) == 0 != strings.Contains(query, "2030") {
			t.Errorf("%s: %d rows", query, len(want))
		}
	}
}

func equalMaps(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

func TestSelfLinkStatesEffectiveQuery(t *testing.T) {
	r := newRig(t, func(g *Gateway) { g.BasePath = func(context.Context) string { return "/live" } })
	h := decodeHAL(t, r.ok("/cmu/v2/year/month/day?metrics=started-sessions,active-users&start=2026-06-01&end=2026-06-03").body)
	self := h.Links.Self.Href
	for _, want := range []string{
		"/live/cmu/v2/year/month/day?", "start=2026-06-01", "end=2026-06-03", "metrics=started-sessions&metrics=active-users",
	} {
		if !strings.Contains(self, want) {
			t.Errorf("self link %s lacks %s", self, want)
		}
	}
	if up := links(t, h.Links.RollUp); len(up) != 1 || up[0] != (halLink{"/live/cmu/v2/year/month", "month"}) {
		t.Errorf("roll-up %v", up)
	}
	for _, l := range links(t, h.Links.DrillDown) {
		if l.Href != "/live/cmu/v2/year/month/day/"+l.Name {
			t.Errorf("drill-down %v", l)
		}
	}
	if len(links(t, h.Links.DrillDown)) == 0 {
		t.Error("no drill-down")
	}
}

func TestCSVOrderAndName(t *testing.T) {
	r := newRig(t)
	for _, test := range []struct{ target, header, name string }{ // Adobe's filter on the tenant stands among the values
		{"/cmu/v2/year/month/day.csv?mvpd&start=2026-06-01&end=2026-06-03&metrics=active-users",
			"year,month,day,mvpd,active-users", `report__2026-06-01_2026-06-03_ACME.csv`},
		{"/cmu/v2/year/month.csv?start=2030&end=2031&metrics=active-users",
			"year,month,active-users", `report__2030-01-01_2031-01-01_ACME.csv`},
		{"/cmu/v2/mvpd/year.csv?start=2026&end=2026-02-01T05:00&limit=7&metrics=active-users",
			"mvpd,year,active-users", `report__2026-01-01_2026-02-01_ACME,7_incomplete.csv`},
	} {
		got := r.ok(test.target)
		header, _, _ := strings.Cut(got.body, "\n")
		if header != test.header {
			t.Errorf("%s: header %s, want %s", test.target, header, test.header)
		}
		disposition := got.Header.Get("Content-Disposition")
		if disposition != `attachment; filename="`+test.name+`"` {
			t.Errorf("%s: %s, want %s", test.target, disposition, test.name)
		}
		if got.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
			t.Error(got.Header.Get("Content-Type"))
		}
	}
}

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
	r.ok(days)
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
		got := r.ok(days, test.headers...)
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

func TestIncompleteIsTold(t *testing.T) {
	r := newRig(t)
	for _, format := range []string{"json", "csv", "xml", "ndjson", "html"} {
		target := "/cmu/v2/year/month/day/mvpd?start=2026-06-01&end=2026-07-01&limit=20&format=" + format
		got := r.ok(target)
		if !strings.HasPrefix(got.Header.Get("Cmu-Incomplete"), "?1;") {
			t.Errorf("%s: Cmu-Incomplete %q", target, got.Header.Get("Cmu-Incomplete"))
		}
		if n := len(table(t, format, got.body)); n != 20 {
			t.Errorf("%s: %d rows", target, n)
		}
		if format == "html" && !strings.Contains(got.body, "This report is incomplete") {
			t.Error("the page does not say that rows are missing")
		}
		if r.ok(days+"&format="+format).Header.Get("Cmu-Incomplete") != "" {
			t.Errorf("%s: a complete report is called incomplete", format)
		}
	}
}

// What is missing is told as it is: past the limit of the caller, or past the one that Adobe put in its place.
func TestMissingRowsAreExplained(t *testing.T) {
	r := newRig(t)
	target := "/cmu/v2/year/month/day/mvpd?start=2026-06-01&end=2026-07-01&limit="
	if got := r.ok(target + "1").Header.Get("Cmu-Incomplete"); got != `?1; detail="rows past the limit of 1 are missing"` {
		t.Error(got)
	}
	r.adobe.Behave(func(b *sandbox.Behaviour) { b.MaxLimit, b.LimitMode = 2, "clamp" })
	if got := r.ok(target + "20").Header.Get("Cmu-Incomplete"); got != `?1; detail="rows past the limit of 2 are missing"` {
		t.Error(got)
	}
}

// The log tells which report was answered, in one line whatever the request, and without a token.
func TestAnswersAreLogged(t *testing.T) {
	r := newRig(t)
	r.ok("/cmu/v2/year/month?start=2026-01&mvpd=A%22%20event=forged%E2%80%A8&access_token=sesame")
	log := r.log.String()
	if strings.Count(log, "report answered") != 1 || !strings.Contains(log, ` rows=0 report="/year/month?mvpd=A%22%20event%3Dforged`) {
		t.Error(log)
	}
	if strings.Contains(log, "sesame") || strings.Contains(log, "event=forged") {
		t.Error(log)
	}
}

func TestPassedThrough(t *testing.T) {
	r := newRig(t)
	r.adobe.Behave(func(b *sandbox.Behaviour) {
		b.Faults = []sandbox.Fault{{On: "report", Kind: "status", Status: 200, Body: "<script>alert(1)</script>",
			Headers: map[string]string{"Content-Type": "text/html"}, Count: 10}}
	})
	got := r.ok(days + "&format=csv")
	if got.body != "<script>alert(1)</script>" || got.Header.Get("Content-Type") != "text/html" {
		t.Errorf("%v %s", got.Header, got.body)
	}
	h := got.Header
	if !strings.HasPrefix(h.Get("Cmu-Passed-Through"), "?1;") || h.Get("Cache-Status") != "cmu-gateway; fwd=miss; fwd-status=200; detail=passed-through" ||
		!strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || h.Get("Etag") != "" || h.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", h)
	}
}

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

func TestTooLarge(t *testing.T) {
	limit := 20_000
	r := newRig(t, func(g *Gateway) { g.BodyLimit = func(context.Context) (int, bool) { return limit, true } })
	seen := map[string]bool{}
	var walk func(target, format string, depth int) int
	walk = func(target, format string, depth int) int {
		got := r.get(target)
		if got.StatusCode == http.StatusOK {
			if len(got.body) > limit {
				t.Errorf("%s: %d bytes", target, len(got.body))
			}
			for _, row := range table(t, format, got.body) {
				key := format + row["year"] + "-" + row["month"] + "-" + row["day"] + row["mvpd"]
				if seen[key] {
					t.Errorf("%s: row %s came twice", target, key)
				}
				seen[key] = true
			}
			return len(table(t, format, got.body))
		}
		var p problem
		if err := json.Unmarshal([]byte(got.body), &p); err != nil || got.StatusCode != 413 || p.Code != "too_large" ||
			len(p.Narrower) < 2 || depth > 4 {
			t.Fatalf("%s: %d %s", target, got.StatusCode, got.body)
		}
		if got.Header.Get("Etag") != "" || got.Header.Get("Content-Encoding") != "" || got.Header.Get("Content-Disposition") != "" {
			t.Errorf("%s: %v", target, got.Header)
		}
		n := 0
		for _, part := range p.Narrower {
			n += walk(part.Href, format, depth+1)
		}
		return n
	}
	for _, format := range []string{"json", "csv", "xml", "ndjson", "html"} {
		n := walk("/cmu/v2/year/month/day/mvpd?start=2026-05-03&end=2026-06-20&format="+format, format, 0)
		if n < 400 {
			t.Errorf("%s: %d rows", format, n)
		}
	}
	got := r.get("/cmu/v2/mvpd/platform?start=2026-06-01&end=2026-07-01&format=xml")
	if got.StatusCode == 413 && !strings.Contains(got.body, "Ask for less") {
		t.Error(got.body)
	}
	limit = 500
	got = r.get(days, "Accept-Encoding", "gzip")
	if got.StatusCode != 413 || strings.Contains(got.body, "Accept-Encoding") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

func TestPageShowsFirstRows(t *testing.T) {
	r := newRig(t)
	got := r.ok("/cmu/v2/year/month/day/hour/mvpd?start=2026-06-01&end=2026-07-01", "Accept", "text/html")
	if n := len(table(t, "html", got.body)); n != maxPageRows || !strings.Contains(got.body, "Only the first 5,000 of ") {
		t.Errorf("%d rows", n)
	}
	if !strings.Contains(got.body, `format=csv">CSV</a>`) {
		t.Error("no link to the whole")
	}
}

func TestPageEscapesAndConfines(t *testing.T) {
	r := newRig(t)
	got := r.ok(`/cmu/v2/year/month/day.html?start=2026-06-01&end=2026-06-03&mvpd=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&metrics=active-users`)
	if strings.Contains(got.body, "<script") || !strings.Contains(got.body, "&lt;script&gt;") {
		t.Error("a filter's value is markup")
	}
	if got.Header.Get("Content-Security-Policy") != pagePolicy || strings.Contains(got.body, "src=") || strings.Contains(got.body, "http://") {
		t.Errorf("%v", got.Header)
	}
	if !strings.Contains(got.body, "There are no rows in this window.") {
		t.Error("an empty report is not explained")
	}
	shown := r.ok(days, "Accept", "text/html,*/*;q=0.8").body
	for _, want := range []string{
		`<a href="/cmu/v2/tenant/year/month?start=2026-06-01&amp;end=2026-07-01">month</a>`, // roll up with the same query
		`<a href="/cmu/v2/tenant/year/month/day/hour?start=2026-06-01&amp;end=2026-07-01">hour</a>`,
		`<a href="/cmu/v2/tenant/year/month/day?start=2026-06-01&amp;end=2026-07-01&amp;format=xml">XML</a>`,
		`<td class="n">41,789</td>`, `<td>2026</td>`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("the page lacks %s", want)
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

func TestXMLIsWellFormedWhateverTheNames(t *testing.T) {
	names := attributes{}
	seen := map[string]string{}
	for _, field := range []string{"duration_0-15", "a b", "a_b", "a:b", "xmlns", "XMLx", "", "9", "-", "é", "日本", "x=\"y\"", "<", "a\x00b"} {
		name := names.of([]byte(field))
		if other, again := seen[name]; again {
			t.Errorf("%q and %q are both %s", field, other, name)
		}
		seen[name] = field
		var doc struct {
			Attrs []xml.Attr `xml:",any,attr"`
		}
		if err := xml.NewDecoder(bytes.NewReader([]byte("<r " + name + `="1"/>`))).Decode(&doc); err != nil ||
			len(doc.Attrs) != 1 || doc.Attrs[0].Name.Space != "" {
			t.Errorf("%q: attribute %s: %v", field, name, err)
		}
	}
	if names.of([]byte("duration_0-15")) != "duration_0-15" {
		t.Error("a good name was changed")
	}
}
