package lambdahttp_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cmu-gateway/internal/lambdahttp"
	"cmu-gateway/pkg/cmu"
)

const limit = 6_291_556

var _ lambda.Handler = (*lambdahttp.Handler)(nil)

// T is what tests and property tests have in common.
type T interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// invoke sends an event and returns the answer as API Gateway reads it.
func invoke(t T, h http.HandlerFunc, e any) (events.APIGatewayProxyResponse, []byte) {
	t.Helper()
	return invokeLogged(t, h, e, io.Discard)
}

func invokeLogged(t T, h http.HandlerFunc, e any, log io.Writer) (events.APIGatewayProxyResponse, []byte) {
	t.Helper()
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	out, err := lambdahttp.New(h, slog.New(slog.NewTextHandler(log, nil))).Invoke(context.Background(), payload)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) > limit {
		t.Fatalf("the envelope has %d bytes", len(out))
	}
	var answer events.APIGatewayProxyResponse
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("the envelope is not JSON: %v", err)
	}
	body := []byte(answer.Body)
	if answer.IsBase64Encoded {
		if body, err = base64.StdEncoding.DecodeString(answer.Body); err != nil {
			t.Fatal(err)
		}
	}
	return answer, body
}

type object = map[string]any

func get(path string) object { return object{"httpMethod": "GET", "path": path} }

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

func TestPaths(t *testing.T) {
	tests := []struct {
		name               string
		resource, path     string
		proxy, outer       string
		domain             string
		wantPath, wantBase string
	}{
		{"stage", "/{proxy+}", "/year/month", "year/month", "/prod/year/month", "x.execute-api.y", "/year/month", "/prod"},
		{"stage, root", "/", "/", "", "/prod/", "x.execute-api.y", "/", "/prod"},
		{"stage, root without a slash", "/", "/", "", "/prod", "x.execute-api.y", "/", "/prod"},
		{"stage, escapes differ", "/{proxy+}", "/a%2Fb/%C3%A9", "a/b/é", "/prod/a/b/é", "x.execute-api.y", "/a%2Fb/%C3%A9", "/prod"},
		{"stage, context without a path", "/{proxy+}", "/year", "year", "", "x.execute-api.y", "/year", "/prod"},
		{"custom domain at its root", "/{proxy+}", "/cmu/v2/year", "cmu/v2/year", "/cmu/v2/year", "reports.example.com", "/cmu/v2/year", ""},
		{"custom domain with a base", "/{proxy+}", "/reports/cmu/v2/year", "cmu/v2/year",
			"/reports/cmu/v2/year", "example.com", "/cmu/v2/year", "/reports"},
		{"base of two segments", "/{proxy+}", "/a/b/year/month/", "year/month", "/a/b/year/month/", "example.com", "/year/month/", "/a/b"},
		{"base before a fixed resource", "/cmu/v2/{path+}", "/reports/cmu/v2/year/a%2Fb", "",
			"/reports/cmu/v2/year/a%2Fb", "example.com", "/reports/cmu/v2/year/a%2Fb", ""},
		{"base before a fixed prefix", "/cmu/v2/{proxy+}", "/reports/cmu/v2/year/a%2Fb", "year/a%2Fb",
			"/reports/cmu/v2/year/a%2Fb", "example.com", "/cmu/v2/year/a%2Fb", "/reports"},
		{"base before a plain resource", "/status", "/reports/status", "", "/reports/status", "example.com", "/status", "/reports"},
		{"base before a parameter", "/jobs/{id}", "/reports/jobs/7", "", "/reports/jobs/7", "example.com", "/jobs/7", "/reports"},
		{"base and root resource", "/", "/reports", "", "/reports", "example.com", "/", "/reports"},
		{"another resource", "/status", "/reports/other", "", "/reports/other", "example.com", "/reports/other", ""},
		{"sam local: the context has the template", "/{proxy+}", "/year", "year", "/{proxy+}", "127.0.0.1:3000", "/year", ""},
		{"no way to a foreign host", "/{proxy+}", "//evil.example/year", "year", "//evil.example/year", "example.com", "/year", ""},
		{"decoded", "/{proxy+}", "/a b/é", "a b/é", "/prod/a b/é", "x.execute-api.y", "/a%20b/%C3%A9", "/prod"},
		{"decoded with a percent sign", "", "/100%/x", "", "", "", "/100%25/x", ""},
		{"decoded with a question mark", "", "/a?b#c", "", "", "", "/a%3Fb%23c", ""},
		{"decoded with something like an escape", "", "/a b%41", "", "", "", "/a%20b%2541", ""},
		{"ambiguous: taken as escaped", "", "/b%41", "", "", "", "/b%41", ""},
		{"escaped, with what clients leave raw", "", "/a|b%20c", "", "", "", "/a%7Cb%20c", ""},
		{"relative", "", "year", "", "", "", "/year", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := get(test.path)
			e["resource"] = test.resource
			e["pathParameters"] = object{"proxy": test.proxy}
			e["requestContext"] = object{"path": test.outer, "stage": "prod", "domainName": test.domain}
			invoke(t, func(w http.ResponseWriter, r *http.Request) {
				if got := r.URL.EscapedPath(); got != test.wantPath {
					t.Errorf("path %q; want %q", got, test.wantPath)
				}
				if got := lambdahttp.BasePath(r.Context()); got != test.wantBase {
					t.Errorf("base path %q; want %q", got, test.wantBase)
				}
			}, e)
		})
	}
}

