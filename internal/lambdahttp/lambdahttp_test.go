package lambdahttp_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/lambdahttp"
	"cmu-gateway/internal/rig"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

const limit = 6_291_556

var _ lambda.Handler = (*lambdahttp.Handler)(nil)

// T is what tests and property tests have in common.
type T interface {
	rig.TB
	Error(...any)
	Fatal(...any)
	Fatalf(string, ...any)
}

// invoke sends an event and returns the answer as API Gateway reads it.
func invoke(t T, h http.HandlerFunc, e any) (events.APIGatewayProxyResponse, []byte) {
	t.Helper()
	return invokeLogged(t, h, e, rig.NewLog(t))
}

func invokeLogged(t T, h http.HandlerFunc, e any, log *rig.Log) (events.APIGatewayProxyResponse, []byte) {
	t.Helper()
	payload, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	out, err := lambdahttp.New(h, log.Logger).Invoke(context.Background(), payload)
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
		log := rig.NewLog(t)
		log.Expect("msg=panic event=panic cause=\"the cause\"")
		answer, body := invokeLogged(t, func(w http.ResponseWriter, r *http.Request) {
			if started {
				w.Header().Set("Content-Encoding", "gzip")
				io.WriteString(w, "half an answer")
			}
			panic("the cause")
		}, e, log)
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
		log := rig.NewLog(t)
		log.Expect("msg=panic")
		answer, _ := invokeLogged(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) }, e, log)
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
	log := rig.NewLog(t)
	log.Expect("event=event_refused")
	h := lambdahttp.New(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called") }), log.Logger)
	for payload, want := range map[string]string{
		`{}`:   "lacks httpMethod or path",
		`null`: "lacks httpMethod or path",
		`[]`:   "not an API Gateway REST proxy event",
		``:     "not an API Gateway REST proxy event",
		`{"source": "aws.scheduler", "detail": {}}`:                                                                                        "lacks httpMethod or path",
		`{"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "GET"}}}`:                                                "payload format 2.0",
		`{"version": "2.0", "rawPath": "/", "requestContext": {"domainName": "x.lambda-url.us-east-1.on.aws", "http": {"method": "GET"}}}`: "a function URL",
		// A load balancer's query is encoded once more, and it guards no method.
		`{"requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-2:1:targetgroup/lambda/1"}}, "httpMethod": "GET",
			"path": "/cmu/v2/year", "queryStringParameters": {"mvpd": "A%20B"}}`: "an Application Load Balancer",
		`{"version": "1.0", "resource": "/", "path": "/cmu/v2", "httpMethod": "DELETE", "requestContext": {"stage": "$default", "resourceId": null}}`: "an HTTP API (payload format 1.0)",
		`{"version": "3.0", "path": "/", "httpMethod": "GET"}`:                                                              "something with payloads of a version",
		`{"requestContext": {"connectionId": "c=", "routeKey": "$default"}, "path": "/", "httpMethod": "GET"}`:              "a WebSocket API",
		`{"type": "REQUEST", "methodArn": "arn:aws:execute-api:x", "path": "/", "httpMethod": "GET", "requestContext": {}}`: "an authorizer",
		`{"Records": [{"cf": {"request": {"uri": "/"}}}]}`:                                                                  "CloudFront",
		`{"version": "0", "detail-type": "Scheduled Event", "detail": {}}`:                                                  "EventBridge",
		`{"raw_path": "/cmu/v2/year", "method": "GET", "headers": {}}`:                                                      "VPC Lattice",
		`{"httpMethod": "GET", "path": "/", "multiValueHeaders": {"Authorization": "Bearer to hide"}}`:                      "not an API Gateway REST proxy event",
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
	}), rig.NewLog(t).Logger)
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
		}), rig.NewLog(t).Logger)
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
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	})
	f.Fuzz(func(t *testing.T, payload []byte) {
		log := rig.NewLog(t)
		log.Allow("event=event_refused")
		log.Allow("does not fit")
		out, err := lambdahttp.New(echo, log.Logger).Invoke(t.Context(), payload)
		if err != nil {
			return
		}
		var answer events.APIGatewayProxyResponse
		if err := json.Unmarshal(out, &answer); err != nil || answer.StatusCode == 500 {
			t.Fatalf("%v: %s", err, out)
		}
	})
}
