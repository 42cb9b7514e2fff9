package gateway

import (
	"net/http"
	"strings"
	"testing"
)

func TestNegotiation(t *testing.T) {
	r := newRig(t)
	const (
		json, html, csv, xml = "application/json", "text/html; charset=utf-8", "text/csv; charset=utf-8", "application/xml; charset=utf-8"
		ndjson               = "application/x-ndjson"
	)
	for _, test := range []struct{ path, query, accept, want string }{
		{"", "", "", json},
		{"", "", "   ", json},
		{"", "", "*/*", json},
		{"", "", "application/*", json},
		{"", "", "text/*", html},
		{"", "", "application/json;charset=utf-8", json},
		{"", "", "application/hal+json", "application/hal+json"},
		{"", "", "Text/CSV", csv},
		{"", "", "text/xml", "text/xml; charset=utf-8"},
		{"", "", "application/xml", xml},
		{"", "", "application/x-ndjson", ndjson},
		{"", "", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", html},
		{"", "", "text/csv;q=0.5, application/xml;q=0.501", xml},
		{"", "", "text/csv, application/json", csv},
		{"", "", "*/*, text/csv", csv},
		{"", "", "application/json, text/csv", json},
		{"", "", "text/html;q=0, text/*;q=0.3", csv},
		{"", "", "application/json;q=0, */*;q=0.1", html},
		{"", "", "image/png, */*;q=0.1", json},
		{"", "", "text/csv;q=2, application/xml;q=0.1", xml},
		{"", "", "text/csv;q=0.5555, application/xml;q=0.1", csv},
		{"", "", "text/csv;q=.2, application/xml;q=.8", xml},
		{"", "", "text/csv;q=.8, application/xml;q=1.0000000001", xml},
		{"", "", "text/csv;q=1.1, application/xml;q=0.1", xml},
		{"", "", "text/csv;q=0., application/xml;q=1.", xml},
		{"", "", "text/csv;q=., application/xml;q=0.1", xml},
		{"", "", "text/csv;q=, application/xml;q=0.1", xml},
		{"", "", "text/csv;q=-1, application/xml;q=0.1", xml},
		{"", "", "*", json},
		{"", "", "text/csv;q=0.3, *;q=.2", csv},
		{"", "", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", html}, // Java's HttpURLConnection
		{"", "", "image/gif, *; q=.2", json},
		{"", "", "*;q=0", ""},
		{"", "", ",", json},
		{"", "", " , ,, ", json},
		{"", "", ";q=0.5", json},
		{"", "", ", text/csv,", csv},
		{"", "", ",,image/png", ""},
		{"", "", `application/json;profile="a,text/csv";q=0.1, application/xml;q=0.5`, xml},
		{"", "", `image/png;x="\\",text/csv`, csv},
		{"", "", "text/csv ; q=0.2 , application/xml; level=1; q=0.1", csv},
		{"", "", "image/png", ""},
		{"", "", "*/*;q=0", ""},
		{"", "", "nonsense", ""},
		{"", "", strings.Repeat("image/png,", 100_000) + "text/csv", ""},
		{"", "", "text/csv," + strings.Repeat("x", 100_000), csv},
		{".csv", "", "application/json", csv},
		{".CSV", "", "", csv},
		{".xml", "format=csv", "text/html", xml},
		{".html", "", "image/png", html},
		{".ndjson", "", "", ndjson},
		{"", "format=csv", "application/json", csv},
		{"", "format=CSV", "", csv},
		{"", "format=", "text/csv", csv},
		{".pdf", "", "*/*", ""},
		{".pdf", "format=csv", "*/*", ""},
		{"", "format=xlsx", "*/*", ""},
	} {
		target := "/cmu/v2/year/month" + test.path + "?start=2026&end=2026-06&metrics=active-users&" + test.query
		got := r.get(target, "Accept", test.accept)
		if test.want == "" {
			if got.StatusCode != http.StatusNotAcceptable || !strings.Contains(got.body, "ndjson") || !strings.Contains(got.body, "text/csv") {
				t.Errorf("%s, Accept %.60q: %d %.200s", target, test.accept, got.StatusCode, got.body)
			}
		} else if got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != test.want {
			t.Errorf("%s, Accept %.60q: %d %s, want %s", target, test.accept, got.StatusCode, got.Header.Get("Content-Type"), test.want)
		}
		if got.Header.Get("Vary") != "Accept, Accept-Encoding" {
			t.Errorf("%s: Vary %q", target, got.Header.Get("Vary"))
		}
	}
}

func TestEncoding(t *testing.T) {
	r := newRig(t)
	for accept, want := range map[string]string{
		"gzip": "gzip", "GZIP": "gzip", "x-gzip": "gzip", "deflate, gzip;q=0.5": "gzip", "*": "gzip", "br, *;q=0.1": "gzip",
		"identity;q=1, gzip;q=0.5": "", "identity, gzip": "gzip", "gzip;q=.5, identity;q=.25": "gzip", "*;q=0.5, identity": "",
		"identity;q=0, br": "", "gzip, ": "gzip", ",": "",
		"": "", "identity": "", "gzip;q=0": "", "gzip;q=0, *": "", "br": "", "gzip;q=x": "", "gzip;q=0.000": "",
	} {
		for _, format := range []string{"json", "csv"} {
			if got := r.ok(days+"&format="+format, "Accept-Encoding", accept); got.Header.Get("Content-Encoding") != want {
				t.Errorf("%s, Accept-Encoding %q: %q, want %q", format, accept, got.Header.Get("Content-Encoding"), want)
			}
		}
	}
	small := "/cmu/v2/year/month?start=2026&end=2026-03&metrics=active-users"
	if got := r.ok(small, "Accept-Encoding", "gzip"); got.Header.Get("Content-Encoding") != "" {
		t.Error("a small answer is compressed")
	}
	for _, accept := range []string{"gzip, identity;q=0", "gzip;q=.1, *;q=0", "*, identity;q=0"} {
		if got := r.ok(small, "Accept-Encoding", accept); got.Header.Get("Content-Encoding") != "gzip" {
			t.Errorf("Accept-Encoding %q: it is not compressed", accept)
		}
	}
}
