package lambdahttp_test

import (
	"net/http"
	"testing"

	"cmu-gateway/internal/lambdahttp"
)

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
