package cmu

import (
	"bufio"
	"encoding/csv"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ path, query, canonical, format string }{
		{"", "", "", ""},
		{"/", "", "", ""},
		{"tenant/year/month/day/", "start=2026-07", "/tenant/year/month/day?start=2026-07-01", ""},
		{"/year.csv", "format=json", "/year", "csv"},
		{"/year", "format=CSV", "/year", "csv"},
		{"/year", "access_token=secret&start=2026", "/year?start=2026-01-01", ""},
		{"/year", "end=1785000000000", "/year?end=1785000000000", ""},
		{"/year", "start=2026-07-04T05&end=2026-07-04T05:30:10", "/year?start=2026-07-04T05:00&end=2026-07-04T05:30:10", ""},
		{"/year", "start=2026-07-04T05:00:00%2B02:00", "/year?start=2026-07-04T05:00%2B02:00", ""},
		{"/year", "start=2026-07-04T05-08:00&end=2026-07-05t00:00:00z", "/year?start=2026-07-04T05:00-08:00&end=2026-07-05T00:00Z", ""},
		// As numpy, Java, .NET, Ruby and JavaScript print instants, and as they arrive when nobody escapes a plus.
		{"/year", "start=2026-07-04T05:00:00.000000", "/year?start=2026-07-04T05:00", ""},
		{"/year", "start=2026-07-04T05:00:00.123456789", "/year?start=2026-07-04T05:00:00.123", ""},
		{"/year", "start=2026-07-04T05:00:00,5", "/year?start=2026-07-04T05:00:00.500", ""},
		{"/year", "start=2026-07-04T05:00:00.1234567%2B02:00", "/year?start=2026-07-04T05:00:00.123%2B02:00", ""},
		{"/year", "start=2026-07-04T05:00:00+02:00", "/year?start=2026-07-04T05:00%2B02:00", ""},
		{"/year", "start=2026-07-04T05:00:00%2B0000", "/year?start=2026-07-04T05:00%2B00:00", ""},
		{"/year", "start=2026-07-04+05:00:00+0200", "/year?start=2026-07-04T05:00%2B02:00", ""},
		{"/year", "start=2026-07-04T05:00:00-08", "/year?start=2026-07-04T05:00-08:00", ""},
		{"/year", "start=2026-07-04T05:00:00.5Z", "/year?start=2026-07-04T05:00:00.500Z", ""},
		{"/year", "start=2026-07-04T05:00:00.123%2B02:00[Europe/Berlin]", "/year?start=2026-07-04T05:00:00.123%2B02:00", ""},
		{"/year", "start=2026-07-04T05:00Z[UTC]", "/year?start=2026-07-04T05:00Z", ""},
		{"/year", "start=2026-07-04%2005:00:00%20UTC", "/year?start=2026-07-04T05:00Z", ""},
		{"/year", "d!&e!=", "/year?d%21&e!=", ""},
		{"/a/c.CSV", "", "/a/c", "csv"},
		// As clients made by generators send a path that is one parameter.
		{"/tenant%2Fyear%2fmonth", "", "/tenant/year/month", ""},
		{"/tenant%2Fyear%2F", "", "/tenant/year", ""},
		{"/tenant%2Fyear.csv", "", "/tenant/year", "csv"},
		{"/year", "mvpd=b&mvpd=a&mvpd=b", "/year?mvpd=a&mvpd=b", ""},
		{"/year", "mvpd!=x&mvpd%21=y", "/year?mvpd!=x&mvpd!=y", ""},
		{"/year", "mvpd", "/year?mvpd", ""},
		{"/year", "mvpd=", "/year?mvpd", ""},
		{"/year", "application=a+b%20c", "/year?application=a%20b%20c", ""},
		{"/year", "metrics=users,active-users&metrics=users", "/year?metrics=users,active-users", ""},
		{"/year", "metrics=b&metrics=a&limit=10", "/year?metrics=b,a&limit=10", ""},
		{"/a%2Fb%2f%E6%9D%B1", "c=%2F%3D%26", "/a/b/%E6%9D%B1?c=%2F%3D%26", ""},
		{"/year", "&&limit=&metrics=", "/year", ""},
		{"/year", "mvpd=..%2F%5C%3B%2525;x", "/year?mvpd=..%2F%5C%3B%2525%3Bx", ""},
		{"/year", "keyword=a&token-type=b&authorization-status=c", "/year?authorization-status=c&keyword=a&token-type=b", ""},
	} {
		r, err := Parse(c.path, c.query)
		if err != nil {
			t.Errorf("Parse(%q, %q): %v", c.path, c.query, err)
			continue
		}
		if got := r.Canonical(); got != c.canonical || r.Format != c.format {
			t.Errorf("Parse(%q, %q) = %q format %q, want %q format %q", c.path, c.query, got, r.Format, c.canonical, c.format)
		}
	}
}

