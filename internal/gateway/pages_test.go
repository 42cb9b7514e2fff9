package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/access"
)

func TestIndex(t *testing.T) {
	r := newRig(t, func(g *Gateway) { g.BasePath = func(context.Context) string { return "/live" } })
	got := r.ok("/")
	var index struct {
		Links   map[string]struct{ Href string } `json:"_links"`
		Version string
	}
	if err := json.Unmarshal([]byte(got.body), &index); err != nil || index.Version != "1.2.3" || len(index.Links) != 5 {
		t.Fatalf("%v %s", err, got.body)
	}
	for name, l := range index.Links {
		r.ok(strings.TrimPrefix(l.Href, "/live"))
		if !strings.HasPrefix(l.Href, "/live/") {
			t.Errorf("%s leads to %s", name, l.Href)
		}
	}
	page := r.ok("/", "Accept", "text/html")
	if !strings.Contains(page.body, `href="/live/status"`) || !strings.Contains(page.body, `src="/live/assets/`) || page.Header.Get("Content-Type") != "text/html; charset=utf-8" ||
		page.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("%v %s", page.Header, page.body)
	}
	if got := r.get("/", "Accept", "image/png"); got.StatusCode != http.StatusNotAcceptable {
		t.Error(got.StatusCode)
	}
	if got := r.get("/favicon.ico"); got.StatusCode != http.StatusNotFound || got.body != "" {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

func TestStatus(t *testing.T) {
	var accessErr error
	r := newRig(t, func(g *Gateway) {
		g.Instance = "one"
		g.Access = func(context.Context) (access.Status, error) { return access.Status{Summary: "fine"}, accessErr }
	})
	r.prove()
	r.ok(days)
	r.ok(days)
	r.clock.Add(90 * time.Second)
	var s Status
	summary := func() string { return s.Access.Summary }
	read := func() {
		t.Helper()
		got := r.ok("/status")
		s.Problems = nil
		if err := json.Unmarshal([]byte(got.body), &s); err != nil || got.Header.Get("Cache-Control") != "no-store" {
			t.Fatalf("%v %v", err, got.Header)
		}
	}
	read()
	if s.UptimeSeconds != 90 || s.Version != "1.2.3" || s.Instance != "one" || !s.Calendar.Proven || s.Calendar.Evidence == "" || s.Stored.Items == 0 ||
		s.Answers != (AnswersStatus{Memory: 1, Adobe: 1}) || s.AdobeCalls.Total < 1 || summary() != "fine" || len(s.Problems) != 0 {
		t.Errorf("%+v", s)
	}
	accessErr = errors.New("hush hush")
	r.store.Close()
	read()
	if len(s.Problems) != 2 || summary() != "fine" || !strings.Contains(r.log.String(), "hush hush") {
		t.Errorf("%+v", s)
	}
}

func TestPurge(t *testing.T) {
	r := newRig(t, func(g *Gateway) { g.Purge = true })
	r.ok(days)
	r.ok(days + "&format=csv")
	path, _, _ := strings.Cut(days, "?")
	for _, query := range []string{"start=2026-06", "end=2026-07", "limit=5"} {
		got := r.do(http.MethodDelete, path+"?"+query)
		if got.StatusCode != http.StatusBadRequest || !strings.Contains(got.body, "leave out start, end and limit.") {
			t.Errorf("%s: %d %s", query, got.StatusCode, got.body)
		}
	}
	if got := r.ok(days); !strings.Contains(got.Header.Get("Cache-Status"), "hit") {
		t.Error(got.Header.Get("Cache-Status"))
	}
	got := r.do(http.MethodDelete, path)
	if got.StatusCode != http.StatusOK || strings.Join(strings.Fields(got.body), "") != `{"deleted":1}` {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if got := r.ok(days); !strings.Contains(got.Header.Get("Cache-Status"), "fwd=miss") {
		t.Error(got.Header.Get("Cache-Status"))
	}
	if got := r.do(http.MethodPut, days); got.Header.Get("Allow") != "GET, HEAD, DELETE" {
		t.Errorf("%v", got.Header)
	}
	if got := r.do(http.MethodDelete, "/cmu/v2/a/../b"); got.StatusCode != http.StatusBadRequest {
		t.Error(got.StatusCode)
	}
	r.store.Close()
	r.log.Expect("purge failed")
	if got := r.do(http.MethodDelete, path); got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
}

// The description is of this API: every route, every header of our own and every code is in it, and every reference leads somewhere.
func TestOpenAPIDescribesTheHandler(t *testing.T) {
	r := newRig(t, func(g *Gateway) {
		g.BasePath, g.Purge, g.KeyInFront = func(context.Context) string { return "/live" }, true, true
	})
	got := r.ok("/openapi.json")
	var doc struct {
		OpenAPI string
		Info    struct{ Version string }
		Servers []struct{ URL string }
		Paths   map[string]map[string]json.RawMessage
	}
	var all map[string]any
	if err := errors.Join(json.Unmarshal([]byte(got.body), &doc), json.Unmarshal([]byte(got.body), &all)); err != nil {
		t.Fatal(err)
	}
	if doc.OpenAPI != "3.0.3" || doc.Info.Version != "1.2.3" || len(doc.Servers) != 1 || doc.Servers[0].URL != "/live" {
		t.Errorf("%+v", doc.Servers)
	}
	want := []string{reportsPath, reportsPath + "/{dimensions}"}
	for route := range pages {
		want = append(want, route)
	}
	for _, route := range want {
		for _, method := range []string{"get", "head"} {
			if doc.Paths[route][method] == nil {
				t.Errorf("%s %s is not described", method, route)
			}
		}
	}
	if len(doc.Paths) != len(want) {
		t.Errorf("%d paths are described, %d are there", len(doc.Paths), len(want))
	}
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if to, ok := v["$ref"].(string); ok {
				at := any(all)
				for name := range strings.SplitSeq(strings.TrimPrefix(to, "#/"), "/") {
					m, _ := at.(map[string]any)
					at = m[name]
				}
				if at == nil {
					t.Errorf("%s leads nowhere", to)
				}
			}
			for _, w := range v {
				walk(w)
			}
		case []any:
			for _, w := range v {
				walk(w)
			}
		}
	}
	walk(all)
	codes := codesInSource(t)
	described := any(all)
	for _, name := range []string{"components", "schemas", "Problem", "properties", "code", "enum"} {
		described = described.(map[string]any)[name]
	}
	var listed []string
	for _, c := range described.([]any) {
		listed = append(listed, c.(string))
	}
	if !slices.Equal(codes, listed) {
		t.Errorf("codes\n%q, described\n%q", codes, listed)
	}
	for _, name := range []string{headerIncomplete} {
		if !strings.Contains(got.body, `"`+name+`"`) {
			t.Errorf("%s is not described", name)
		}
	}
}

