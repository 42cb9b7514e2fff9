package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// The instant that tests run at: a Tuesday in the data, at no round time of day.
var noon = time.Date(2026, 7, 21, 13, 47, 20, 0, time.UTC)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// rig is a sandbox with a token for it.
type rig struct {
	*Sandbox
	t     testing.TB
	clock *clock
	token string
}

func newRig(t testing.TB) *rig {
	c := &clock{t: noon}
	r := &rig{Sandbox: New(Options{Seed: 7, Now: c.now}), t: t, clock: c}
	r.login()
	return r
}

// login registers and gets a token.
func (r *rig) login() {
	r.t.Helper()
	id, secret := r.register()
	answer := r.post("/o/client/token", "application/x-www-form-urlencoded", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret},
	}.Encode())
	r.token = r.object(answer, http.StatusCreated)["access_token"].(string)
}

func (r *rig) register() (id, secret string) {
	r.t.Helper()
	answer := r.object(r.post("/o/client/register", "application/json", r.statementBody()), http.StatusCreated)
	return answer["client_id"].(string), answer["client_secret"].(string)
}

func (r *rig) statementBody() string {
	return fmt.Sprintf(`{"software_statement":%q,"redirect_uri":"https://www.adobe.com"}`, r.Statement())
}

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
	q := httptest.NewRequest(http.MethodGet, ReportsPath+pathAndQuery, nil)
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

// set changes the behaviour.
func (r *rig) set(f func(*Behaviour)) {
	r.t.Helper()
	if err := r.Change(f); err != nil {
		r.t.Fatal(err)
	}
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