// What names a secret never becomes a filter, however it is spelt.
func TestParseDropsSecrets(t *testing.T) {
	for _, name := range []string{
		"access_token", "Access_Token", "ACCESS_TOKEN", "+access_token", "access_token+", "%20access_token%09", "access_token[]", "access_token%5B0%5D",
		"access%5Ftoken", "access-token", "accessToken", "access.token", "filter[access_token]", "access_token!", "x_access_token", "%61ccess_token",
		"client_secret", "clientSecret", "software_statement", "Authorization", "x-api-key", "X-Api-Key", "apikey", "api_key", "key", "Key", "token",
		"id_token", "password", "%2561ccess_token", "%EF%BD%81ccess_token", "api_token", "auth_token", "authToken", "oauth_token", "session_token", "csrf_token",
		"jwt_token", "passwd", "pwd", "private_key", "secret_key", "api_secret", "access-key", "credential", "client_assertion", "assertion", "cmu_key",
		"X-Goog-Signature", "Ocp-Apim-Subscription-Key", "X-Amz-Security-Token", "X-Amz-Signature", "X-Amz-Credential", "signature", "jwt",
	} {
		for _, pair := range []string{name, name + "=", name + "=hush", name + "=a&" + name + "=b"} {
			for _, query := range []string{pair, "mvpd=x&" + pair, pair + "&mvpd=x"} {
				r, err := Parse("/year", query)
				if err != nil || strings.TrimSuffix(r.Canonical(), "?mvpd=x") != "/year" {
					t.Errorf("%s: %s, %v", query, r.Canonical(), err)
				}
			}
		}
	}
	if err := (Request{Filters: []Filter{{"Access_Token", Equal, "hush"}}}).Check(); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("built by hand: %v", err)
	}
	if _, err := Parse("/year", "access_token=hush%zz"); err == nil || strings.Contains(err.Error(), "hush") {
		t.Errorf("a broken escape: %v", err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ path, query, part string }{
		{"/year//month", "", "path"},
		{"/../month", "", "path"},
		{"/year/year", "", "path"},
		{"/%zz", "", "path"},
		{"/%ff", "", "path"},
		{"/a%0d%0ab", "", "path"},
		{"/year/..%2fadmin", "", "path"},
		{"/year/..%2Fadmin", "", "path"},
		{"/year%2f%2e%2E%2Fx", "", "path"},
		{"/year%2F%2Fx", "", "path"},
		{"/year/..%5cadmin", "", "path"},
		{"/year/a%5Cb", "", "path"},
		{"/year\\month", "", "path"},
		{"/year/..;/admin", "", "path"},
		{"/year/a;jsessionid=1", "", "path"},
		{"/year/a%3bb", "", "path"},
		{"/year/a%3B.csv", "", "path"},
		{"/year/%25", "", "path"},
		{"/year/%252e%252e/x", "", "path"},
		{"/year/%252fx", "", "path"},
		{"/year/%25252fx", "", "path"},
		{"/year/%20..%20/x", "", "path"},
		{"/year/.../x", "", "path"},
		{"/year/%7f", "", "path"},
		{"/year/%c2%9b2J", "", "path"},
		{"/year/a%e2%80%aeb", "", "path"},
		{"/year/a%e2%80%a8b", "", "path"},
		{"/year/%ef%bb%bfa", "", "path"},
		{"/year/%c0%ae%c0%ae", "", "path"},
		{"/year/..%ef%bc%8f..", "", "path"},      // full-width solidus
		{"/year/a%e2%88%95b", "", "path"},        // division slash
		{"/year/a%ef%bc%bcb", "", "path"},        // full-width reverse solidus
		{"/year/%ef%bc%85252e", "", "path"},      // full-width percent
		{"/year/%ef%bc%8e%ef%bc%8e", "", "path"}, // full-width dots
		{"/year/.%e2%80%8d.", "", "path"},        // joiner
		{"/year/.%cd%8f.", "", "path"},           // grapheme joiner
		{"/year/.%ef%b8%8f.", "", "path"},        // variation selector
		{"/year", "a%2Fb=x", "filter"},
		{"/year", "a;b=x", "filter"},
		{"/year", "a%e2%80%aeb=x", "filter"},
		{strings.Repeat("/a", 2000), "", "path"},
		{"/" + strings.Repeat("a", 200), "", "path"},
		{"/" + strings.Repeat("東", 30) + "/" + strings.Repeat("京", 40) + strings.Repeat("/é12345678901234567890", 32), "", "path"},
		{"/a.b.csv", "", "path"},
		{"/tenant/hour.json.csv", "", "path"},
		{"/tenant.csv/year", "", "path"},
		{"/tenant.csv%2Fyear", "", "path"},
		{"/tenant%2F%2Fyear", "", "path"},
		{"/%2Ftenant", "", "path"},
		{"/tenant%2F..%2Fyear", "", "path"},
		{"/year%2Fyear", "", "path"},
		{strings.Repeat("%2Fa", 40), "", "path"},
		{"/a%252Fb.csv/c", "", "path"},
		{"/year", "application=" + strings.Repeat("/", 4000), "query"},
		{"/year", "limit!=5", "limit"},
		{"/year", "format=%01", "format"},
		{"/year", "mvpd=%zz", "query"},
		{"/year", "mvpd=%00", "query"},
		{"/year", strings.Repeat("a=b&", 3000), "query"},
		{"/year", "start=yesterday", "start"},
		{"/year", "start=2026-13", "start"},
		{"/year", "start=2026-02-30", "start"},
		{"/year", "end=20260", "end"},
		{"/year", "start=", "start"},
		{"/year", "start&end=2026", "start"},
		{"/year", "start=0", "start"},
		{"/year", "start=1", "start"},
		{"/year", "start=-1785000000000", "start"},
		{"/year", "start=1785000000", "start"}, // seconds
		{"/year", "start=1785000000.5", "start"},
		{"/year", "start=1785000000000000", "start"},    // microseconds
		{"/year", "start=1785000000000000000", "start"}, // nanoseconds
		{"/year", "start=99999999999999999999", "start"},
		{"/year", "start=20260704", "start"},
		{"/year", "start=20260704050000", "start"},
		{"/year", "start=1.785e12", "start"},
		{"/year", "start=NaN", "start"},
		{"/year", "start=2026-07-04Z", "start"},
		{"/year", "start=2026-07-04T05:00:00.", "start"},
		{"/year", "start=2026-07-04T05:00:00%2B25:00", "start"},
		{"/year", "start=2026-07-04T05:00:00[Europe/Berlin]", "start"},
		{"/year", "start=Sat, 04 Jul 2026 05:00:00 GMT", "start"},
		{"/year", "start=2026-07-04&end=2026-07-03", "end"},
		{"/year", "start=1785000000000&end=1784999999999", "end"},
		{"/year", "start=2026-07-04T05:00%2B02:00&end=2026-07-04T02:59Z", "end"},
		{"/year", "start=2026&start=2025", "start"},
		{"/year", "limit=0", "limit"},
		{"/year", "limit=-5", "limit"},
		{"/year", "limit=1e3", "limit"},
		{"/year", "start!=2026", "start"},
		{"/year", "=v", "filter"},
	} {
		_, err := Parse(c.path, c.query)
		var e *RequestError
		if !errors.As(err, &e) || e.Part != c.part {
			t.Errorf("Parse(%.40q, %.40q) = %v, want an error about %s", c.path, c.query, err, c.part)
		}
	}
}

