package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/reports"
	testrig "cmu-gateway/internal/rig"
	"cmu-gateway/pkg/cmu"
)

// Encode writes what GET sends, byte for byte.
func TestEncodeWritesWhatGETSends(t *testing.T) {
	r := newRig(t)
	path, query, _ := strings.Cut(strings.TrimPrefix(days, reportsPath), "?")
	compare := func(more string, wantSource reports.Source) {
		t.Helper()
		asked, err := cmu.Parse(path, query+more)
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range formatNames {
			want := r.ok(days + more + "&format=" + format)
			a, source, err := r.service.Get(t.Context(), asked, reports.Directives{})
			if err != nil || source != wantSource {
				t.Fatalf("%s%s: %v, %v", more, format, source, err)
			}
			var out bytes.Buffer
			if err := Encode(t.Context(), &out, a, source, asked, format, Form{}); err != nil || out.String() != want.body {
				t.Errorf("%s%s: %v\n%.300s\nwant\n%.300s", more, format, err, out.String(), want.body)
			}
		}
	}
	for _, more := range []string{"", "&limit=1", "&mvpd=a%20%26b", "&mvpd=nobody-at-all"} {
		compare(more, reports.FromMemory)
	}
	r.clock.Add(testrig.Policy.Settled + time.Hour)
	compare("", reports.Stale)
}

func TestEncodeFails(t *testing.T) {
	r := newRig(t)
	asked, _ := cmu.Parse("/year/month/day/mvpd", "start=2026-01&end=2026-07")
	a, source, err := r.service.Get(t.Context(), asked, reports.Directives{})
	if err != nil {
		t.Fatal(err)
	}
	if err := Encode(t.Context(), io.Discard, a, source, asked, "pdf", Form{}); err == nil || err.Error() != `there is no format "pdf"` {
		t.Error(err)
	}
	full := errors.New("no space left")
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, format := range formatNames {
		if err := Encode(t.Context(), broken{full}, a, source, asked, format, Form{}); !errors.Is(err, full) {
			t.Errorf("%s: %v", format, err)
		}
		if err := Encode(gone, io.Discard, a, source, asked, format, Form{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", format, err)
		}
	}
}

type broken struct{ error }

func (b broken) Write([]byte) (int, error) { return 0, b.error }

// One column holds the date, whatever the format.
func TestDates(t *testing.T) {
	r := newRig(t)
	for _, test := range []struct{ path, query, format, begins, holds string }{
		{"/tenant/year/month/mvpd", "start=2026-02&end=2026-03&mvpd=Cox", "csv", "tenant,date,mvpd,", "\nACME,2026-02-01,Cox,"},
		{"/year", "start=2026", "csv", "date,", "\n2026-01-01,"},
		{"/year/month/day/hour", "start=2026-02-03T05:00&end=2026-02-03T06:00", "csv", "date,", "\n2026-02-03T05:00,"},
		{"/year/month/day/hour", "start=2026-02-03T00:00&end=2026-02-03T01:00", "csv", "date,", "\n2026-02-03T00:00,"},
		{"/tenant/year/month", "start=1980&end=1981", "csv", "tenant,date", ""},
		{"/tenant/year/month", "start=2026-02&end=2026-03", "ndjson", `{"`, `"date":"2026-02-01"`},
		{"/tenant/year/month", "start=2026-02&end=2026-03", "json", `{"_links":{"self":{"href":"/cmu/v2/tenant/year/month?`, `"date":"2026-02-01"`},
	} {
		asked, err := cmu.Parse(test.path, test.query)
		if err != nil {
			t.Fatal(err)
		}
		a, source, err := r.service.Get(t.Context(), asked, reports.Directives{})
		if err != nil {
			t.Fatal(err)
		}
		for _, mark := range []bool{false, true} {
			want := test.begins
			if mark && test.format == "csv" {
				want = "\xef\xbb\xbf" + want
			}
			var out bytes.Buffer
			if err := Encode(t.Context(), &out, a, source, asked, test.format, Form{Date: true, Mark: mark}); err != nil || !strings.HasPrefix(out.String(), want) ||
				!strings.Contains(out.String(), test.holds) {
				t.Errorf("%s: %v %.300q, want %q", test.path, err, out.String(), want)
			}
			if strings.Contains(out.String(), `"month"`) {
				t.Errorf("%s: a time dimension is left: %s", test.path, out.String())
			}
		}
	}
}

func TestNoDate(t *testing.T) {
	for _, row := range []string{`{"tenant":"A"}`, `{"year":"2026","day":"1"}`, `{"month":"1"}`, `{"year":"soon"}`, `{"year":"2026","date":"x"}`} {
		if got, err := Dated(cmu.Row(row)); err == nil {
			t.Errorf("%s: %s", row, got)
		}
	}
	if got, err := Dated(cmu.Row(`{"a\"":null,"month":"2","n":7,"year":"2026","day":3}`)); err != nil || string(got) != `{"a\"":null,"date":"2026-02-03","n":"7"}` {
		t.Errorf("%s %v", got, err)
	}
}
