package gateway

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"mime"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const days = "/cmu/v2/tenant/year/month/day?start=2026-06-01&end=2026-07-01"

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

func TestCSVOrderAndName(t *testing.T) {
	r := newRig(t)
	for _, test := range []struct{ target, header, name string }{ // Adobe's filter on the tenant stands among the values
		{"/cmu/v2/year/month/day.csv?mvpd&start=2026-06-01&end=2026-06-03&metrics=active-users",
			"year,month,day,mvpd,active-users", `report_year-month-day_2026-06-01_2026-06-03_mvpd,ACME_active-users.csv`},
		{"/cmu/v2/year/month.csv?start=2030&end=2031&metrics=active-users",
			"year,month,active-users", `report_year-month_2030-01-01_2031-01-01_ACME_active-users.csv`},
		{"/cmu/v2/mvpd/year.csv?start=2026&end=2026-02-01T05:00&limit=7&metrics=active-users",
			"mvpd,year,active-users", `report_mvpd-year_2026-01-01_2026-02-01T05-00_ACME,7_active-users_incomplete.csv`},
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

// Reports that differ have names that differ, in any file system.
func TestFileNamesTellReportsApart(t *testing.T) {
	r := newRig(t)
	long := strings.Repeat("%C3%A9", 60)
	names := map[string]string{}
	for _, target := range []string{
		"?start=2026-06-01&end=2026-06-02", "/year.csv?start=2026-06-01&end=2026-06-02", "/year/month/day.csv?start=2026-06-01&end=2026-06-02",
		"/tenant/year/month/day.csv?start=2026-06-01&end=2026-06-02", "/year/month/day/tenant.csv?start=2026-06-01&end=2026-06-02",
		"/year/month/day.csv?start=2026-06-01&end=2026-06-02&metrics=active-users",
		"/year/month/day.csv?start=2026-06-01&end=2026-06-02&metrics=active-users,started-sessions",
		"/year/month/day.csv?start=2026-06-01&end=2026-06-02&metrics=started-sessions,active-users",
		"/year/month/day.csv?start=2026-06-01&end=2026-06-02&mvpd", "/year/month/day.csv?start=2026-06-01&end=2026-06-02&mvpd=Cox",
		"/year/month/day.csv?start=2026-06-01&end=2026-06-02&mvpd!=Cox", "/year/month/day.csv?start=2026-06-01&end=2026-06-02&limit=500",
		"/year/month/day/hour.csv?start=2026-06-01T05:00&end=2026-06-02", "/year/month/day/hour.csv?start=2026-06-01T06:00&end=2026-06-02",
		"/year/month/day.csv?start=2026-06-01&end=2026-06-02&mvpd=" + long + "a", "/year/month/day.csv?start=2026-06-01&end=2026-06-02&mvpd=" + long + "b",
	} {
		got := r.ok("/cmu/v2"+target, "Accept", "text/csv")
		_, parameters, err := mime.ParseMediaType(got.Header.Get("Content-Disposition"))
		name := parameters["filename"]
		if err != nil || names[name] != "" || len(name) > 170 || !strings.HasSuffix(name, ".csv") {
			t.Errorf("%.200s: %q, as %q; %v", target, name, names[name], err)
		}
		names[name] = target
	}
}

func TestXMLIsWellFormedWhateverTheNames(t *testing.T) {
	names := attributes{of: map[string]string{}, taken: map[string]int{}}
	seen := map[string]string{}
	for _, field := range []string{"duration_0-15", "a b", "a_b", "a:b", "xmlns", "XMLx", "", "9", "-", "é", "日本", "x=\"y\"", "<", "a\x00b"} {
		name := names.name([]byte(field))
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
	if names.name([]byte("duration_0-15")) != "duration_0-15" {
		t.Error("a good name was changed")
	}
}

func TestFileNames(t *testing.T) {
	for name, want := range map[string]string{
		"report__2026-01-01_2026-02-01.csv": `attachment; filename="report__2026-01-01_2026-02-01.csv"`,
		"a\r\nX: y\"/..\\.csv":              `attachment; filename="a--X- y--..-.csv"`,
		"é日%41;.csv":                        `attachment; filename="__-41-.csv"; filename*=UTF-8''%C3%A9%E6%97%A5-41-.csv`,
		"a b\u202e\xff.csv":                 `attachment; filename="a b--.csv"`,
		"a b é.csv":                         `attachment; filename="a b _.csv"; filename*=UTF-8''a%20b%20%C3%A9.csv`,
	} {
		if got := disposition(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
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

// table reads a representation as a header and rows, with the columns in the order they come.
func table(t testing.TB, format, body string) (rows []map[string]string) {
	t.Helper()
	switch format {
	case "json":
		return decodeHAL(t, body).Report
	case "ndjson":
		for line := range strings.Lines(body) {
			fields := map[string]any{}
			decoder := json.NewDecoder(strings.NewReader(line))
			decoder.UseNumber()
			if err := decoder.Decode(&fields); err != nil || !strings.HasSuffix(line, "\n") {
				t.Fatalf("line %q: %v", line, err)
			}
			row := map[string]string{}
			for name, value := range fields {
				row[name] = fmt.Sprint(value)
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

var cell = regexp.MustCompile(`<t[hd](?: [^>]*)?>(.*?)</t[hd]>`)

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
