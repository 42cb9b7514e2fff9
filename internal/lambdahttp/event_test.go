package lambdahttp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"cmu-gateway/internal/lambdahttp"
	"cmu-gateway/pkg/cmu"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestRequest(t *testing.T) {
	type seen struct {
		Method, Host, URL, URI, Remote, Body, Base string
		Length                                     int64
		Header                                     http.Header
	}
	tests := []struct {
		name  string
		event string
		want  seen
	}{
		{"as API Gateway sends it", `{
			"resource": "/cmu/v2/{proxy+}", "path": "/cmu/v2/year/month", "httpMethod": "GET",
			"headers": {"Host": "abc.execute-api.us-east-1.amazonaws.com", "X-Forwarded-Proto": "https",
				"X-Forwarded-For": "203.0.113.7, 10.0.0.1", "Accept": "text/csv"},
			"multiValueHeaders": {"Host": ["abc.execute-api.us-east-1.amazonaws.com"], "X-Forwarded-Proto": ["https"],
				"X-Forwarded-For": ["203.0.113.7, 10.0.0.1"], "Accept": ["application/json", "text/csv"]},
			"queryStringParameters": {"mvpd": "b", "tenant": ""},
			"multiValueQueryStringParameters": {"mvpd": ["a", "b"], "tenant": [""]},
			"pathParameters": {"proxy": "year/month"}, "stageVariables": null,
			"requestContext": {"path": "/prod/cmu/v2/year/month", "stage": "prod", "requestId": "r-1",
				"domainName": "abc.execute-api.us-east-1.amazonaws.com", "identity": {"sourceIp": "203.0.113.7"}},
			"body": null, "isBase64Encoded": false}`,
			seen{Method: "GET", Host: "abc.execute-api.us-east-1.amazonaws.com", URL: "/cmu/v2/year/month?mvpd=a&mvpd=b&tenant=",
				URI: "/cmu/v2/year/month?mvpd=a&mvpd=b&tenant=", Remote: "203.0.113.7:0", Base: "/prod",
				Header: http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-For": {"203.0.113.7, 10.0.0.1"}, "Accept": {"application/json", "text/csv"}}}},
		{"lower-case names and no lists", `{"path": "/", "httpMethod": "HEAD",
			"headers": {"host": "h:1", "if-none-match": "\"x\"", "content-length": "9"},
			"queryStringParameters": {"a": null, "b": "2"}, "requestContext": {"identity": {"sourceIp": "2001:db8::1"}}}`,
			seen{Method: "HEAD", Host: "h:1", URL: "/?a=&b=2", URI: "/?a=&b=2", Remote: "[2001:db8::1]:0", Header: http.Header{"If-None-Match": {`"x"`}}}},
		{"a header in one of the maps only", `{"path": "/", "httpMethod": "GET",
			"headers": {"accept": "a", "X-One": "1"}, "multiValueHeaders": {"Accept": ["b", "c"], "X-Two": ["2"]},
			"requestContext": {"domainName": "d"}}`,
			seen{Method: "GET", Host: "d", URL: "/", URI: "/", Remote: ":0", Header: http.Header{"Accept": {"b", "c"}, "X-One": {"1"}, "X-Two": {"2"}}}},
		{"body", `{"path": "/", "httpMethod": "POST", "body": "héllo"}`,
			seen{Method: "POST", URL: "/", URI: "/", Remote: ":0", Body: "héllo", Length: 6, Header: http.Header{}}},
		{"body in base64", `{"path": "/", "httpMethod": "POST", "body": "AAEC", "isBase64Encoded": true}`,
			seen{Method: "POST", URL: "/", URI: "/", Remote: ":0", Body: "\x00\x01\x02", Length: 3, Header: http.Header{}}},
		{"a parameter without values", `{"path": "/", "httpMethod": "GET",
			"multiValueQueryStringParameters": {"x": null, "y": []}, "queryStringParameters": {"z": "1"}}`,
			seen{Method: "GET", URL: "/?x=&y=", URI: "/?x=&y=", Remote: ":0", Header: http.Header{}}},
		{"negated filter", `{"path": "/a", "httpMethod": "GET",
			"multiValueQueryStringParameters": {"mvpd!": ["x y&z"]}}`,
			seen{Method: "GET", URL: "/a?mvpd%21=x+y%26z", URI: "/a?mvpd%21=x+y%26z", Remote: ":0", Header: http.Header{}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			invoke(t, func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				got := seen{r.Method, r.Host, r.URL.String(), r.RequestURI, r.RemoteAddr, string(body),
					lambdahttp.BasePath(r.Context()), r.ContentLength, r.Header}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
			}, json.RawMessage(test.event))
		})
	}
}

// A report request reads the same whether it comes over plain HTTP or as an event.
func TestSameRequestAsOverHTTP(t *testing.T) {
	t.Run("an ampersand in a value", func(t *testing.T) {
		sameAsOverHTTP(t, []string{"a"}, []pair{{Name: "a", Value: "&"}}, false, false)
	})
	t.Run("a percent sign as a name", func(t *testing.T) {
		sameAsOverHTTP(t, []string{"%"}, []pair{{Name: "%", Bare: true}}, false, false)
	})
	text := rapid.StringOfN(rapid.OneOf(rapid.RuneFrom([]rune("abc %+&=!/?#;,.:é語😀\"|~")), rapid.Rune()), 1, 8, -1)
	pairs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) pair {
		p := pair{rapid.OneOf(text, rapid.SampledFrom([]string{"mvpd", "mvpd!", "limit", "start", "metrics", "format"})).Draw(t, "name"),
			"", rapid.Bool().Draw(t, "bare")}
		// The event cannot tell "x!" from "x!=".
		if p.Bare = p.Bare && !strings.HasSuffix(p.Name, "!"); !p.Bare {
			p.Value = rapid.OneOf(rapid.Just(""), text, rapid.SampledFrom([]string{"2026-07", "10", "active-users,users"})).Draw(t, "value")
		}
		return p
	}), 0, 5)
	rapid.Check(t, func(t *rapid.T) {
		sameAsOverHTTP(t, rapid.SliceOfN(text, 1, 4).Draw(t, "segments"), pairs.Draw(t, "pairs"),
			rapid.Bool().Draw(t, "single"), rapid.Bool().Draw(t, "decoded"))
	})
}

