package sandbox_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	testrig "cmu-gateway/internal/rig"
	"cmu-gateway/internal/sandbox"

	"github.com/golang-jwt/jwt/v5"
)

const form = "application/x-www-form-urlencoded"

func tokenQuery(id, secret string) string {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}}.Encode()
}

func TestStatement(t *testing.T) {
	r := newRig(t)
	c := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(r.Statement(), c); err != nil {
		t.Fatal(err)
	}
	if c["iss"] != "auth.adobe.com" || len(c["sub"].(string)) != 36 || c["iat"] == nil || c["nbf"] == nil || c["exp"] != nil {
		t.Errorf("claims: %v", c)
	}
	if sandbox.New(sandbox.Options{Seed: 7}).Statement() != r.Statement() {
		t.Error("the same seed gives another statement")
	}
}

// Another tenant's statement is another licence: its reports are of that tenant, as its token says, also at a sandbox that began anew.
func TestTwoLicences(t *testing.T) {
	r := newRig(t)
	own := r.get("/year/month?start=2026-01&end=2026-02").Body.String()
	if _, err := r.StatementOf("HOOLI"); err == nil {
		t.Error("there is a statement of nobody")
	}
	if own, err := r.StatementOf("ACME"); err != nil || own != r.Statement() {
		t.Error("the own tenant has another statement")
	}
	ids := map[any]bool{}
	for _, tenant := range []string{"ACME", "GLOBEX", "INITECH"} {
		statement, err := r.StatementOf(tenant)
		if err != nil {
			t.Fatal(err)
		}
		c := jwt.MapClaims{}
		if _, _, err := jwt.NewParser().ParseUnverified(statement, c); err != nil || ids[c["sub"]] {
			t.Errorf("%s: software %v, %v", tenant, c["sub"], err)
		}
		ids[c["sub"]] = true
		client := r.object(r.post("/o/client/register", "application/json", fmt.Sprintf(`{"software_statement":%q}`, statement)), http.StatusCreated)
		token := r.object(r.post("/o/client/token", form, tokenQuery(client["client_id"].(string), client["client_secret"].(string))), http.StatusCreated)
		r.token = token["access_token"].(string)
		got := r.get("/year/month?start=2026-01&end=2026-02").Body.String()
		if !strings.Contains(got, "?tenant="+tenant) || (got == own) != (tenant == "ACME") {
			t.Errorf("%s gets %s", tenant, got)
		}
	}
}

func TestRegister(t *testing.T) {
	r := newRig(t)
	w := r.post("/o/client/register", "application/json", r.statementBody())
	o := r.object(w, http.StatusCreated)
	if o["client_id_issued_at"] != float64(testrig.Tuesday.UnixMilli()) || o["client_secret_expires_at"] != nil || o["software_statement"] != nil ||
		fmt.Sprint(o["redirect_uris"]) != "[https://www.adobe.com]" || fmt.Sprint(o["grant_types"]) != "[client_credentials]" ||
		!strings.Contains(fmt.Sprint(o["scopes"]), "cmu:analytics:client cmu:billing:client") {
		t.Errorf("answer: %v", o)
	}
	if len(w.Result().Cookies()) != 2 {
		t.Errorf("cookies: %v", w.Result().Cookies())
	}
	other := sandbox.New(sandbox.Options{Seed: 8}).Statement()
	for _, c := range []struct{ media, body, want string }{
		{"application/json", `{`, "invalid_request"},
		{"application/json", `{}`, "invalid_request"},
		{form, r.statementBody(), "invalid_request"},
		{"application/json", fmt.Sprintf(`{"software_statement":%q,"redirect_uri":"adobe"}`, r.Statement()), "invalid_redirect_uri"},
		{"application/json", `{"software_statement":"a.b.c"}`, "invalid_software_statement"},
		{"application/json", fmt.Sprintf(`{"software_statement":%q}`, r.Statement()+"\n"), "invalid_software_statement"},
		{"application/json", fmt.Sprintf(`{"software_statement":%q}`, other), "invalid_software_statement"},
		{"application/json", fmt.Sprintf(`{"software_statement":%q}`, r.token), "invalid_software_statement"},
	} {
		r.clock.Add(time.Second)
		if o := r.object(r.post("/o/client/register", c.media, c.body), http.StatusBadRequest); o["error"] != c.want {
			t.Errorf("%.60s: %v, want %s", c.body, o, c.want)
		}
	}
	if c := r.Counts(); c.Register != 10 || c.Registered != 2 {
		t.Errorf("counts: %+v", c)
	}
}

