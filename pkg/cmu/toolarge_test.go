package cmu

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
)

// What is as large as it may be is read, and what is larger by one is not.
func TestBoundsOfAReport(t *testing.T) {
	row := func(size int) string { // of texts that may be so long
		var b strings.Builder
		b.WriteString(`{"a":"1"`)
		for i := 0; b.Len() < size-1; i++ {
			head := fmt.Sprintf(`,"%d":"`, i)
			b.WriteString(head + strings.Repeat("x", min(MaxText, size-b.Len()-len(head)-2)) + `"`)
			if left := size - 1 - b.Len(); 0 < left && left < 20 {
				return b.String() + `,"` + strings.Repeat("z", left-6) + `":1}`
			}
		}
		return b.String() + "}"
	}
	columns := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"%d":1`, i)
		}
		return "{" + b.String()[1:] + "}"
	}
	links := func(n int) string {
		return `{"_links":{"roll-up":[` + strings.Repeat(`{"href":"/a"},`, n-1) + `{"href":"/a"}]},"report":[]}`
	}
	rows := func(row string) string { return `{"report":[` + row + `]}` }
	text := func(n int) string { return rows(`{"a":"` + strings.Repeat("x", n) + `"}`) }
	name := func(n int) string { return rows(`{"` + strings.Repeat("x", n) + `":1}`) }
	href := func(n int) string {
		return `{"_links":{"self":{"href":"` + strings.Repeat("x", n) + `"}},"report":[]}`
	}
	if n := len(row(MaxRow)); n != MaxRow {
		t.Fatalf("the test's row has %d bytes", n)
	}
	for what, texts := range map[string][2]string{
		"row":     {rows(row(MaxRow)), rows(row(MaxRow + 1))},
		"columns": {rows(columns(MaxColumns)), rows(columns(MaxColumns + 1))},
		"links":   {links(MaxLinks), links(MaxLinks + 1)},
		"text":    {text(MaxText), text(MaxText + 1)},
		"name":    {name(MaxText), name(MaxText + 1)},
		"href":    {href(MaxText), href(MaxText + 1)},
	} {
		if _, _, err := readAll(t, texts[0]); err != nil {
			t.Errorf("%s, as large as it may be: %v", what, err)
		}
		_, _, err := readAll(t, texts[1])
		var size *SizeError
		if !errors.As(err, &size) || !errors.Is(err, ErrTooLarge) || size.What == "" {
			t.Errorf("%s, larger: %v", what, err)
		}
	}
}

// endless is a text that goes on and on.
type endless struct{ head, again string }

func (e *endless) Read(p []byte) (n int, err error) {
	n = copy(p, e.head)
	for e.head = e.head[n:]; n < len(p); n++ {
		p[n] = e.again[n%len(e.again)]
	}
	return n, nil
}

// Memory is not taken for what is too large.
func TestEndlessReports(t *testing.T) {
	for _, head := range []string{`{"report":[{"a":"`, `{"report":[{"`, `{"report":[{"a":1`, `{"a":"`, `{"`, `{"_links":{"self":{"href":"`, `{"_links":{"self":{"x":"`} {
		for _, again := range []string{"1", " ", `\n`} {
			if again != "1" && !strings.HasSuffix(head, `"`) {
				continue
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := ReadReport(&endless{head, again}, func(Row) error { return nil })
			runtime.ReadMemStats(&after)
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 8 || err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s%s...: %d MB, %v", head, again, used, err)
			}
		}
	}
	for _, head := range []string{"", "{", `{"report":`, `{"report":[`, `{"report":[{},`, `{"report":[]}`} {
		_, err := ReadReport(&endless{head, " "}, func(Row) error { return nil })
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s and space: %v", head, err)
		}
	}
}

// Headers without end are no answer that could be read another time, over each protocol, whatever the call.
func TestHeadersWithoutEnd(t *testing.T) {
	for _, test := range []struct {
		second bool
		bytes  int
		want   error
	}{{false, 80 << 10, ErrTooLarge}, {false, 4 << 20, ErrTooLarge}, {true, 52 << 10, ErrTooLarge}, {true, 4 << 20, ErrNotReport}} {
		var asked atomic.Int64
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			asked.Add(1)
			for i := range test.bytes / 100 {
				w.Header().Set(fmt.Sprintf("X-Header-%d", i), strings.Repeat("a", 86))
			}
		}))
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.EnableHTTP2 = test.second
		server.StartTLS()
		defer server.Close()
		transport := server.Client().Transport.(*http.Transport).Clone()
		transport.MaxResponseHeaderBytes = 64 << 10
		client := &Client{AuthURL: server.URL, ReportsURL: server.URL, Transport: transport}
		_, report := client.Report(t.Context(), "t", Request{}, "")
		_, token := client.Token(t.Context(), Credentials{ClientID: "i", ClientSecret: "s"})
		for _, err := range []error{report, token} {
			if !errors.Is(err, test.want) {
				t.Errorf("%+v: %v", test, err)
			}
		}
		if n := asked.Load(); n != 2 {
			t.Errorf("%+v: asked %d times", test, n)
		}
	}
}
