package lambdahttp

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// errUnauthorized has the words, all of them, by which API Gateway answers 401 instead of 500.
var errUnauthorized = errors.New("Unauthorized")

// maxKey is how long an API key may be.
const maxKey = 128

// Authorize answers the event of a REQUEST authorizer of a REST API whose key source is AUTHORIZER: the API key is the value of x-api-key, or else
// the password of HTTP Basic under any user name. Whether it is a key of the usage plan API Gateway finds out by itself. The error, for which it answers
// 401, means that there is none, or that DELETE is asked, for which no key is enough. Not ok: the event is another's, such as that of an HTTP or a WebSocket
// API. What callers send is never at the top level, where API Gateway writes methodArn for authorizers alone; a Handler refuses whatever has one.
//
// Source: Amazon API Gateway Developer Guide, input to and output from a Lambda authorizer; RFC 7617.
func Authorize(payload []byte) (answer []byte, ok bool, err error) {
	var a struct {
		Type string `json:"type"`
		event
	}
	if json.Unmarshal(payload, &a) != nil || a.Type != "REQUEST" || a.MethodARN == "" || a.Version != "" || a.RequestContext.ConnectionID != "" {
		return nil, false, nil
	}
	key, resource := a.key(), methodOf(a.MethodARN)
	if key == "" || resource == "" {
		return nil, true, errUnauthorized
	}
	answer, err = json.Marshal(events.APIGatewayCustomAuthorizerResponse{
		PrincipalID: "api-key",
		PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{
			Version:   "2012-10-17",
			Statement: []events.IAMPolicyStatement{{Effect: "Allow", Action: []string{"execute-api:Invoke"}, Resource: []string{resource}}},
		},
		UsageIdentifierKey: key,
	})
	return answer, true, err
}

// key returns what a request offers as API key; empty: nothing that could be one. The header counts first, as no page can have a browser send it.
func (e *event) key() string {
	r := http.Request{Header: e.header()}
	if keys := r.Header.Values("X-Api-Key"); len(keys) == 1 && mayBeKey(keys[0]) {
		return keys[0]
	}
	if _, password, ok := r.BasicAuth(); ok && len(r.Header.Values("Authorization")) == 1 && mayBeKey(password) {
		return password
	}
	return ""
}

func mayBeKey(s string) bool {
	return s != "" && len(s) <= maxKey && strings.IndexFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// methodOf widens the ARN of a method with its path, arn:PARTITION:execute-api:REGION:ACCOUNT:API/STAGE/METHOD/PATH, to all its paths: one of a caller's may
// hold what means something in a policy. It is empty for DELETE, and for what is no such ARN.
func methodOf(arn string) string {
	parts := strings.SplitN(arn, "/", 4)
	if len(parts) != 4 || !strings.HasPrefix(arn, "arn:") || !strings.Contains(parts[0], ":execute-api:") || parts[2] == http.MethodDelete {
		return ""
	}
	return strings.Join(parts[:3], "/") + "/*"
}
