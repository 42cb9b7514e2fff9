package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	testrig "cmu-gateway/internal/rig"
	"cmu-gateway/internal/sandbox"
)

// rig is a sandbox with a token for it.
type rig struct {
	*testrig.Adobe
	t     testing.TB
	clock *testrig.Clock
	token string
}

func newRig(t testing.TB) *rig { return newSeededRig(t, 7) }

func newSeededRig(t testing.TB, seed uint64) *rig {
	t.Helper()
	c := &testrig.Clock{}
	r := &rig{Adobe: testrig.Serve(t, sandbox.New(sandbox.Options{Seed: seed, Now: c.Now}), c), t: t, clock: c}
	r.token = string(r.Token.Value)
	return r
}

// login registers and gets a token.
func (r *rig) login() {
	r.t.Helper()
	r.Login()
	r.token = string(r.Token.Value)
}

func (r *rig) register() (id, secret string) {
	r.t.Helper()
	answer := r.object(r.post("/o/client/register", "application/json", r.statementBody()), http.StatusCreated)
	return answer["client_id"].(string), answer["client_secret"].(string)
}

func (r *rig) statementBody() string {
	return fmt.Sprintf(`{"software_statement":%q,"redirect_uri":"https://www.adobe.com"}`, r.Statement())
}

// client calls the sandbox over HTTP.
func (r *rig) client() *http.Client { return &http.Client{Transport: r.Client.Transport} }

func (r *rig) do(q *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r.ServeHTTP(w, q)
	return w
}

func (r *rig) post(path, media, body string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	if media != "" {
		q.Header.Set("Content-Type", media)
	}
	return r.do(q)
}

// get asks for a report.
func (r *rig) get(pathAndQuery string) *httptest.ResponseRecorder {
	q := httptest.NewRequest(http.MethodGet, sandbox.ReportsPath+pathAndQuery, nil)
	q.Header.Set("Authorization", "Bearer "+r.token)
	return r.do(q)
}

func (r *rig) object(w *httptest.ResponseRecorder, status int) map[string]any {
	r.t.Helper()
	if w.Code != status {
		r.t.Fatalf("status %d, want %d: %.300s", w.Code, status, w.Body)
	}
	var o map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &o); err != nil {
		r.t.Fatalf("%v in %.300s", err, w.Body)
	}
	return o
}

// nobody takes an answer and keeps nothing of it.
type nobody struct{ header http.Header }

func (w *nobody) Header() http.Header         { return w.header }
func (w *nobody) Write(p []byte) (int, error) { return len(p), nil }
func (w *nobody) WriteHeader(int)             {}

type link struct {
	Href string `json:"href"`
	Name string `json:"name"`
}

// report is a JSON report.
type report struct {
	Links struct {
		Self      link            `json:"self"`
		RollUp    *link           `json:"roll-up"`
		DrillDown json.RawMessage `json:"drill-down"`
	} `json:"_links"`
	Rows []map[string]string `json:"report"`
}

func (r *rig) report(pathAndQuery string) report {
	r.t.Helper()
	w := r.get(pathAndQuery)
	if w.Code != http.StatusOK {
		r.t.Fatalf("%s: status %d: %.300s", pathAndQuery, w.Code, w.Body)
	}
	var p report
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		r.t.Fatalf("%s: %v", pathAndQuery, err)
	}
	return p
}

func (p report) down(t testing.TB) []link {
	t.Helper()
	if p.Links.DrillDown == nil {
		return nil
	}
	var many []link
	if json.Unmarshal(p.Links.DrillDown, &many) == nil {
		return many
	}
	var one link
	if err := json.Unmarshal(p.Links.DrillDown, &one); err != nil {
		t.Fatal(err)
	}
	return []link{one}
}