// sameAsOverHTTP compares a request with its event. Where the event cannot be mistaken, single leaves out the lists of values, and
// decoded undoes the escapes of the path.
func sameAsOverHTTP(t T, segments []string, pairs []pair, single, decoded bool) {
	t.Helper()
	var path string
	for _, s := range segments {
		path += "/" + url.PathEscape(s)
	}
	var raw []string
	lists, last := map[string][]string{}, map[string]string{}
	repeated := false
	for _, p := range pairs {
		text := url.QueryEscape(p.Name)
		if !p.Bare {
			text += "=" + url.QueryEscape(p.Value)
		}
		raw = append(raw, text)
		_, before := last[p.Name]
		repeated = repeated || before
		lists[p.Name] = append(lists[p.Name], p.Value)
		last[p.Name] = p.Value
	}
	direct := httptest.NewRequest("GET", path+"?"+strings.Join(raw, "&"), nil)
	want, wantErr := cmu.Parse(direct.URL.EscapedPath(), direct.URL.RawQuery)

	e := get(path)
	e["queryStringParameters"], e["multiValueQueryStringParameters"] = last, lists
	if !repeated && single {
		delete(e, "multiValueQueryStringParameters")
	}
	plain, _ := url.PathUnescape(path)
	ambiguous := strings.Contains(strings.ToUpper(path), "%2F") || strings.Contains(plain, "%") && !strings.Contains(plain, " ")
	if !ambiguous && utf8.ValidString(plain) && decoded {
		e["path"] = plain
	}
	called := false
	invoke(t, func(w http.ResponseWriter, r *http.Request) {
		called = true
		got, err := cmu.Parse(r.URL.EscapedPath(), r.URL.RawQuery)
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b cmu.Bound) bool { return a == b })); diff != "" || (err == nil) != (wantErr == nil) {
			t.Errorf("%s?%s: %v, %v\n%s", r.URL.EscapedPath(), r.URL.RawQuery, wantErr, err, diff)
		}
	}, e)
	if !called {
		t.Fatal("not called")
	}
}

// pair is a parameter of a query. A bare one has no equals sign.
type pair struct {
	Name, Value string
	Bare        bool
}