// A report request reads the same whether it comes over plain HTTP or as an event.
func TestSameRequestAsOverHTTP(t *testing.T) {
	text := rapid.StringOfN(rapid.OneOf(rapid.RuneFrom([]rune("abc %+&=!/?#;,.:é語😀\"|~")), rapid.Rune()), 1, 8, -1)
	type pair struct {
		Name, Value string
		Bare        bool
	}
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
		var path string
		for _, s := range rapid.SliceOfN(text, 1, 4).Draw(t, "segments") {
			path += "/" + url.PathEscape(s)
		}
		var raw []string
		multi, single := map[string][]string{}, map[string]string{}
		repeated := false
		for _, p := range pairs.Draw(t, "pairs") {
			raw = append(raw, url.QueryEscape(p.Name)+"="+url.QueryEscape(p.Value))
			if p.Bare {
				raw[len(raw)-1] = url.QueryEscape(p.Name)
			}
			_, before := single[p.Name]
			repeated = repeated || before
			multi[p.Name] = append(multi[p.Name], p.Value)
			single[p.Name] = p.Value
		}
		direct := httptest.NewRequest("GET", path+"?"+strings.Join(raw, "&"), nil)
		want, wantErr := cmu.Parse(direct.URL.EscapedPath(), direct.URL.RawQuery)

		e := get(path)
		e["queryStringParameters"], e["multiValueQueryStringParameters"] = single, multi
		if !repeated && rapid.Bool().Draw(t, "single") {
			delete(e, "multiValueQueryStringParameters")
		}
		decoded, _ := url.PathUnescape(path)
		ambiguous := strings.Contains(strings.ToUpper(path), "%2F") || strings.Contains(decoded, "%") && !strings.Contains(decoded, " ")
		if !ambiguous && utf8.ValidString(decoded) && rapid.Bool().Draw(t, "decoded") {
			e["path"] = decoded
		}
		payload, _ := json.Marshal(e)
		called := false
		_, err := lambdahttp.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			called = true
			got, err := cmu.Parse(r.URL.EscapedPath(), r.URL.RawQuery)
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b cmu.Bound) bool { return a == b })); diff != "" || (err == nil) != (wantErr == nil) {
				t.Fatalf("%s?%s: %v, %v\n%s", r.URL.EscapedPath(), r.URL.RawQuery, wantErr, err, diff)
			}
		}), slog.New(slog.DiscardHandler)).Invoke(context.Background(), payload)
		if err != nil || !called {
			t.Fatalf("called %v, %v", called, err)
		}
	})
}

