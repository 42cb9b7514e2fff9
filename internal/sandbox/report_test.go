package sandbox_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"io"
	"mime"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cmu-gateway/internal/sandbox"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"
)

// Every path answers with its metrics, in their order, and its rows are told apart by its dimensions.
func TestEveryPath(t *testing.T) {
	r := newRig(t)
	for line := range strings.Lines(sandbox.Paths) {
		path, set, _ := strings.Cut(strings.TrimRight(line, "\r\n"), ",")
		w := r.get("/" + path + ".csv?limit=3&start=2026-06-01&end=2026-06-03")
		if w.Code != http.StatusOK {
			t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
			continue
		}
		rows, err := csv.NewReader(w.Body).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		want := slices.Concat(strings.Split(path, "/"), sandbox.MetricSets[set])
		if diff := cmp.Diff(want, rows[0]); diff != "" {
			t.Errorf("%s: columns:\n%s", path, diff)
		}
		if (len(rows) == 1) != (set == "") {
			t.Errorf("%s: %d rows with metric set %q", path, len(rows)-1, set)
		}
	}
}

// The links lead from the root to every node, and back.
func TestLinkWalk(t *testing.T) {
	r := newRig(t)
	seen := map[string]bool{}
	for waiting := []link{{Href: sandbox.ReportsPath, Name: "root"}}; len(waiting) > 0; {
		at := waiting[0]
		waiting = waiting[1:]
		if seen[at.Href] {
			t.Fatalf("%s: two ways lead here", at.Href)
		}
		seen[at.Href] = true
		p := r.report(strings.TrimPrefix(at.Href, sandbox.ReportsPath) + "?limit=1")
		if self, _, _ := strings.Cut(p.Links.Self.Href, "?"); self != at.Href {
			t.Errorf("%s: self is %s", at.Href, self)
		}
		if (p.Links.RollUp == nil) != (at.Href == sandbox.ReportsPath) {
			t.Errorf("%s: roll-up is %v", at.Href, p.Links.RollUp)
		}
		down := p.down(t)
		if one := bytes.HasPrefix(p.Links.DrillDown, []byte("{")); one != (len(down) == 1) {
			t.Errorf("%s: %d drill-down links as %s", at.Href, len(down), p.Links.DrillDown)
		}
		waiting = append(waiting, down...)
	}
	if nodes := sandbox.Nodes(); len(seen) != nodes || nodes < 64+457 {
		t.Errorf("%d nodes reached of %d", len(seen), nodes)
	}
}

func TestRefusals(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		path   string
		status int
		reason string
	}{
		{"/year/week", 404, "does not exist"},
		{"/year/year", 404, ""},
		{"/billing", 404, ""},
		{"/tenant/year/month/day?policy=x", 400, "Cannot filter on a dimension that is not available in the hierarchy: [policy]"},
		{"/tenant/year/month/day?hour=3", 400, "hierarchy: [hour]"},
		{"/year/month/mvpd?channel=Unknown", 400, "hierarchy: [channel]"},
		{"/year/month/day?metrics=duration_0-15", 400, "The requested metrics are not available for the selected dimensions"},
		{"/year/month/day?concurrency-level=2&metrics=active-users", 400, "not available for the selected dimensions"},
		{"/tenant/year/month/day/hour/minute/mvpd/platform/application-id?start=2024-07", 400,
			"The requested selection is too wide to be processed"},
		{"/year/month/day?start=yesterday", 400, "start"},
		{"/year/month/day?limit=none", 400, "limit"},
		{"/year/month/day.pdf", 406, ""},
		{"/year/month/day?format=ods", 406, ""},
	} {
		w := r.get(c.path)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.reason) || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/") {
			t.Errorf("%s: %d %q %q, want %d %q", c.path, w.Code, w.Header().Get("Content-Type"), w.Body, c.status, c.reason)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "HEAD", "OPTIONS"} {
		w := r.do(httptest.NewRequest(method, sandbox.ReportsPath+"/year", nil))
		if w.Code != 405 || w.Header().Get("Allow") != "GET" {
			t.Errorf("%s: status %d, Allow %q", method, w.Code, w.Header().Get("Allow"))
		}
	}
}

