package cmu

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// parseText parses a canonical text.
func parseText(canonical string) (Request, error) {
	path, query, _ := strings.Cut(canonical, "?")
	return Parse(path, query)
}

// anyRequest draws a Request such as a program may build by hand, good or bad.
func anyRequest(t *rapid.T) Request {
	text := rapid.OneOf(
		rapid.StringMatching(`[a-z0-9\-_ /%&=?#+!.,:;é東"'\\~]{0,12}`),
		rapid.SampledFrom([]string{"year", "month", "tenant", "a.csv", "a.b", ".", "..", "start", "limit", "access_token", "d!", "a,b", " a ", "\xff", "\x00"}))
	filter := rapid.Custom(func(t *rapid.T) Filter {
		return Filter{text.Draw(t, "dimension"), Operator(rapid.IntRange(0, 3).Draw(t, "operator")), text.Draw(t, "value")}
	})
	bound := rapid.OneOf(rapid.Just(Bound{}), rapid.Custom(func(t *rapid.T) Bound { return BoundAt(anyCivil(t)) }),
		rapid.Just(BoundAt(CivilDate(1, 1, 1, 0, 0))), rapid.Custom(func(t *rapid.T) Bound {
			b, err := ParseBound(rapid.SampledFrom([]string{"2026", "2026-07-04T05Z", "2026-07-04T00:00:00+02:00", "946684800000", "1785000000000"}).Draw(t, "bound"))
			if err != nil {
				t.Fatal(err)
			}
			return b
		}))
	return Request{
		Path: rapid.SliceOfN(text, 0, 5).Draw(t, "path"), Filters: rapid.SliceOfN(filter, 0, 5).Draw(t, "filters"),
		Metrics: rapid.SliceOfN(text, 0, 4).Draw(t, "metrics"), Start: bound.Draw(t, "start"), End: bound.Draw(t, "end"),
		Limit: rapid.SampledFrom([]int{0, 0, 1, 77, MaxLimit, -1, MaxLimit + 1}).Draw(t, "limit"), Format: rapid.SampledFrom([]string{"", "CSV", "json"}).Draw(t, "format"),
	}
}

// aRequest draws a Request that passes Check: what the others are made of is taken out until one does.
func aRequest(t *rapid.T) Request {
	r := anyRequest(t)
	var path []string
	for _, d := range r.Path {
		if !slices.Contains(path, d) && (Request{Path: []string{d}}).Check() == nil {
			path = append(path, d)
		}
	}
	r.Path = path
	r.Filters = slices.DeleteFunc(r.Filters, func(f Filter) bool { return Request{Filters: []Filter{f}}.Check() != nil })
	r.Metrics = slices.DeleteFunc(r.Metrics, func(m string) bool { return Request{Metrics: []string{m}}.Check() != nil })
	for _, b := range []*Bound{&r.Start, &r.End} {
		if !b.valid() {
			*b = Bound{}
		}
	}
	if backwards(r.Start, r.End) {
		r.Start, r.End = r.End, r.Start
	}
	if r.Limit < 0 || r.Limit > MaxLimit {
		r.Limit = 0
	}
	if err := r.Check(); err != nil {
		t.Fatalf("%#v: %v", r, err)
	}
	return r
}

func clone(r Request) Request {
	r.Path, r.Filters, r.Metrics = slices.Clone(r.Path), slices.Clone(r.Filters), slices.Clone(r.Metrics)
	return r
}

func TestCanonicalReadsBackAsTheNormalForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := aRequest(t)
		before := clone(r)
		again, err := parseText(r.Canonical())
		if err != nil {
			t.Fatalf("Parse of canonical %q: %v", r.Canonical(), err)
		}
		want := r.normal()
		want.Format = ""
		if !reflect.DeepEqual(again, want) {
			t.Fatalf("canonical %q reads back as %#v, want %#v", r.Canonical(), again, want)
		}
		if again.Canonical() != r.Canonical() || again.Report() != r.Report() {
			t.Fatalf("canonical %q became %q", r.Canonical(), again.Canonical())
		}
		if diff := cmp.Diff(before, r, cmp.AllowUnexported(Bound{})); diff != "" {
			t.Fatalf("a method changed its receiver: %s", diff)
		}
	})
}

// What Check refuses is all that does not read back.
func TestCheckIsWhatParseTakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRequest(t)
		checked := r.Check()
		var e *RequestError
		if checked != nil && (!errors.As(checked, &e) || e.Part == "" || e.Problem == "") {
			t.Fatalf("%#v: %v", r, checked)
		}
		want := r.normal()
		want.Format = ""
		again, err := parseText(r.Canonical())
		if same := err == nil && reflect.DeepEqual(again, want); same != (checked == nil) {
			t.Fatalf("%#v is %v, but %q reads back as %#v, %v", r, checked, r.Canonical(), again, err)
		}
	})
}

