package cmu

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzCanonical compares two requests: they have one canonical form exactly if they are the same, and one report exactly if they are the
// same but for window and limit.
func FuzzCanonical(f *testing.F) {
	f.Add("/tenant/year", "start=2026&tenant=a&metrics=x,y", "/tenant/year/", "metrics=x&tenant=a&start=2026-01-01&metrics=y&access_token=t")
	f.Add("/a%2Fb", "c!=d", "/a/b", "c%21=d")
	f.Add("/a", "b=%26c=d", "/a", "b=&c=d")
	f.Add("/year", "metrics=a%2Cb", "/year", "metrics=a&metrics=b&limit=0")
	f.Fuzz(func(t *testing.T, path1, query1, path2, query2 string) {
		a, err1 := Parse(path1, query1)
		b, err2 := Parse(path2, query2)
		if err1 != nil || err2 != nil {
			return
		}
		a.Format, b.Format = "", ""
		if same := reflect.DeepEqual(a, b); same != (a.Canonical() == b.Canonical()) {
			t.Errorf("%#v is %q, and %#v is %q", a, a.Canonical(), b, b.Canonical())
		}
		a.Start, a.End, a.Limit, b.Start, b.End, b.Limit = Bound{}, Bound{}, 0, Bound{}, Bound{}, 0
		if same := reflect.DeepEqual(a, b); same != (a.Report() == b.Report()) {
			t.Errorf("%#v is report %q, and %#v is %q", a, a.Report(), b, b.Report())
		}
	})
}

// answering answers every call with one body.
type answering struct {
	status int
	body   []byte
}

func (a answering) RoundTrip(q *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(a.body)), Request: q}, nil
}

// FuzzAuthAnswers reads anything as the answer to a registration and to a call for a token: what is taken can stand in a header, and
// what is not does not stand in the error.
func FuzzAuthAnswers(f *testing.F) {
	f.Add(201, []byte(`{"access_token":"t0ken","expires_in":"21600","created_at":1}`))
	f.Add(200, []byte("access_token=t0ken&expires_in=1e9"))
	f.Add(201, []byte("\xff\xfe{\x00}\x00"))
	f.Add(201, []byte(`{"client_id":"i","client_secret":"s","client_id_issued_at":1e300}`))
	f.Add(400, []byte(`{"error":"invalid_client"}`))
	f.Add(503, []byte("<html><script>x</script>\x1b[31m</html>"))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 100 || status > 599 {
			return
		}
		client := &Client{AuthURL: "http://adobe.test", ReportsURL: "http://adobe.test", Transport: answering{status, body}}
		token, err := client.Token(context.Background(), Credentials{ClientID: "i", ClientSecret: "s"})
		if err == nil && (token.Value == "" || strings.ContainsFunc(token.Value.Reveal(), notHeader) || token.Life <= 0) {
			t.Errorf("%d %q: %q for %v", status, body, token.Value.Reveal(), token.Life)
		}
		checkReason(t, err)
		_, err = client.Report(context.Background(), "t", Request{}, "")
		checkReason(t, err)
	})
}

// checkReason looks at what people may be shown.
func checkReason(t *testing.T, err error) {
	var e *Error
	if !errors.As(err, &e) {
		return
	}
	if !utf8.ValidString(e.Error()) || strings.ContainsFunc(e.Error(), unicode.IsControl) || utf8.RuneCountInString(e.Reason) > maxReason+1 {
		t.Errorf("%q", e.Error())
	}
}

// FuzzRow reads rows: their fields are those that encoding/json finds.
func FuzzRow(f *testing.F) {
	f.Add(`{"a":"b\u00e9\"","c": 1.5e3 ,"":null,"d":true}`)
	f.Add(`{"\u0061":"\ud83d\ude00","b":"{[,}"}`)
	f.Fuzz(func(t *testing.T, row string) {
		if _, err := ReadReport(strings.NewReader(`{"report":[`+row+`]}`), func(r Row) error {
			var want map[string]json.RawMessage
			if err := json.Unmarshal(r, &want); err != nil {
				t.Fatalf("%q: %v", r, err)
			}
			n := 0
			for name, value := range r.Each {
				n++
				raw, ok := want[string(name)]
				var text string
				switch {
				case !ok:
					t.Errorf("%q: no field %q", r, name)
				case value == nil:
					if string(raw) != "null" {
						t.Errorf("%q: %q is null, not %s", r, name, raw)
					}
				case json.Unmarshal(raw, &text) == nil:
					if text != string(value) {
						t.Errorf("%q: %q is %q, want %q", r, name, value, text)
					}
				case string(raw) != string(value):
					t.Errorf("%q: %q is %q, want %s", r, name, value, raw)
				}
			}
			if n != len(want) {
				t.Errorf("%q: %d fields, want %d", r, n, len(want))
			}
			return nil
		}); err != nil {
			return
		}
	})
}
