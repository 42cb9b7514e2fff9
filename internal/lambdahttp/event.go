package lambdahttp

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// event is the part of a REST proxy event that a request is made of, and what tells the events of others.
type event struct {
	Version           string              `json:"version"`
	Resource          string              `json:"resource"`
	Path              string              `json:"path"`
	HTTPMethod        string              `json:"httpMethod"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Query             map[string]string   `json:"queryStringParameters"`
	MultiValueQuery   map[string][]string `json:"multiValueQueryStringParameters"`
	PathParameters    map[string]string   `json:"pathParameters"`
	Body              string              `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
	RequestContext    struct {
		Path       string `json:"path"`
		Stage      string `json:"stage"`
		DomainName string `json:"domainName"`
		RequestID  string `json:"requestId"`
		Identity   struct {
			SourceIP string `json:"sourceIp"`
			APIKeyID string `json:"apiKeyId"`
		} `json:"identity"`

		ELB          any    `json:"elb"`          // of load balancers
		ConnectionID string `json:"connectionId"` // of WebSocket APIs
	} `json:"requestContext"`

	MethodARN  string `json:"methodArn"`   // of authorizers
	Records    []any  `json:"Records"`     // of queues, topics, streams, buckets and CloudFront
	DetailType string `json:"detail-type"` // of EventBridge
	RawPath    string `json:"raw_path"`    // of VPC Lattice
}

// check refuses the events of others by name: theirs look alike, and are encoded, and guarded, in other ways.
func (e *event) check() error {
	var sender string
	switch c := &e.RequestContext; {
	case c.ELB != nil:
		sender = "an Application Load Balancer"
	case strings.Contains(c.DomainName, ".lambda-url."):
		sender = "a function URL"
	case e.Version == "1.0" || e.Version == "2.0":
		sender = "an HTTP API (payload format " + e.Version + ")"
	case e.Version != "" && e.DetailType == "":
		sender = "something with payloads of a version"
	case c.ConnectionID != "":
		sender = "a WebSocket API"
	case e.MethodARN != "":
		sender = "an authorizer of an API"
	case len(e.Records) > 0:
		sender = "a queue, a topic, a stream, a bucket or CloudFront"
	case e.DetailType != "":
		sender = "EventBridge"
	case e.RawPath != "":
		sender = "VPC Lattice"
	case e.HTTPMethod == "" || e.Path == "":
		return errors.New("it lacks httpMethod or path; call this function through its API")
	default:
		return nil
	}
	return fmt.Errorf("it is that of %s, which is not spoken here; want a REST API of API Gateway", sender)
}

// request returns the request that the client sent, its URL below the base path. limit is what BodyLimit tells; zero: none. The error is
// fit for callers.
func (e *event) request(ctx context.Context, limit int) (*http.Request, error) {
	body := []byte(e.Body)
	if e.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(e.Body); err != nil {
			return nil, fmt.Errorf("the body is said to be base64 and is not: %w", err)
		}
	}
	path, base := e.paths()
	u := &url.URL{Path: decodedPath(path), RawPath: path, RawQuery: e.rawQuery()}
	header := e.header()
	host := header.Get("Host")
	if host == "" {
		host = e.RequestContext.DomainName
	}
	for _, name := range []string{"Host", "Content-Length", "Transfer-Encoding"} {
		header.Del(name)
	}
	req := &http.Request{
		Method: e.HTTPMethod, URL: u, RequestURI: u.RequestURI(), Host: host, Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		RemoteAddr: net.JoinHostPort(e.RequestContext.Identity.SourceIP, "0"),
		Body:       http.NoBody,
	}
	if len(body) > 0 {
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	return req.WithContext(context.WithValue(ctx, contextKey{}, facts{base, e.RequestContext.Identity.APIKeyID, limit})), nil
}

func (e *event) header() http.Header {
	h := make(http.Header, len(e.MultiValueHeaders)+1)
	for name, values := range e.MultiValueHeaders {
		for _, v := range values {
			h.Add(name, v)
		}
	}
	single := make(http.Header, len(e.Headers))
	for name, v := range e.Headers {
		single.Add(name, v)
	}
	for name, values := range single {
		if _, have := h[name]; !have {
			h[name] = values
		}
	}
	return h
}

// rawQuery encodes the parameters again, which API Gateway gives decoded. A parameter without a value arrives as an empty one,
// so that "x" comes out as "x=". The order of different names is lost on the way, and sorted here.
func (e *event) rawQuery() string {
	parameters := e.MultiValueQuery
	if len(parameters) == 0 {
		parameters = make(map[string][]string, len(e.Query))
		for name, v := range e.Query {
			parameters[name] = []string{v}
		}
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		values := parameters[name]
		if len(values) == 0 {
			values = []string{""}
		}
		for _, v := range values {
			if b.Len() > 0 {
				b.WriteByte('&')
			}
			b.WriteString(url.QueryEscape(name))
			b.WriteByte('=')
			b.WriteString(url.QueryEscape(v))
		}
	}
	return b.String()
}