func TestRegisterBehaviours(t *testing.T) {
	r := newRig(t)
	r.Behave(func(b *sandbox.Behaviour) {
		b.RegisterStatus, b.IssuedAtSeconds, b.ClientLifeSeconds, b.Scopes, b.NoThrottle = 200, true, 60, []string{"config:client"}, true
	})
	o := r.object(r.post("/o/client/register", "application/json", r.statementBody()), http.StatusOK)
	if o["client_id_issued_at"] != float64(testrig.Tuesday.Unix()) || o["client_secret_expires_at"] != float64(testrig.Tuesday.Unix()+60) ||
		fmt.Sprint(o["scopes"]) != "[config:client]" {
		t.Errorf("answer: %v", o)
	}
	credentials := tokenQuery(o["client_id"].(string), o["client_secret"].(string))
	r.clock.Add(59 * time.Second)
	r.token = r.object(r.post("/o/client/token", form, credentials), http.StatusCreated)["access_token"].(string)
	if w := r.get("/year"); w.Code != http.StatusForbidden {
		t.Errorf("a report without its scope: status %d", w.Code)
	}
	r.Behave(func(b *sandbox.Behaviour) { b.IgnoreScopes = true })
	if w := r.get("/year"); w.Code != http.StatusOK {
		t.Errorf("a report whose scope is ignored: status %d", w.Code)
	}
	r.clock.Add(time.Second)
	if o := r.object(r.post("/o/client/token", form, credentials), http.StatusBadRequest); o["error"] != "invalid_client" {
		t.Errorf("an expired client: %v", o)
	}
	r.Behave(func(b *sandbox.Behaviour) { b.ClientLifeSeconds, b.SecretNeverExpires = 0, true })
	o = r.object(r.post("/o/client/register", "application/json", r.statementBody()), http.StatusOK)
	if o["client_secret_expires_at"] != float64(0) {
		t.Errorf("a secret that never expires: %v", o)
	}
	r.Behave(func(b *sandbox.Behaviour) { b.RequireDeviceInfo, b.RequireRedirectURI = true, true })
	register := func(device, body string) any {
		q := httptest.NewRequest(http.MethodPost, "/o/client/register", strings.NewReader(body))
		q.Header.Set("Content-Type", "application/json")
		q.Header.Set("X-Device-Info", device)
		return r.object(r.do(q), http.StatusBadRequest)["error"]
	}
	device := base64.StdEncoding.EncodeToString([]byte(`{"model":"server"}`))
	if got := register("", r.statementBody()); got != "invalid_request" {
		t.Errorf("without device: %v", got)
	}
	if got := register(device[1:], r.statementBody()); got != "invalid_request" {
		t.Errorf("with a broken device: %v", got)
	}
	if got := register(device, fmt.Sprintf(`{"software_statement":%q}`, r.Statement())); got != "invalid_redirect_uri" {
		t.Errorf("without redirect URI: %v", got)
	}
}

func TestToken(t *testing.T) {
	r := newRig(t)
	id, secret := r.register()
	good := tokenQuery(id, secret)
	o := r.object(r.post("/o/client/token", form, good), http.StatusCreated)
	c := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(o["access_token"].(string), c); err != nil {
		t.Fatal(err)
	}
	if o["created_at"] != float64(testrig.Tuesday.UnixMilli()) || o["expires_in"] != float64(21600) || o["token_type"] != "bearer" || o["id"] == "" ||
		c["sub"] != id || c["iss"] != "auth.adobe.com" || c["exp"] != float64(testrig.Tuesday.Unix()+21600) || c["iat"] == nil || c["nbf"] == nil ||
		!strings.Contains(c["scopes"].(string), "tokens:client,cmu:analytics:client") {
		t.Errorf("answer %v\nclaims %v", o, c)
	}
	for _, q := range []struct{ name, url, media, body, authorization, want string }{
		{"query, JSON type", "?" + good, "application/json", "", "", ""},
		{"query, no type", "?" + good, "", "", "", ""},
		{"body and query", "?" + good, form, good, "", "invalid_request"},
		{"basic", "", form, good, "Basic YTpi", "invalid_request"},
		{"basic alone", "", form, "grant_type=client_credentials", "Basic YTpi", "invalid_request"},
		{"JSON body", "", "application/json", `{"grant_type":"client_credentials"}`, "", "invalid_request"},
		{"nothing", "", form, "", "", "invalid_request"},
		{"no grant type", "", form, strings.Replace(good, "grant_type", "grant", 1), "", "invalid_request"},
		{"other grant", "", form, strings.Replace(good, "client_credentials", "password", 1), "", "unsupported_grant_type"},
		{"wrong secret", "", form, tokenQuery(id, secret+"x"), "", "invalid_client"},
		{"other id", "", form, tokenQuery("x"+id, secret), "", "invalid_client"},
		{"forged expiry", "", form, tokenQuery(id, secret+".zzzzzz"), "", "invalid_client"},
	} {
		r.clock.Add(time.Second)
		h := httptest.NewRequest(http.MethodPost, "/o/client/token"+q.url, strings.NewReader(q.body))
		h.Header.Set("Content-Type", q.media)
		if q.authorization != "" {
			h.Header.Set("Authorization", q.authorization)
		}
		w := r.do(h)
		if q.want == "" && w.Code != http.StatusCreated || q.want != "" && r.object(w, http.StatusBadRequest)["error"] != q.want {
			t.Errorf("%s: %d %s, want %q", q.name, w.Code, w.Body, q.want)
		}
	}
	r.Behave(func(b *sandbox.Behaviour) {
		b.TokenErrorStatus, b.UnauthorizedClient, b.TokenStatus, b.TokenLifeSeconds = 401, true, 200, 90
	})
	if o := r.object(r.post("/o/client/token", form, good), http.StatusUnauthorized); o["error"] != "unauthorized_client" {
		t.Errorf("unauthorized client: %v", o)
	}
	r.Behave(func(b *sandbox.Behaviour) { b.UnauthorizedClient = false })
	o = r.object(r.post("/o/client/token", form, good), http.StatusOK)
	if o["expires_in"] != float64(90) {
		t.Errorf("a short life: %v", o)
	}
	r.token = o["access_token"].(string)
	for _, status := range []int{200, 401} {
		if w := r.get("/year"); w.Code != status {
			t.Errorf("status %d at %s, want %d", w.Code, r.clock.Now(), status)
		}
		r.clock.Add(90 * time.Second)
	}
}