// What a gateway lacks is not described: no DELETE where it is off, no key where none is asked.
func TestOpenAPIDescribesThisGateway(t *testing.T) {
	for _, test := range []struct {
		change        func(*Gateway)
		keyed, delete bool
	}{
		{func(*Gateway) {}, false, false},
		{func(g *Gateway) { g.Purge = true }, false, true},
		{func(g *Gateway) { g.Key = teamKey }, true, false},
		{func(g *Gateway) { g.KeyInFront, g.Purge = true, true }, true, true},
	} {
		body := newRig(t, test.change).ok("/openapi.json", "x-api-key", teamKey).body
		for _, word := range []string{`"x-api-key"`, `"security"`, `"securitySchemes"`, `"401"`, "WWW-Authenticate"} {
			if strings.Contains(body, word) != test.keyed {
				t.Errorf("%s with a key %v: %v", word, test.keyed, !test.keyed)
			}
		}
		if strings.Contains(body, `"delete"`) != test.delete || strings.Contains(body, teamKey) || strings.Contains(body, "{version}") || strings.Contains(body, "{base}") {
			t.Errorf("delete %v: %.300s", test.delete, body)
		}
	}
}

// codesInSource returns the codes of all problems, sorted.
func codesInSource(t *testing.T) (codes []string) {
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if pair, ok := n.(*ast.KeyValueExpr); ok {
				if key, ok := pair.Key.(*ast.Ident); ok && key.Name == "Code" {
					codes = append(codes, strings.Trim(pair.Value.(*ast.BasicLit).Value, `"`))
				}
			}
			return true
		})
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}
