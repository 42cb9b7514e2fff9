package sandbox_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"cmu-gateway/internal/sandbox"

	"github.com/google/go-cmp/cmp"
)

func TestControl(t *testing.T) {
	r := newRig(t)
	ask := func(method, path, body string) *httptest.ResponseRecorder {
		return r.do(httptest.NewRequest(method, "/_sandbox"+path, strings.NewReader(body)))
	}
	help := ask("GET", "/", "").Body.String()
	for f := range reflect.TypeFor[sandbox.Behaviour]().Fields() {
		if f.IsExported() && (f.Tag.Get("doc") == "" || !strings.Contains(help, f.Tag.Get("json")+" ")) {
			t.Errorf("%s is not documented", f.Name)
		}
	}
	if ask("GET", "/statement", "").Body.String() != r.Statement() {
		t.Error("another statement")
	}
	if other := ask("GET", "/statement?tenant=GLOBEX", "").Body.String(); other == r.Statement() || strings.Count(other, ".") != 2 {
		t.Errorf("the statement of another tenant: %s", other)
	}
	if w := ask("GET", "/statement?tenant=HOOLI", ""); w.Code != 404 || !strings.Contains(w.Body.String(), "there are ACME, GLOBEX, INITECH") {
		t.Errorf("the statement of nobody: %d %s", w.Code, w.Body)
	}
	var counts sandbox.Counts
	if err := json.Unmarshal(ask("GET", "/stats", "").Body.Bytes(), &counts); err != nil || counts != r.Counts() || counts.Register != 1 {
		t.Errorf("stats: %v %+v", err, counts)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		in                 string
	}{
		{"PUT", "/behaviour", `{"default_limit": 5, "faults": [{"kind": "cut", "on": "token", "count": 3}]}`, 200, `"default_limit": 5`},
		{"PATCH", "/behaviour", `{"json_numbers": true, "faults": [{"kind": "hang", "on": "token"}]}`, 200, `"json_numbers": true`},
		{"GET", "/behaviour", "", 200, `"default_limit": 5`},
		{"PATCH", "/behaviour", `{"defualt_limit": 5}`, 400, `unknown field "defualt_limit"; the fields are: latency_ms, `},
		{"PATCH", "/behaviour", `{"faults": [{"kind": "cut", "colour": "red"}]}`, 400, `unknown field "colour"`},
		{"PATCH", "/behaviour", `{"zone": "Mars"}`, 400, "zone"},
		{"PATCH", "/behaviour", `[]`, 400, "want a JSON object"},
		{"PUT", "/behaviour", `{"default_limit": "5"}`, 400, "default_limit"},
		{"DELETE", "/behaviour", ``, 405, ""},
		{"GET", "/revoke-tokens", "", 405, ""},
		{"POST", "/stats", "", 405, ""},
		{"GET", "/nowhere", "", 404, "/_sandbox/"},
		{"POST", "/reset-stats", "", 204, ""},
		{"POST", "/refuse-statements", "", 204, ""},
	} {
		if w := ask(c.method, c.path, c.body); w.Code != c.status || !strings.Contains(w.Body.String(), c.in) {
			t.Errorf("%s %s %s: %d %s, want %d with %q", c.method, c.path, c.body, w.Code, w.Body, c.status, c.in)
		}
	}
	if diff := cmp.Diff([]sandbox.Fault{{On: "token", Kind: "hang", After: 100}}, r.Behaviour().Faults); diff != "" {
		t.Errorf("faults after a patch:\n%s", diff)
	}
	if r.Counts() != (sandbox.Counts{}) {
		t.Errorf("after reset: %+v", r.Counts())
	}
	o := r.object(r.post("/o/client/register", "application/json", r.statementBody()), http.StatusBadRequest)
	if o["error"] != "unapproved_software_statement" {
		t.Errorf("refused statement: %v", o)
	}
	ask("POST", "/accept-statements", "")
	ask("PUT", "/behaviour", "{}")
	r.login()
	ask("POST", "/revoke-tokens", "")
	if w := r.get("/year"); w.Code != 401 {
		t.Errorf("after revoke-tokens: %d", w.Code)
	}
	id, secret := r.register()
	ask("POST", "/revoke-clients", "")
	if w := r.post("/o/client/token", form, tokenQuery(id, secret)); w.Code != 400 {
		t.Errorf("after revoke-clients: %d", w.Code)
	}
}