// A second start with the same seed takes what the first one issued.
func TestRestart(t *testing.T) {
	first := newRig(t)
	id, secret := first.register()
	start := func(seed uint64) *rig {
		again := sandbox.New(sandbox.Options{Seed: seed, Now: first.clock.Now})
		return &rig{Adobe: &testrig.Adobe{Sandbox: again}, t: t, clock: first.clock, token: first.token}
	}
	second := start(7)
	if w := second.get("/year"); w.Code != http.StatusOK {
		t.Errorf("the token of the first start: %d", w.Code)
	}
	if w := second.post("/o/client/token", form, tokenQuery(id, secret)); w.Code != http.StatusCreated {
		t.Errorf("the client of the first start: %d", w.Code)
	}
	other := start(9)
	if w := other.get("/year"); w.Code != http.StatusUnauthorized {
		t.Errorf("the token of another seed: %d", w.Code)
	}
	if w := other.post("/o/client/token", form, tokenQuery(id, secret)); w.Code != http.StatusBadRequest {
		t.Errorf("the client of another seed: %d", w.Code)
	}
	second.RevokeTokens()
	second.RevokeClients()
	if w := second.get("/year"); w.Code != http.StatusUnauthorized {
		t.Errorf("a revoked token of the first start: %d", w.Code)
	}
	if w := second.post("/o/client/token", form, tokenQuery(id, secret)); w.Code != http.StatusBadRequest {
		t.Errorf("a revoked client of the first start: %d", w.Code)
	}
}

func TestRevocation(t *testing.T) {
	r := newRig(t)
	id, secret := r.register()
	r.RevokeTokens()
	if w := r.get("/year"); w.Code != http.StatusUnauthorized {
		t.Errorf("revoked token: %d", w.Code)
	}
	r.token = r.object(r.post("/o/client/token", form, tokenQuery(id, secret)), http.StatusCreated)["access_token"].(string)
	if w := r.get("/year"); w.Code != http.StatusOK {
		t.Errorf("new token: %d", w.Code)
	}
	r.RevokeClients()
	if o := r.object(r.post("/o/client/token", form, tokenQuery(id, secret)), http.StatusBadRequest); o["error"] != "invalid_client" {
		t.Errorf("revoked client: %v", o)
	}
	if w := r.get("/year"); w.Code != http.StatusOK {
		t.Errorf("the token of a revoked client: %d", w.Code)
	}
	r.login()
	if w := r.get("/year"); w.Code != http.StatusOK {
		t.Errorf("after registering again: %d", w.Code)
	}
}

// One request a second, ten at once, for every address on its own.
func TestThrottle(t *testing.T) {
	c := &testrig.Clock{}
	s := sandbox.New(sandbox.Options{Now: c.Now})
	call := func(address string) *httptest.ResponseRecorder {
		q := httptest.NewRequest(http.MethodPost, "/o/client/register", strings.NewReader("{}"))
		if address != "" {
			q.Header.Set("X-Forwarded-For", address)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, q)
		return w
	}
	for i := range 10 {
		if w := call(""); w.Code != http.StatusBadRequest {
			t.Fatalf("call %d: status %d", i, w.Code)
		}
	}
	w := call("")
	if w.Code != 429 || w.Header().Get("Content-Type") != "text/html" || w.Header().Get("Retry-After") != "" || w.Body.Len() == 0 {
		t.Errorf("the eleventh: %d %v %q", w.Code, w.Header(), w.Body)
	}
	if w := call("192.0.2.9"); w.Code != 400 {
		t.Errorf("another address: %d", w.Code)
	}
	c.Add(999 * time.Millisecond)
	if w := call(""); w.Code != 429 {
		t.Errorf("after 999 ms: %d", w.Code)
	}
	c.Add(time.Millisecond)
	if w := call(""); w.Code != 400 {
		t.Errorf("after a second: %d", w.Code)
	}
	if w := call(""); w.Code != 429 {
		t.Errorf("the second in that second: %d", w.Code)
	}
	if n := s.Counts().Throttled; n != 3 {
		t.Errorf("%d throttled, want 3", n)
	}
	if err := s.Change(func(b *sandbox.Behaviour) { b.NoThrottle = true }); err != nil {
		t.Fatal(err)
	}
	if w := call(""); w.Code != 400 {
		t.Errorf("without throttle: %d", w.Code)
	}
}
