package lambdahttp_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"pgregory.net/rapid"

	"cmu-gateway/internal/lambdahttp"
	"cmu-gateway/internal/rig"
)

const (
	apiKey = "a-key-of-twenty-chars"
	method = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/live/GET/cmu/v2/tenant/year"
)

func login(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// asked is the event by which API Gateway asks whether a request may pass.
func asked(arn string, headers http.Header) map[string]any {
	last := map[string]string{}
	for name, values := range headers {
		last[name] = values[len(values)-1]
	}
	return map[string]any{"type": "REQUEST", "methodArn": arn, "resource": "/{proxy+}", "path": "/cmu/v2/tenant/year", "httpMethod": "GET", "headers": last,
		"multiValueHeaders": headers, "queryStringParameters": map[string]string{"x-api-key": apiKey}, "requestContext": map[string]any{"requestId": "r-1"}}
}

func authorize(t testing.TB, event any) (answer []byte, ok bool, err error) {
	t.Helper()
	payload, marshalErr := json.Marshal(event)
	if marshalErr != nil {
		t.Fatal(marshalErr)
	}
	return lambdahttp.Authorize(payload)
}

// Which key a request is said to have. API Gateway looks it up in the usage plan.
func TestAuthorize(t *testing.T) {
	long := strings.Repeat("k", 128)
	for name, test := range map[string]struct {
		headers http.Header
		want    string // empty: 401
	}{
		"nothing":                          {http.Header{}, ""},
		"the header":                       {http.Header{"x-api-key": {apiKey}}, apiKey},
		"the header in other letters":      {http.Header{"X-API-KEY": {apiKey}}, apiKey},
		"a login":                          {http.Header{"Authorization": {login("anybody", apiKey)}}, apiKey},
		"a login in other letters":         {http.Header{"AUTHORIZATION": {"bAsIc" + login("anybody", apiKey)[5:]}}, apiKey},
		"a login without a user":           {http.Header{"Authorization": {login("", apiKey)}}, apiKey},
		"a password with a colon":          {http.Header{"Authorization": {login("anybody", "a:b")}}, "a:b"},
		"both: the header counts":          {http.Header{"x-api-key": {"other"}, "Authorization": {login("anybody", apiKey)}}, "other"},
		"an empty header and a login":      {http.Header{"x-api-key": {""}, "Authorization": {login("anybody", apiKey)}}, apiKey},
		"a header with a space, a login":   {http.Header{"x-api-key": {"a b"}, "Authorization": {login("anybody", apiKey)}}, apiKey},
		"two headers":                      {http.Header{"x-api-key": {apiKey, apiKey}}, ""},
		"two headers, spelled differently": {http.Header{"x-api-key": {apiKey}, "X-Api-Key": {"other"}}, ""},
		"two logins":                       {http.Header{"Authorization": {login("a", apiKey), login("b", apiKey)}}, ""},
		"an empty password":                {http.Header{"Authorization": {login("anybody", "")}}, ""},
		"the key as user":                  {http.Header{"Authorization": {login(apiKey, "")}}, ""},
		"no colon":                         {http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(apiKey))}}, ""},
		"no base64":                        {http.Header{"Authorization": {"Basic " + apiKey + "!"}}, ""},
		"no scheme":                        {http.Header{"Authorization": {apiKey}}, ""},
		"a scheme alone":                   {http.Header{"Authorization": {"Basic"}}, ""},
		"another scheme":                   {http.Header{"Authorization": {"Bearer " + apiKey}}, ""},
		"as long as keys are":              {http.Header{"x-api-key": {long}}, long},
		"longer":                           {http.Header{"x-api-key": {long + "k"}}, ""},
		"a longer password":                {http.Header{"Authorization": {login("anybody", long+"k")}}, ""},
		"a very long one":                  {http.Header{"Authorization": {login(strings.Repeat("u", 1<<20), strings.Repeat("k", 1<<20))}}, ""},
		"control characters":               {http.Header{"Authorization": {login("anybody", "a\nb")}}, ""},
		"other letters":                    {http.Header{"Authorization": {login("anybody", "schlüssel")}}, ""},
		"the proxy's header":               {http.Header{"Proxy-Authorization": {login("anybody", apiKey)}}, ""},
	} {
		answer, ok, err := authorize(t, asked(method, test.headers))
		if !ok {
			t.Errorf("%s: it is said to be another's", name)
			continue
		}
		if test.want == "" {
			// API Gateway answers 401 to these very words, 500 to any other.
			if err == nil || err.Error() != "Unauthorized" || answer != nil {
				t.Errorf("%s: %s, %v", name, answer, err)
			}
			continue
		}
		var got events.APIGatewayCustomAuthorizerResponse
		if err != nil || json.Unmarshal(answer, &got) != nil {
			t.Errorf("%s: %s, %v", name, answer, err)
			continue
		}
		p := got.PolicyDocument
		if got.UsageIdentifierKey != test.want || got.PrincipalID == "" || strings.Contains(got.PrincipalID, test.want) || len(got.Context) > 0 {
			t.Errorf("%s: %s", name, answer)
		}
		if p.Version != "2012-10-17" || len(p.Statement) != 1 || p.Statement[0].Effect != "Allow" || len(p.Statement[0].Action) != 1 ||
			p.Statement[0].Action[0] != "execute-api:Invoke" || p.Statement[0].Resource[0] != "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/live/GET/*" {
			t.Errorf("%s: %s", name, answer)
		}
	}
	// The header stands in the map of single values alone.
	event := asked(method, http.Header{"x-api-key": {apiKey}})
	delete(event, "multiValueHeaders")
	if answer, ok, err := authorize(t, event); !ok || err != nil || !strings.Contains(string(answer), apiKey) {
		t.Errorf("%s, %v, %v", answer, ok, err)
	}
}