func TestAnswer(t *testing.T) {
	tests := []struct {
		name   string
		method string
		answer http.HandlerFunc
		want   events.APIGatewayProxyResponse
	}{
		{"nothing", "GET", func(w http.ResponseWriter, r *http.Request) {}, events.APIGatewayProxyResponse{StatusCode: 200}},
		{"text", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/csv")
			w.Header().Set("Content-Length", "8")
			w.Header()["Vary"] = []string{"Accept", "Accept-Encoding"}
			io.WriteString(w, "a\t\"é\"\n")
			io.WriteString(w, "\u2028\x00")
		}, events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": "text/csv"},
			MultiValueHeaders: map[string][]string{"Vary": {"Accept", "Accept-Encoding"}}, Body: "a\t\"é\"\n\u2028\x00"}},
		{"type found out", "GET", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "<html>") },
			events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": "text/html; charset=utf-8"}, Body: "<html>"}},
		{"not text", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "image/png")
			w.Write([]byte{0xff, 0xfe})
		}, events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": "image/png"}, Body: "//4=", IsBase64Encoded: true}},
		{"encoded, in pieces", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/csv")
			w.Header().Set("Content-Encoding", "gzip")
			for _, s := range []string{"a", "b", "", "cdefg", "h"} {
				io.WriteString(w, s)
			}
		}, events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"Content-Type": "text/csv", "Content-Encoding": "gzip"},
			Body: "YWJjZGVmZ2g=", IsBase64Encoded: true}},
		{"HEAD", "HEAD", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "5")
			w.Header().Set("Content-Type", "text/csv")
			if n, err := io.WriteString(w, "abcde"); n != 5 || err != nil {
				panic(err)
			}
		}, events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"Content-Length": "5", "Content-Type": "text/csv"}}},
		{"304", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"x"`)
			w.WriteHeader(304)
			if _, err := io.WriteString(w, "abc"); !errors.Is(err, http.ErrBodyNotAllowed) {
				panic(err)
			}
		}, events.APIGatewayProxyResponse{StatusCode: 304, Headers: map[string]string{"Etag": `"x"`}}},
		{"headers are fixed with the status", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</x>; rel=preload")
			w.WriteHeader(103)
			w.WriteHeader(404)
			w.WriteHeader(200)
			w.Header().Set("Link", "</y>")
			w.Header().Set("X-Late", "1")
		}, events.APIGatewayProxyResponse{StatusCode: 404, Headers: map[string]string{"Link": "</x>; rel=preload"}}},
		{"hop by hop", "GET", func(w http.ResponseWriter, r *http.Request) {
			for _, h := range []string{"Keep-Alive", "Transfer-Encoding", "Upgrade", "Te", "Trailer", "X-Mine", "X-Theirs"} {
				w.Header().Set(h, "x")
			}
			w.Header().Set("Connection", "close, x-mine")
		}, events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"X-Theirs": "x"}}},
		{"header values", "GET", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-A", "a\"\\é\r\nX-B: b")
			w.Header().Set("X-C", "\xff")
			w.Header()["X-D"] = nil
		}, events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"X-A": "a\"\\é  X-B: b", "X-C": "\ufffd"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, _ := invoke(t, test.answer, object{"httpMethod": test.method, "path": "/"})
			for _, m := range []*map[string]string{&test.want.Headers, &got.Headers} {
				if len(*m) == 0 {
					*m = nil
				}
			}
			if len(got.MultiValueHeaders) == 0 {
				got.MultiValueHeaders = nil
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Whatever is written, in whatever pieces, encoded or not, arrives as it is.
func TestBodyArrivesWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOfN(rapid.OneOf(rapid.SliceOfN(rapid.Byte(), 0, 9), rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) })), 0, 5).Draw(t, "pieces")
		encoded := rapid.Bool().Draw(t, "encoded")
		var want []byte
		_, got := invoke(t, func(w http.ResponseWriter, r *http.Request) {
			if encoded {
				w.Header().Set("Content-Encoding", "gzip")
			}
			for _, p := range pieces {
				want = append(want, p...)
				if n, err := w.Write(p); n != len(p) || err != nil {
					t.Fatal(n, err)
				}
				clear(p) // the writer may not keep what it was given
			}
		}, get("/"))
		if !bytes.Equal(want, got) {
			t.Fatalf("%q; want %q", got, want)
		}
	})
}

// What BodyLimit promises holds for any body, and beyond what fits the caller is told.
func TestSize(t *testing.T) {
	noise := make([]byte, limit)
	rand.NewChaCha8([32]byte{}).Read(noise)
	quotes := bytes.Repeat([]byte{'"'}, limit)
	plain := bytes.Repeat([]byte{'a'}, limit)
	promised := 0
	invoke(t, func(w http.ResponseWriter, r *http.Request) {
		var ok bool
		if promised, ok = lambdahttp.BodyLimit(r.Context()); !ok || promised < 4_600_000 {
			t.Fatalf("BodyLimit = %d, %v", promised, ok)
		}
	}, get("/"))
	tests := []struct {
		name     string
		encoding string
		body     []byte
		size     int
		piece    int
		want     int
	}{
		{"noise at the limit", "gzip", noise, promised, promised, 200},
		{"noise at the limit in pieces", "gzip", noise, promised, 32 << 10, 200},
		{"noise that does not fit", "gzip", noise, limit / 4 * 3, limit, 413},
		{"far too much noise, in pieces", "gzip", noise, limit, 32 << 10, 413},
		{"no encoding, not text", "", noise, promised, promised, 200},
		{"text that grows by escapes", "", quotes, promised, promised, 200},
		{"text past the limit that fits as text", "", plain, limit - 1000, limit, 200},
		{"text that does not fit", "", plain, limit, 1 << 20, 413},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer, got := invoke(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/octet-stream")
				if test.encoding != "" {
					w.Header().Set("Content-Encoding", test.encoding)
				}
				for p := test.body[:test.size]; len(p) > 0; {
					n := min(len(p), test.piece)
					if _, err := w.Write(p[:n]); err != nil {
						return
					}
					p = p[n:]
				}
			}, get("/"))
			if answer.StatusCode != test.want {
				t.Fatalf("status %d; want %d", answer.StatusCode, test.want)
			}
			if test.want == 200 && !bytes.Equal(got, test.body[:test.size]) {
				t.Error("the body differs")
			}
			if test.want != 200 {
				wantProblem(t, answer, got, "larger than")
			}
		})
	}
}

func wantProblem(t *testing.T, answer events.APIGatewayProxyResponse, body []byte, detail string) {
	t.Helper()
	var p struct {
		Title, Detail string
		Status        int
	}
	if err := json.Unmarshal(body, &p); err != nil {
		t.Fatal(err)
	}
	if answer.Headers["Content-Type"] != "application/problem+json" || p.Status != answer.StatusCode || p.Title == "" || !strings.Contains(p.Detail, detail) {
		t.Errorf("%v %s; want a problem that tells %q", answer.Headers, body, detail)
	}
}

func TestPanic(t *testing.T) {
	e := get("/")
	e["requestContext"] = object{"requestId": "r-7"}
	for _, started := range []bool{false, true} {
		var log strings.Builder
		answer, body := invokeLogged(t, func(w http.ResponseWriter, r *http.Request) {
			if started {
				w.Header().Set("Content-Encoding", "gzip")
				io.WriteString(w, "half an answer")
			}
			panic("the cause")
		}, e, &log)
		if answer.StatusCode != 500 || answer.Headers["Content-Encoding"] != "" {
			t.Errorf("status %d, headers %v", answer.StatusCode, answer.Headers)
		}
		wantProblem(t, answer, body, "r-7")
		if strings.Contains(string(body), "the cause") || strings.Contains(string(body), ".go") {
			t.Errorf("the caller is told %s", body)
		}
		if !strings.Contains(log.String(), "the cause") || !strings.Contains(log.String(), "lambdahttp_test.go") || !strings.Contains(log.String(), "r-7") {
			t.Errorf("the log tells %s", log.String())
		}
	}
	for _, status := range []int{0, 99, 1000} {
		answer, _ := invoke(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }, e)
		if answer.StatusCode != 500 {
			t.Errorf("WriteHeader(%d) is answered with %d", status, answer.StatusCode)
		}
	}
}

func TestBrokenBody(t *testing.T) {
	answer, body := invoke(t, func(http.ResponseWriter, *http.Request) { t.Error("called") },
		object{"httpMethod": "POST", "path": "/", "body": "!", "isBase64Encoded": true})
	if answer.StatusCode != 400 {
		t.Errorf("status %d", answer.StatusCode)
	}
	wantProblem(t, answer, body, "malformed")
}

func TestNotAnEvent(t *testing.T) {
	h := lambdahttp.New(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called") }), slog.New(slog.DiscardHandler))
	for payload, want := range map[string]string{
		`{}`:   "lacks httpMethod or path",
		`null`: "lacks httpMethod or path",
		`[]`:   "not an API Gateway REST proxy event",
		``:     "not an API Gateway REST proxy event",
		`{"source": "aws.scheduler", "detail": {}}`:                                                    "lacks httpMethod or path",
		`{"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "GET"}}}`:            "payload format 2.0",
		`{"httpMethod": "GET", "path": "/", "multiValueHeaders": {"Authorization": "Bearer to hide"}}`: "not an API Gateway REST proxy event",
	} {
		out, err := h.Invoke(context.Background(), []byte(payload))
		if out != nil || err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "Bearer") {
			t.Errorf("Invoke(%s) = %s, %v; want an error with %q", payload, out, err, want)
		}
	}
}