// rebuilt is r as another program might build it.
func rebuilt(t *rapid.T, r Request) Request {
	r = clone(r)
	for i, f := range r.Filters {
		if f.Operator == Project && rapid.Bool().Draw(t, "ignored value") {
			r.Filters[i].Value = "ignored"
		}
		if f.Operator == Equal && f.Value == "" {
			r.Filters[i].Operator = Project
		}
	}
	if n := len(r.Filters); n > 0 && rapid.Bool().Draw(t, "repeat a filter") {
		r.Filters = append(r.Filters, r.Filters[rapid.IntRange(0, n-1).Draw(t, "which")])
	}
	r.Filters = rapid.Permutation(r.Filters).Draw(t, "filters")
	if n := len(r.Metrics); n > 0 {
		switch rapid.IntRange(0, 2).Draw(t, "metrics") {
		case 0:
			r.Metrics = append(r.Metrics, "", " "+r.Metrics[0])
		case 1:
			r.Metrics = []string{strings.Join(r.Metrics, " , ")}
		}
	}
	if len(r.Path) == 0 {
		r.Path = rapid.SampledFrom([][]string{nil, {}}).Draw(t, "empty path")
	}
	if c, ok := r.Start.Civil(); ok {
		r.Start = BoundAt(c)
	}
	r.Format = strings.ToUpper(r.Format)
	return r
}

func TestEqualRequestsHaveOneText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := aRequest(t)
		other := rebuilt(t, r)
		if r.Canonical() != other.Canonical() || r.Report() != other.Report() || r.URL("b") != other.URL("b/") {
			t.Fatalf("%#v is %q, %#v is %q", r, r.Canonical(), other, other.Canonical())
		}
		if err := other.Check(); err != nil {
			t.Fatalf("%#v: %v", other, err)
		}
	})
}

func TestUnequalRequestsHaveTwoTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		few := rapid.SampledFrom([]string{"a", "b", "a,b", "a=b", "a!", "a&b"})
		draw := func() Request {
			f := rapid.Custom(func(t *rapid.T) Filter {
				return Filter{few.Draw(t, "d"), Operator(rapid.IntRange(0, 2).Draw(t, "o")), rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "v")}
			})
			return Request{
				Path: rapid.SliceOfN(few, 0, 2).Draw(t, "path"), Filters: rapid.SliceOfN(f, 0, 2).Draw(t, "filters"), Metrics: rapid.SliceOfN(few, 0, 2).Draw(t, "metrics"),
			}
		}
		a, b := draw(), draw()
		if a.Check() != nil || b.Check() != nil {
			return
		}
		if same := a.Canonical() == b.Canonical(); same != reflect.DeepEqual(a.normal(), b.normal()) {
			t.Fatalf("%#v is %q, %#v is %q", a, a.Canonical(), b, b.Canonical())
		}
	})
}

// A request as a query string may spell it, parsed, is the one it was spelled from.
func TestParseIgnoresOrderAndSpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := aRequest(t)
		path, query, _ := strings.Cut(r.Canonical(), "?")
		pairs := strings.Split(query, "&")
		if i := rapid.IntRange(0, len(pairs)-1).Draw(t, "which"); rapid.Bool().Draw(t, "repeat") {
			pairs = append(pairs, pairs[i])
		}
		query = strings.Join(rapid.Permutation(pairs).Draw(t, "pairs"), "&")
		query = strings.ReplaceAll(strings.ReplaceAll(query, "%20", "+"), "!=", "%21=")
		again, err := Parse(path+"/", "access_token=x&&"+query)
		if err != nil || again.Canonical() != r.Canonical() {
			t.Fatalf("%q?%q reads as %q (%v), want %q", path, query, again.Canonical(), err, r.Canonical())
		}
	})
}

func TestManyMetrics(t *testing.T) {
	var r Request
	for i := range 3 * fewMetrics {
		r.Metrics = append(r.Metrics, strings.Repeat("m", 1+i%(2*fewMetrics)))
	}
	again, err := parseText(r.Canonical())
	if err == nil || again.Path != nil {
		t.Errorf("a query of %d bytes was parsed", len(r.Canonical()))
	}
	r.Metrics = r.Metrics[:fewMetrics+1]
	if again, err = parseText(r.Canonical()); err != nil || len(again.Metrics) != fewMetrics+1 || again.Canonical() != r.Canonical() {
		t.Errorf("%d metrics, %v", len(again.Metrics), err)
	}
}

func BenchmarkCanonical(b *testing.B) {
	for _, c := range []struct{ name, path, query string }{
		{"plain", "tenant/year/month/day", "start=2026-06-04&end=2026-07-04"},
		{"filtered", "tenant/year/month/day/mvpd", "start=2026-06-04&end=2026-07-04&mvpd=a&mvpd=b&tenant!=x&metrics=users,active-users&limit=10"},
	} {
		r, err := Parse(c.path, c.query)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Canonical()
			}
		})
		b.Run(c.name+"/report", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Report()
			}
		})
		b.Run(c.name+"/parse", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(c.path, c.query); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