// A key is enough for its own API, stage and method, whatever the path holds, and never for DELETE.
func TestAuthorizedMethod(t *testing.T) {
	const api = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/live/"
	for arn, want := range map[string]string{
		api + "GET/":                          api + "GET/*",
		api + "HEAD/a*b?c${aws:username}/d:e": api + "HEAD/*",
		api + "POST/x":                        api + "POST/*",
		"arn:aws-cn:execute-api:cn-north-1:123456789012:a1/s/GET/x": "arn:aws-cn:execute-api:cn-north-1:123456789012:a1/s/GET/*",
		api + "DELETE/cmu/v2": "",
		api + "DELETE/":       "",
		api + "GET":           "",
		"*":                   "",
		"arn:aws:lambda:us-east-1:123456789012:function/a/GET/x": "",
	} {
		answer, ok, err := authorize(t, asked(arn, http.Header{"x-api-key": {apiKey}}))
		if !ok || (err == nil) != (want != "") || want != "" && !strings.Contains(string(answer), `"Resource":["`+want+`"]`) {
			t.Errorf("%s: %s, %v, %v", arn, answer, ok, err)
		}
	}
}

// An event is that of an authorizer or a request, never both, whatever the caller sends.
func TestAuthorizerEventIsNoRequest(t *testing.T) {
	for _, event := range []string{"", "null", "{}", "[]", `{"type":"REQUEST"}`, `{"methodArn":"` + method + `"}`, `{"type":"TOKEN","authorizationToken":"x","methodArn":"` + method + `"}`,
		`{"type":["REQUEST"],"methodArn":"` + method + `"}`, `{"cmu-gateway":"warm"}`,
		`{"version":"1.0","type":"REQUEST","methodArn":"` + method + `","headers":{"x-api-key":"k"}}`, `{"version":"2.0","type":"REQUEST","routeArn":"` + method + `"}`,
		`{"type":"REQUEST","methodArn":"` + method + `","headers":{"x-api-key":"k"},"requestContext":{"connectionId":"c"}}`} {
		if answer, ok, err := lambdahttp.Authorize([]byte(event)); ok || answer != nil || err != nil {
			t.Errorf("%s: %s, %v", event, answer, err)
		}
	}
	for _, name := range []string{"query", "query-csv", "query-filter", "query-head", "status", "refresh", "register"} {
		event, err := os.ReadFile("../../events/" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if _, ok, _ := lambdahttp.Authorize(event); ok {
			t.Errorf("%s is taken for an authorizer's", name)
		}
	}
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"type", "REQUEST", "methodArn", "Type", "METHODARN", method, `","type":"REQUEST","methodArn":"` + method,
		`{"type":"REQUEST","methodArn":"` + method + `"}`}))
	rapid.Check(t, func(t *rapid.T) {
		sent := rapid.MapOfN(text, rapid.SliceOfN(text, 1, 2), 0, 4).Draw(t, "headers")
		last := map[string]string{}
		for name, values := range sent {
			last[name] = values[len(values)-1]
		}
		path := "/" + text.Draw(t, "path")
		event := map[string]any{"resource": "/{proxy+}", "path": path, "httpMethod": "GET", "headers": last, "multiValueHeaders": sent, "queryStringParameters": last,
			"multiValueQueryStringParameters": sent, "pathParameters": map[string]string{"proxy": path}, "stageVariables": nil,
			"requestContext": map[string]any{"path": "/live" + path, "requestId": "r-1", "identity": map[string]any{"userAgent": text.Draw(t, "agent")}},
			"body":           text.Draw(t, "body"), "isBase64Encoded": false}
		payload, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok, _ := lambdahttp.Authorize(payload); ok {
			t.Fatalf("taken for an authorizer's: %s", payload)
		}
	})
	log := rig.NewLog(t)
	log.Expect("event_refused")
	h := lambdahttp.New(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("an authorizer's event is taken for a request") }), log.Logger)
	payload, err := json.Marshal(asked(method, http.Header{"x-api-key": {apiKey}}))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := h.Invoke(t.Context(), payload); err == nil {
		t.Errorf("%s", out)
	}
	if strings.Contains(log.String(), apiKey) {
		t.Error("the log has the key")
	}
}

func BenchmarkAuthorize(b *testing.B) {
	event, err := os.ReadFile("../../events/authorizer.json")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, ok, err := lambdahttp.Authorize(event); !ok || err != nil {
			b.Fatal(ok, err)
		}
	}
}
