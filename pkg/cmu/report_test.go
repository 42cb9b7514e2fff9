package cmu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const sample = `{"_links": {"self": {"href": "/cmu/v2/year?start=2026"}, "roll-up": {"href": "/cmu/v2", "name": ""},
 "drill-down": [{"href": "/cmu/v2/year/month", "name": "month"}, {"href": "/cmu/v2/year/tenant", "name": "tenant", "more": [1]}], "other": {"a": 1}},
 "report": [{"year": "2026", "users": "12", "n": 5, "x": null}, {"name": "a\"b\\\u00e9{[,}", "users":"1"}], "more": {"deep": [{}]}}`

func readAll(t *testing.T, text string) (rows []string, links Links, err error) {
	links, err = ReadReport(strings.NewReader(text), func(r Row) error {
		rows = append(rows, string(r))
		return nil
	})
	return rows, links, err
}

func TestReadReport(t *testing.T) {
	rows, links, err := readAll(t, sample)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{`{"year":"2026","users":"12","n":5,"x":null}`, `{"name":"a\"b\\\u00e9{[,}","users":"1"}`}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Links{
		Self: "/cmu/v2/year?start=2026", RollUp: []Link{{Href: "/cmu/v2"}},
		DrillDown: []Link{{"/cmu/v2/year/month", "month"}, {"/cmu/v2/year/tenant", "tenant"}},
	}, links); diff != "" {
		t.Error(diff)
	}
	var fields []string
	for _, r := range rows {
		Row(r).Each(func(n, v []byte) bool {
			fields = append(fields, fmt.Sprintf("%s=%s", n, v))
			return true
		})
	}
	if diff := cmp.Diff([]string{"year=2026", "users=12", "n=5", "x=", `name=a"b\é{[,}`, "users=1"}, fields); diff != "" {
		t.Error(diff)
	}
	if v := Row(rows[0]).Get("users"); string(v) != "12" {
		t.Errorf("Get = %q", v)
	}
	_, links, err = readAll(t, `{"report": [], "_links": {"drill-down": {"href": "/a", "name": "n"}}}`)
	if err != nil || len(links.DrillDown) != 1 || links.DrillDown[0].Name != "n" {
		t.Errorf("single drill-down: %+v, %v", links, err)
	}
}

func TestReadReportRefuses(t *testing.T) {
	for _, text := range []string{
		"", "\ufeff", `[]`, `{}`, `"x"`, `<html>`, `{"report": {}}`, `{"report": [1]}`, `{"report": [{"a": {}}]}`, `{"report": [{"a": [1]}]}`,
		`{"report": [{"a": 1, "a": 2}]}`, `{"report": []} x`, "{\"report\": [{\"a\": \"\xff\"}]}", `{"report": [], "_links": {"drill-down": [1]}}`,
	} {
		if rows, _, err := readAll(t, text); !errors.Is(err, ErrNotReport) {
			t.Errorf("%s: %v, %v", text, rows, err)
		}
	}
	for n := 1; n < len(sample)-1; n++ {
		if _, _, err := readAll(t, sample[:n]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	if rows, links, err := readAll(t, "\ufeff"+sample); err != nil || len(rows) == 0 || links.Self == "" {
		t.Errorf("with a byte order mark: %d rows, %+v, %v", len(rows), links, err)
	}
	broken := errors.New("broken")
	for _, n := range []int{0, 1, 3, 5} { // the reader's own error, wherever it comes
		r := io.MultiReader(iotest.OneByteReader(strings.NewReader(sample[:n])), iotest.ErrReader(broken))
		if _, err := ReadReport(r, func(Row) error { return nil }); !errors.Is(err, broken) || errors.Is(err, ErrNotReport) {
			t.Errorf("broken after %d bytes: %v", n, err)
		}
	}
	mine := errors.New("mine")
	if _, err := ReadReport(strings.NewReader(sample), func(Row) error { return mine }); err != mine {
		t.Errorf("own error: %v", err)
	}
}

func FuzzReadReport(f *testing.F) {
	f.Add(sample)
	f.Fuzz(func(t *testing.T, text string) {
		ReadReport(strings.NewReader(text), func(r Row) error {
			r.Each(func(_, _ []byte) bool { return true })
			return nil
		})
	})
}

func BenchmarkReadReport(b *testing.B) {
	var text strings.Builder
	text.WriteString(`{"report":[`)
	for i := range 30_000 {
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprintf(&text, `{"year":"2026","month":"7","day":"%d","mvpd":"M%d","active-users":"%d","active-sessions":"123456","started-sessions":"99999","failed-attempts":"12"}`, i%31+1, i%7, i)
	}
	text.WriteString(`]}`)
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		n := 0
		if _, err := ReadReport(strings.NewReader(text.String()), func(Row) error { n++; return nil }); err != nil || n != 30_000 {
			b.Fatal(n, err)
		}
	}
}

// TestTheReadersErrorComesOut has the reader fail after each byte: wherever that is, its error is told and no other.
func TestTheReadersErrorComesOut(t *testing.T) {
	for _, fault := range []error{context.Canceled, context.DeadlineExceeded, syscall.ECONNRESET, ErrTooLarge, errors.New("broken compression")} {
		for n := range len(sample) {
			_, err := ReadReport(io.MultiReader(strings.NewReader(sample[:n]), iotest.ErrReader(fault)), func(Row) error { return nil })
			if !errors.Is(err, fault) || errors.Is(err, ErrNotReport) {
				t.Fatalf("%v after %d bytes: %v", fault, n, err)
			}
		}
	}
	stop := errors.New("stop")
	together := iotest.DataErrReader(io.MultiReader(strings.NewReader(sample), iotest.ErrReader(context.Canceled)))
	if _, err := ReadReport(together, func(Row) error { return stop }); err != stop {
		t.Errorf("the error of each became %v", err)
	}
}