func TestContext(t *testing.T) {
	ctx := context.Background()
	if _, ok := lambdahttp.BodyLimit(ctx); ok || lambdahttp.BasePath(ctx) != "" {
		t.Error("a plain context tells of API Gateway")
	}
	deadline := time.Date(2100, 1, 2, 3, 4, 5, 0, time.UTC)
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	h := lambdahttp.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got, ok := r.Context().Deadline(); !ok || !got.Equal(deadline.Add(-500*time.Millisecond)) {
			t.Errorf("deadline %v, %v", got, ok)
		}
	}), slog.New(slog.DiscardHandler))
	if _, err := h.Invoke(ctx, []byte(`{"httpMethod": "GET", "path": "/"}`)); err != nil {
		t.Error(err)
	}
}

// A handler that waits until it is told to end still answers before Lambda's time is up.
func TestAnswerBeforeDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 29*time.Second)
		defer cancel()
		h := lambdahttp.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
			w.WriteHeader(http.StatusServiceUnavailable)
		}), slog.New(slog.DiscardHandler))
		out, err := h.Invoke(ctx, []byte(`{"httpMethod": "GET", "path": "/status"}`))
		if err != nil || !strings.Contains(string(out), "503") || ctx.Err() != nil {
			t.Errorf("%s, %v, %v", out, err, ctx.Err())
		}
	})
}

