package cmu

import (
	"bufio"
	"encoding/csv"
	"errors"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
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
		{"/year", "start=2026-07-04T05:00:00%2B02:00", "/year?start=2026-07-04T05:00:00%2B02:00", ""},
		{"/year", "start=2026-07-04T05-08:00&end=2026-07-04T05Z", "/year?start=2026-07-04T05-08:00&end=2026-07-04T05Z", ""},
		{"/year", "mvpd=b&mvpd=a&mvpd=b", "/year?mvpd=a&mvpd=b", ""},
		{"/year", "mvpd!=x&mvpd%21=y", "/year?mvpd!=x&mvpd!=y", ""},
		{"/year", "mvpd", "/year?mvpd", ""},
		{"/year", "mvpd=", "/year?mvpd", ""},
		{"/year", "application=a+b%20c", "/year?application=a%20b%20c", ""},
		{"/year", "metrics=users,active-users&metrics=users", "/year?metrics=users,active-users", ""},
		{"/year", "metrics=b&metrics=a&limit=10", "/year?metrics=b,a&limit=10", ""},
		{"/a%2Fb/%E6%9D%B1", "c=%2F%3D%26", "/a%2Fb/%E6%9D%B1?c=%2F%3D%26", ""},
		{"/year", "&&start=&limit=&metrics=", "/year", ""},
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

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ path, query, part string }{
		{"/year//month", "", "path"},
		{"/../month", "", "path"},
		{"/year/year", "", "path"},
		{"/%zz", "", "path"},
		{"/%ff", "", "path"},
		{"/a%0d%0ab", "", "path"},
		{strings.Repeat("/a", 2000), "", "path"},
		{"/" + strings.Repeat("a", 200), "", "path"},
		{"/year", "mvpd=%zz", "query"},
		{"/year", "mvpd=%00", "query"},
		{"/year", strings.Repeat("a=b&", 3000), "query"},
		{"/year", "start=yesterday", "start"},
		{"/year", "start=2026-13", "start"},
		{"/year", "start=2026-02-30", "start"},
		{"/year", "end=20260", "end"},
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

// anyRequest draws requests in the form that Parse returns.
func anyRequest(t *rapid.T) Request {
	text := rapid.StringMatching(`[a-z0-9\-_ /%&=?#+!.,:;é東"'\\]{1,12}`)
	dimension := rapid.Custom(func(t *rapid.T) string {
		return text.Filter(func(s string) bool { return s != "." && s != ".." }).Draw(t, "dimension")
	})
	var r Request
	// A dot in the last dimension would read as a format.
	r.Path = rapid.SliceOfNDistinct(dimension.Filter(func(s string) bool { return !strings.Contains(s, ".") }), 0, 5, rapid.ID).Draw(t, "path")
	if len(r.Path) == 0 {
		r.Path = nil
	}
	query := url.Values{}
	for range rapid.IntRange(0, 5).Draw(t, "filters") {
		d := "d" + dimension.Draw(t, "filter")
		switch rapid.IntRange(0, 2).Draw(t, "operator") {
		case 0:
			query.Add(d, text.Draw(t, "value"))
		case 1:
			query.Add(d+"!", text.Draw(t, "value"))
		case 2:
			query.Add(strings.TrimRight(d, "!"), "")
		}
	}
	if rapid.Bool().Draw(t, "start") {
		query.Set("start", anyCivil(t).String())
	}
	if rapid.Bool().Draw(t, "metrics") {
		query.Set("metrics", "users,active-users")
	}
	if rapid.Bool().Draw(t, "limit") {
		query.Set("limit", "77")
	}
	path := ""
	for _, d := range r.Path {
		path += "/" + url.PathEscape(d)
	}
	parsed, err := Parse(path, query.Encode())
	if err != nil {
		t.Fatalf("Parse(%q, %q): %v", path, query.Encode(), err)
	}
	return parsed
}

func anyCivil(t *rapid.T) Civil {
	return Civil(rapid.Int64Range(int64(CivilDate(2020, 1, 1, 0, 0)), int64(CivilDate(2030, 1, 1, 0, 0))).Draw(t, "civil"))
}

func TestCanonicalReadsBackTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRequest(t)
		path, query, _ := strings.Cut(r.Canonical(), "?")
		again, err := Parse(path, query)
		if err != nil {
			t.Fatalf("Parse of canonical %q: %v", r.Canonical(), err)
		}
		if diff := cmp.Diff(r, again, cmp.AllowUnexported(Bound{})); diff != "" {
			t.Fatalf("canonical %q reads back differently:\n%s", r.Canonical(), diff)
		}
	})
}

func TestCanonicalIgnoresOrderAndSpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRequest(t)
		pairs := r.filterQuery(nil)
		if n := len(pairs); n > 0 && rapid.Bool().Draw(t, "repeat") {
			pairs = append(pairs, pairs[0])
		}
		rand.New(rand.NewPCG(1, rapid.Uint64().Draw(t, "seed"))).Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
		query := strings.ReplaceAll(strings.Join(pairs, "&"), "%20", "+")
		path, _, _ := strings.Cut(r.Report(), "?")
		again, err := Parse(path+"/", "access_token=x&"+query)
		if err != nil || again.Report() != r.Report() {
			t.Fatalf("%q?%q reads as %q (%v), want %q", path, query, again.Report(), err, r.Report())
		}
	})
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

func TestGrain(t *testing.T) {
	for path, want := range map[string]Grain{
		"": NoGrain, "tenant": NoGrain, "year": Year, "tenant/year/month": Month, "year/mvpd/month/day": Day,
		"year/month/day/hour/tenant/minute": Minute, "month": NoGrain, "year/day": NoGrain, "month/year": NoGrain, "year/month/hour/day": NoGrain,
	} {
		r, err := Parse(path, "")
		if g, ok := r.Grain(); err != nil || g != want || ok != (want != NoGrain) {
			t.Errorf("grain of %q is %v %v, want %v", path, g, ok, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("/tenant/year/month/day.csv", "start=2026-07&mvpd!=x&tenant&metrics=a,b&limit=9")
	f.Fuzz(func(t *testing.T, path, query string) {
		r, err := Parse(path, query)
		if err != nil {
			return
		}
		canonicalPath, canonicalQuery, _ := strings.Cut(r.Canonical(), "?")
		again, err := Parse(canonicalPath, canonicalQuery)
		if err != nil && len(r.Canonical()) < maxPath {
			t.Fatalf("canonical %q does not parse: %v", r.Canonical(), err)
		}
		if err == nil && again.Format == "" && again.Canonical() != r.Canonical() {
			t.Fatalf("%q became %q", r.Canonical(), again.Canonical())
		}
	})
}