// The extension goes before the format parameter, that before Accept; JSON if none.
func TestNegotiation(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ path, accept, media string }{
		{"/year", "", "application/json"},
		{"/year", "*/*", "application/json"},
		{"/year", "text/csv", "text/csv"},
		{"/year", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"},
		{"/year", "text/csv;q=0.1, application/xml;q=0.2", "application/xml"},
		{"/year?format=csv", "application/xml", "text/csv"},
		{"/year.xml?format=csv", "text/html", "application/xml"},
		{"/year.HTML", "", "text/html"},
		{"/year", "image/png", ""},
	} {
		q := httptest.NewRequest(http.MethodGet, sandbox.ReportsPath+c.path, nil)
		q.Header.Set("Authorization", "Bearer "+r.token)
		q.Header.Set("Accept", c.accept)
		w := r.do(q)
		media, _, _ := mime.ParseMediaType(w.Header().Get("Content-Type"))
		if c.media == "" && w.Code != http.StatusNotAcceptable || c.media != "" && media != c.media {
			t.Errorf("%s, Accept %q: %d %s, want %s", c.path, c.accept, w.Code, media, c.media)
		}
	}
}

// All representations hold the same rows.
func TestFormats(t *testing.T) {
	r := newRig(t)
	const path, query = "/year/month/day/tenant/channel/platform/application-id/application", "?start=2026-07-20&end=2026-07-21&limit=500"
	var want [][]string
	rows := r.report(path + query)
	fromCSV, err := csv.NewReader(r.get(path + ".csv" + query).Body).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	columns := fromCSV[0]
	for _, row := range rows.Rows {
		var fields []string
		for _, c := range columns {
			fields = append(fields, row[c])
		}
		want = append(want, fields)
	}
	if len(want) < 20 || !slices.IsSortedFunc(want, func(a, b []string) int { return slices.Compare(a[4:8], b[4:8]) }) {
		t.Fatalf("%d rows, or not sorted: %v", len(want), want)
	}
	if diff := cmp.Diff(want, fromCSV[1:]); diff != "" {
		t.Errorf("CSV:\n%s", diff)
	}
	var doc struct {
		Href  string `xml:"href,attr"`
		Links []struct {
			Rel  string `xml:"rel,attr"`
			Href string `xml:"href,attr"`
		} `xml:"links>link"`
		Records []struct {
			Fields []xml.Attr `xml:",any,attr"`
		} `xml:"report>record"`
	}
	if err := xml.Unmarshal(r.get(path+".xml"+query).Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	var fromXML [][]string
	for _, record := range doc.Records {
		var fields []string
		for _, f := range record.Fields {
			fields = append(fields, f.Value)
		}
		fromXML = append(fromXML, fields)
	}
	if diff := cmp.Diff(want, fromXML); diff != "" {
		t.Errorf("XML:\n%s", diff)
	}
	up := link{Href: rows.Links.RollUp.Href, Name: "roll-up"}
	if doc.Href != rows.Links.Self.Href || len(doc.Links) != 1 || (link{Href: doc.Links[0].Href, Name: doc.Links[0].Rel}) != up {
		t.Errorf("XML links: %s %v", doc.Href, doc.Links)
	}
	page := r.get(path + ".html" + query).Body.String()
	if n := strings.Count(page, "<tr>"); n != len(want)+1 || !regexp.MustCompile(`<td>\d{1,3},\d{3}</td>`).MatchString(page) {
		t.Errorf("HTML: %d table rows, or no thousands: %.500s", n, page)
	}
	for _, name := range []string{"東京チャンネル", `ACME "Live", 24/7`} {
		if !slices.ContainsFunc(want, func(row []string) bool { return slices.Contains(row, name) }) {
			t.Errorf("no row with %s", name)
		}
	}
}

func TestSelfLink(t *testing.T) {
	r := newRig(t)
	for path, want := range map[string]string{
		"/year/month/day?metrics=killed-sessions,active-users": "/year/month/day?tenant=ACME&start=2026-07-01&end=2026-07-21T13:47:20" +
			"&limit=1000&metrics=killed-sessions&metrics=active-users",
		"/year/month?metrics=active-users": "/year/month?tenant=ACME&start=2026-06-21&end=2026-07-21T13:47:20&limit=1000&metrics=active-users",
		"/year/month/day/hour?metrics=active-users&start=2026&end=2026-02&limit=7": "/year/month/day/hour?tenant=ACME&start=2026-01-01" +
			"&end=2026-02-01&limit=7&metrics=active-users",
		"/tenant/year/month/day/hour/minute?metrics=active-users&tenant=GLOBEX&mvpd%21=Cox&channel": "/tenant/year/month/day/hour/minute" +
			"?channel&mvpd!=Cox&tenant=GLOBEX&start=2026-07-21T13:00&end=2026-07-21T13:47:20&limit=1000&metrics=active-users",
		"/billing/daily?metrics=active-users&start=2026-07-20T00:00%2B02:00&end=1784592000000": "/year/month/day/tenant?tenant=ACME" +
			"&start=2026-07-20T00:00%2B02:00&end=1784592000000&limit=1000&metrics=active-users",
		"/mvpd?metrics=active-users&start=2026": "/mvpd?tenant=ACME&start=2026-06-21&end=2026-07-21T13:47:20&limit=1000&metrics=active-users",
	} {
		if got := r.report(path).Links.Self.Href; got != sandbox.ReportsPath+want {
			t.Errorf("%s:\n%s, want\n%s", path, got, sandbox.ReportsPath+want)
		}
	}
}

// values returns the distinct values of a dimension.
func values(rows []map[string]string, dimension string) []string {
	var v []string
	for _, row := range rows {
		if !slices.Contains(v, row[dimension]) {
			v = append(v, row[dimension])
		}
	}
	slices.Sort(v)
	return v
}

func TestFilters(t *testing.T) {
	r := newRig(t)
	const start = "&start=2026-05-20&end=2026-05-21"
	for _, c := range []struct {
		path, dimension string
		want            []string
	}{
		{"/year/month/day/mvpd?mvpd=Cox", "mvpd", []string{"Cox"}},
		{"/year/month/day/mvpd?mvpd=Cox&mvpd=Dish", "mvpd", []string{"Cox", "Dish"}},
		{"/year/month/day?mvpd=Cox&mvpd=T%C3%A9l%C3%A9+Qu%C3%A9bec", "mvpd", []string{"Cox", "Télé Québec"}},
		{"/year/month/day/mvpd/tenant?mvpd=Cox&mvpd=Dish&mvpd!=Dish&tenant=INITECH", "tenant", []string{"INITECH"}},
		{"/tenant/year/month/day?channel%21=Unknown&channel!=ACME+One", "channel", []string{"ACME Sports", "東京チャンネル"}},
		{"/tenant/year/month/day?tenant!=ACME", "tenant", []string{"GLOBEX", "INITECH"}},
		{"/year/month/day?tenant=", "tenant", []string{"ACME"}},
		{"/year/month/day?platform&mvpd=DTV", "platform", []string{"Android", "Apple TV", "Fire TV", "Roku", "Web", "iOS"}},
		{"/year/month/day?mvpd=nobody", "mvpd", nil},
		{"/year/month/day/concurrency-level?concurrency-level!=1&concurrency-level!=6", "concurrency-level", []string{"2", "3", "4", "5"}},
		{"/year/month/day?activity-level=2", "activity-level", []string{"2"}},
		{"/year/duration/occurrences/month?tenant", "tenant", []string{"ACME"}},
	} {
		if got := values(r.report(c.path+start).Rows, c.dimension); !slices.Equal(got, c.want) {
			t.Errorf("%s: %s %q, want %q", c.path, c.dimension, got, c.want)
		}
	}
}

// Rows past the limit are missing without a word.
func TestLimit(t *testing.T) {
	r := newRig(t)
	const path = "/tenant/year/month/day/hour?metrics=active-users&start=2026-05&end=2026-07&limit="
	all := r.report(path + "100000")
	if len(all.Rows) != 61*24 {
		t.Fatalf("%d rows, want every hour of two months", len(all.Rows))
	}
	cut := r.report(strings.TrimSuffix(path, "&limit="))
	if diff := cmp.Diff(all.Rows[:1000], cut.Rows); diff != "" || !strings.Contains(cut.Links.Self.Href, "&limit=1000&") {
		t.Errorf("without a limit: %d rows, self %s", len(cut.Rows), cut.Links.Self.Href)
	}
	for _, c := range []struct {
		mode   string
		rows   int
		stated string
	}{{"", 300, "300"}, {"clamp", 200, "200"}, {"clamp_silently", 200, "300"}} {
		r.Behave(func(b *sandbox.Behaviour) { b.LimitMode, b.MaxLimit = c.mode, 200 })
		p := r.report(path + "300")
		if len(p.Rows) != c.rows || !strings.Contains(p.Links.Self.Href, "&limit="+c.stated+"&") {
			t.Errorf("limit mode %q: %d rows, self %s", c.mode, len(p.Rows), p.Links.Self.Href)
		}
	}
	r.Behave(func(b *sandbox.Behaviour) { b.LimitMode = "refuse" })
	if w := r.get(path + "300"); w.Code != http.StatusBadRequest {
		t.Errorf("limit mode refuse: status %d", w.Code)
	}
}

func TestGzip(t *testing.T) {
	r := newRig(t)
	const path = "/tenant/year/month/day/hour?start=2026-07"
	plain := r.get(path).Body.String()
	q := httptest.NewRequest(http.MethodGet, sandbox.ReportsPath+path, nil)
	q.Header.Set("Authorization", "bearer "+r.token)
	q.Header.Set("Accept-Encoding", "br, gzip;q=0.8")
	w := r.do(q)
	z, err := gzip.NewReader(w.Body)
	if err != nil || w.Header().Get("Content-Encoding") != "gzip" {
		t.Fatal(err, w.Header())
	}
	if got, err := io.ReadAll(z); err != nil || string(got) != plain {
		t.Errorf("%v, or another body", err)
	}
}

func TestFileName(t *testing.T) {
	r := newRig(t)
	for path, want := range map[string]string{
		"/year/month/day.csv?start=2026-07-01&end=2026-07-20":               "report__2026-07-01_2026-07-20_1000.csv",
		"/year/month/day/mvpd.csv?start=2026&end=2026-07&mvpd=Cox&limit=10": "report__2026-01-01_2026-07-01_Cox,10.csv",
		"/year/month/day/mvpd.csv?start=2026&end=1784592000000&mvpd=T%C3%A9l%C3%A9+Qu%C3%A9bec": "report__2026-01-01_2026-07-21_" +
			"Télé Québec,1000.csv",
	} {
		_, parameters, err := mime.ParseMediaType(r.get(path).Header().Get("Content-Disposition"))
		if err != nil || parameters["filename"] != want {
			t.Errorf("%s: %v %q, want %q", path, err, parameters["filename"], want)
		}
	}
}

func TestAccess(t *testing.T) {
	r := newRig(t)
	good := r.token
	for _, c := range []struct {
		name, header, query string
		status              int
	}{
		{"header", "Bearer " + good, "", 200},
		{"parameter", "", "?access_token=" + good, 200},
		{"none", "", "", 401},
		{"other scheme", "Basic " + good, "", 401},
		{"spoilt", "Bearer " + good[:len(good)-4] + "AAAA", "", 401},
		{"statement as token", "Bearer " + r.Statement(), "", 401},
	} {
		q := httptest.NewRequest(http.MethodGet, sandbox.ReportsPath+"/year"+c.query, nil)
		q.Header.Set("Authorization", c.header)
		if w := r.do(q); w.Code != c.status {
			t.Errorf("%s: status %d, want %d", c.name, w.Code, c.status)
		}
	}
	if other := r.do(func() *http.Request {
		q := httptest.NewRequest(http.MethodGet, "/v2/year", nil)
		q.Header.Set("Authorization", "Bearer "+good)
		return q
	}()); other.Code != 200 || !strings.Contains(other.Body.String(), `"href":"/cmu/v2/year?`) {
		t.Errorf("below /v2: %d %.200s", other.Code, other.Body)
	}
	if c := r.Counts(); c.Report != 7 || c.Served != 3 || c.Refused != 4 {
		t.Errorf("counts: %+v", c)
	}
}

// The self link, asked again, gives the same rows, with the tenant in them: what was implicit is a filter now, and filters
// project.
func TestSelfLinkIsTheSameReport(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/", "/year/month/day?mvpd=Cox", "/year/month?channel", "/tenant/year/month/day/hour?tenant!=ACME"} {
		p := r.report(path)
		u, err := url.Parse(p.Links.Self.Href)
		if err != nil {
			t.Fatal(err)
		}
		again := r.report(strings.TrimPrefix(u.Path, sandbox.ReportsPath) + "?" + u.RawQuery)
		for _, rows := range [][]map[string]string{p.Rows, again.Rows} {
			for _, row := range rows {
				delete(row, "tenant")
			}
		}
		if diff := cmp.Diff(p.Rows, again.Rows); diff != "" || p.Links.Self != again.Links.Self {
			t.Errorf("%s and %s differ:\n%s", path, p.Links.Self.Href, diff)
		}
	}
}

func TestJSONIsStrict(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/", "/year/duration", "/year?start=2030", "/year/month/day?start=2026-07-20"} {
		if b := r.get(path).Body.Bytes(); !json.Valid(b) {
			t.Errorf("%s: not JSON: %.200s", path, b)
		}
	}
}