func FuzzInvoke(f *testing.F) {
	f.Add([]byte(`{"resource": "/{proxy+}", "path": "/a%2", "httpMethod": "GET", "headers": {"": ""}, "multiValueHeaders": {"a b": ["\n"]},
		"queryStringParameters": {"a!": "%"}, "pathParameters": {"proxy": "/"}, "requestContext": {"path": "/p", "identity": {"sourceIp": "x"}}, "body": "é"}`))
	f.Add([]byte(`{"resource": "{+}", "path": "", "httpMethod": "HEAD", "body": "=", "isBase64Encoded": true}`))
	f.Add([]byte(`{"resource": "///", "path": "//", "httpMethod": " ", "requestContext": {"path": "/", "domainName": ".execute-api."}}`))
	h := lambdahttp.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != r.URL.RawPath || !strings.HasPrefix(r.URL.Path, "/") {
			panic(fmt.Sprintf("path %q, raw %q", r.URL.Path, r.URL.RawPath))
		}
		if _, err := url.ParseQuery(r.URL.RawQuery); err != nil {
			panic(err)
		}
		if base := lambdahttp.BasePath(r.Context()); base != "" && (base[0] != '/' || base[len(base)-1] == '/' || strings.HasPrefix(base, "//")) {
			panic("base path " + base)
		}
		w.Header().Set("X-Path", r.URL.Path)
		io.Copy(w, r.Body)
	}), slog.New(slog.DiscardHandler))
	f.Fuzz(func(t *testing.T, payload []byte) {
		out, err := h.Invoke(t.Context(), payload)
		if err != nil {
			return
		}
		var answer events.APIGatewayProxyResponse
		if err := json.Unmarshal(out, &answer); err != nil || answer.StatusCode == 500 {
			t.Fatalf("%v: %s", err, out)
		}
	})
}

// BenchmarkEnvelope compares a large gzip body, written at once, with the same through encoding/json.
func BenchmarkEnvelope(b *testing.B) {
	body := make([]byte, 4<<20)
	rand.NewChaCha8([32]byte{}).Read(body)
	text := bytes.Repeat([]byte(`{"year":"2026","month":"7","mvpd":"Comcast","active-users":"205"},`), 4<<20/66)
	payload, _ := json.Marshal(get("/"))
	serve := func(b *testing.B, encoding string, body []byte) {
		h := lambdahttp.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if encoding != "" {
				w.Header().Set("Content-Encoding", encoding)
			}
			w.Write(body)
		}), slog.New(slog.DiscardHandler))
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := h.Invoke(context.Background(), payload); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("gzip", func(b *testing.B) { serve(b, "gzip", body) })
	b.Run("text", func(b *testing.B) { serve(b, "", text) })
	b.Run("small", func(b *testing.B) { serve(b, "gzip", body[:4<<10]) })
	b.Run("gzip through encoding-json", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			r := events.APIGatewayProxyResponse{StatusCode: 200, Headers: map[string]string{"Content-Encoding": "gzip"},
				Body: base64.StdEncoding.EncodeToString(body), IsBase64Encoded: true}
			if _, err := json.Marshal(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