func TestKnownPathsPassThroughTheGrammar(t *testing.T) {
	for _, path := range knownPaths(t) {
		r, err := Parse(path, "")
		if err != nil || r.Canonical() != "/"+path {
			t.Errorf("Parse(%q) = %q, %v", path, r.Canonical(), err)
		}
	}
}

func knownPaths(t *testing.T) (paths []string) {
	t.Helper()
	documented, err := os.Open("testdata/cmu-reports.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer documented.Close()
	records, err := csv.NewReader(documented).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range records[1:] {
		paths = append(paths, rec[2])
	}
	live, err := os.Open("testdata/cmu-live-paths.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	for lines := bufio.NewScanner(live); lines.Scan(); {
		if path, _, _ := strings.Cut(lines.Text(), "\t"); !strings.HasPrefix(path, "#") {
			paths = append(paths, path)
		}
	}
	if len(paths) < 64+450 {
		t.Fatalf("only %d known paths", len(paths))
	}
	return paths
}

func FuzzParse(f *testing.F) {
	f.Add("/tenant/year/month/day.csv", "start=2026-07&mvpd!=x&tenant&metrics=a,b&limit=9")
	f.Fuzz(func(t *testing.T, path, query string) {
		r, err := Parse(path, query)
		if err != nil {
			return
		}
		r.Format = ""
		if again, err := parseText(r.Canonical()); err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("%q reads back as %#v (%v), want %#v", r.Canonical(), again, err, r)
		}
	})
}
