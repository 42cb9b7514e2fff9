package cmu

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// closes counts how often the bodies of answers were closed.
type closes struct{ open, closed atomic.Int64 }

func (c *closes) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err == nil {
		c.open.Add(1)
		resp.Body = &closing{resp.Body, c}
	}
	return resp, err
}

type closing struct {
	io.ReadCloser
	c *closes
}

func (c *closing) Close() error {
	c.c.closed.Add(1)
	return c.ReadCloser.Close()
}

func TestRows(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != "application/json" || r.URL.RawQuery != "limit=9" {
			t.Errorf("asked %s %v", r.URL, r.Header)
		}
		_, _ = io.WriteString(w, sample)
	})
	bodies := &closes{}
	client.Transport = bodies
	rows := client.Rows(t.Context(), "t0ken", Request{Limit: 9, Format: "csv"})
	if bodies.open.Load() != 0 {
		t.Error("called before the first loop")
	}
	var want []string
	wantLinks, err := ReadReport(strings.NewReader(sample), func(r Row) error {
		want = append(want, string(r))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for loop := range 2 {
		var got []string
		for row, err := range rows.All() {
			if err != nil {
				t.Fatal(err)
			}
			if rows.Links().Self != "" {
				t.Error("links before the end")
			}
			got = append(got, string(row))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(wantLinks, rows.Links()); diff != "" {
			t.Error(diff)
		}
		if n := int64(loop + 1); bodies.open.Load() != n || bodies.closed.Load() != n {
			t.Errorf("%d opened, %d closed after loop %d", bodies.open.Load(), bodies.closed.Load(), n)
		}
	}
}

func TestRowsLeftEarly(t *testing.T) {
	gone := make(chan struct{})
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		_, _ = io.WriteString(w, `{"_links": {"self": {"href": "/a"}}, "report": [{"a": "1"}`)
		for r.Context().Err() == nil { // rows without end
			if _, err := io.WriteString(w, `,{"a": "1"}`); err != nil {
				return
			}
			w.(http.Flusher).Flush()
		}
	})
	bodies := &closes{}
	client.Transport = bodies
	rows := client.Rows(t.Context(), "t0ken", Request{})
	seen := 0
	for _, err := range rows.All() {
		if err != nil {
			t.Fatal(err)
		}
		if seen++; seen == 3 {
			break
		}
	}
	<-gone
	if seen != 3 || bodies.closed.Load() != 1 || rows.Links().Self != "" {
		t.Errorf("%d rows, %d closed, links %v", seen, bodies.closed.Load(), rows.Links())
	}
}

// What is decompressed does not say that it is compressed.
func TestReportDecompresses(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("asked %v", r.Header)
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, sample)
		_ = z.Close()
	})
	resp, err := client.Report(t.Context(), "t0ken", Request{}, "")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || string(text) != sample || resp.Header.Get("Content-Encoding") != "" || resp.Header.Get("Content-Length") != "" || resp.ContentLength != -1 {
		t.Errorf("%q, %v, %v, length %d", text, err, resp.Header, resp.ContentLength)
	}
}

// A panic in the loop's body closes what was opened.
func TestRowsPanic(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, sample) })
	bodies := &closes{}
	client.Transport = bodies
	func() {
		defer func() {
			if recover() != "mine" {
				t.Error("the panic was lost")
			}
		}()
		for range client.Rows(t.Context(), "t0ken", Request{}).All() {
			panic("mine")
		}
	}()
	if bodies.closed.Load() != 1 {
		t.Error("not closed")
	}
}

func TestRowsErrors(t *testing.T) {
	var e *Error
	var bad *RequestError
	for name, c := range map[string]struct {
		status  int
		body    string
		request Request
		rows    int
		is      func(error) bool
	}{
		"refused":  {401, "no", Request{}, 0, func(err error) bool { return errors.Is(err, ErrUnauthorized) && errors.As(err, &e) }},
		"wait":     {429, "", Request{}, 0, func(err error) bool { return errors.As(err, &e) && e.RetryAfter == time.Minute }},
		"html":     {200, "<html>", Request{}, 0, func(err error) bool { return errors.Is(err, ErrNotReport) }},
		"cut":      {200, sample[:len(sample)-20], Request{}, 2, func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }},
		"nested":   {200, `{"report": [{"a": 1}, {"a": {}}]}`, Request{}, 1, func(err error) bool { return errors.Is(err, ErrNotReport) }},
		"large":    {200, `{"report": [{"a": 1}` + strings.Repeat(" ", 200_000) + `]}`, Request{}, 1, func(err error) bool { return errors.Is(err, ErrTooLarge) }},
		"no limit": {200, sample, Request{Limit: -1}, 0, func(err error) bool { return errors.As(err, &bad) && bad.Part == "limit" }},
	} {
		client := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		})
		client.MaxBody = 100_000
		rows, n, failed := client.Rows(t.Context(), "t0ken", c.request), 0, 0
		for row, err := range rows.All() {
			if err == nil && failed == 0 {
				n++
				continue
			}
			if failed++; row != nil || !c.is(err) {
				t.Errorf("%s: %q, %v", name, row, err)
			}
		}
		if n != c.rows || failed != 1 || rows.Links().Self != "" {
			t.Errorf("%s: %d rows, %d errors, links %v", name, n, failed, rows.Links())
		}
	}
}

func TestRowsEndWithTheContext(t *testing.T) {
	release := make(chan struct{})
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, `{"report": [{"a": "1"}, `+strings.Repeat(" ", 10_000))
		w.(http.Flusher).Flush()
		<-release
	})
	t.Cleanup(func() { close(release) })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var last error
	for _, err := range client.Rows(ctx, "t0ken", Request{}).All() {
		last = err
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("ended with %v", last)
	}
}

func TestManyLinks(t *testing.T) {
	link := `{"href": "/a", "name": "a"}`
	text := `{"report": [], "_links": {"drill-down": [` + strings.Repeat(link+",", MaxLinks+5) + link + `]}}`
	if _, links, err := readAll(t, text); !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d links, %v", len(links.DrillDown), err)
	}
}

// rowsServed answers with n rows without the network.
type rowsServed []byte

func (r rowsServed) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(r))}, nil
}

// What a row costs must not be an allocation.
func TestRowsAllocateNothingEach(t *testing.T) {
	allocations := func(n int) float64 {
		row := fmt.Sprintf(`{"year":"2026","month":"7","users":"%d"}`, n)
		client := &Client{ReportsURL: "http://adobe.test", Transport: rowsServed(`{"report":[` + strings.Repeat(row+",", n-1) + row + `]}`)}
		return testing.AllocsPerRun(5, func() {
			seen := 0
			for _, err := range client.Rows(t.Context(), "t0ken", Request{}).All() {
				if err != nil {
					t.Fatal(err)
				}
				seen++
			}
			if seen != n {
				t.Fatalf("%d rows", seen)
			}
		})
	}
	if few, many := allocations(1_000), allocations(20_000); many > few+50 {
		t.Errorf("%v allocations for 1,000 rows, %v for 20,000", few, many)
	}
}
