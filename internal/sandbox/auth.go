package sandbox

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"time"
)

// defaultScopes are what a client is granted: those of Adobe's sample, and the two that reports need.
var defaultScopes = []string{
	"config:client", "decisions:client", "platform:sso", "profile:client", "tokens:client",
	"cmu:analytics:client", "cmu:billing:client",
}

const maxAuthBody = 64 << 10

// serveRegister turns a software statement into client credentials.
//
// Source: Adobe, Dynamic Client Registration API, "client credentials".
func (s *Sandbox) serveRegister(w http.ResponseWriter, r *http.Request) {
	b := s.Behaviour()
	if !s.admit(w, r, &b) {
		return
	}
	var body struct {
		Statement   string `json:"software_statement"`
		RedirectURI string `json:"redirect_uri"`
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media != "application/json" || json.NewDecoder(io.LimitReader(r.Body, maxAuthBody)).Decode(&body) != nil ||
		body.Statement == "" || !deviceInfo(r, b.RequireDeviceInfo) {
		authError(w, &b, http.StatusBadRequest, "invalid_request")
		return
	}
	if u, err := url.Parse(body.RedirectURI); body.RedirectURI == "" && b.RequireRedirectURI ||
		body.RedirectURI != "" && (err != nil || !u.IsAbs() || u.Host == "") {
		authError(w, &b, http.StatusBadRequest, "invalid_redirect_uri")
		return
	}
	tenant, err := s.verifyStatement(body.Statement)
	if err != nil {
		authError(w, &b, http.StatusBadRequest, "invalid_software_statement")
		return
	}
	if b.RefuseStatements != "" {
		authError(w, &b, http.StatusBadRequest, b.RefuseStatements)
		return
	}
	now, id := s.now(), s.clients.next(s.boot, tenant)
	var expires int64
	if b.ClientLifeSeconds > 0 {
		expires = now.Unix() + b.ClientLifeSeconds
	}
	answer := map[string]any{
		"client_id": id, "client_secret": s.clientSecret(id, expires), "client_id_issued_at": now.UnixMilli(),
		"redirect_uris": []string{}, "grant_types": []string{"client_credentials"}, "scopes": b.scopes(),
	}
	if body.RedirectURI != "" {
		answer["redirect_uris"] = []string{body.RedirectURI}
	}
	if b.IssuedAtSeconds {
		answer["client_id_issued_at"] = now.Unix()
	}
	if expires > 0 {
		answer["client_secret_expires_at"] = expires
	} else if b.SecretNeverExpires {
		answer["client_secret_expires_at"] = 0
	}
	s.counts.registered.Add(1)
	authAnswer(w, &b, cmp.Or(b.RegisterStatus, http.StatusCreated), answer)
}

// serveToken turns client credentials into an access token.
//
// Source: Adobe, Dynamic Client Registration API, "access token".
func (s *Sandbox) serveToken(w http.ResponseWriter, r *http.Request) {
	b := s.Behaviour()
	if !s.admit(w, r, &b) {
		return
	}
	refused := cmp.Or(b.TokenErrorStatus, http.StatusBadRequest)
	form, ok := tokenForm(r)
	if !ok || !deviceInfo(r, b.RequireDeviceInfo) {
		authError(w, &b, refused, "invalid_request")
		return
	}
	id, secret := form.Get("client_id"), form.Get("client_secret")
	switch {
	case form.Get("grant_type") == "" || id == "" || secret == "":
		authError(w, &b, refused, "invalid_request")
		return
	case form.Get("grant_type") != "client_credentials":
		authError(w, &b, refused, "unsupported_grant_type")
		return
	case !s.verifyClient(id, secret):
		authError(w, &b, refused, "invalid_client")
		return
	case b.UnauthorizedClient:
		authError(w, &b, refused, "unauthorized_client")
		return
	}
	life := time.Duration(cmp.Or(b.TokenLifeSeconds, 6*60*60)) * time.Second
	tokenID, token, err := s.accessToken(id, b.scopes(), life)
	if err != nil {
		plain(w, http.StatusInternalServerError, err.Error())
		return
	}
	s.counts.issued.Add(1)
	answer := map[string]any{
		"id": tokenID, "access_token": token, "created_at": s.now().UnixMilli() - 1000*b.TokenBehindSeconds,
		"expires_in": int64(life / time.Second), "token_type": "bearer",
	}
	if b.TokenExpiresIn == absent {
		delete(answer, "expires_in")
	} else if b.TokenExpiresIn != "" {
		answer["expires_in"] = json.RawMessage(b.TokenExpiresIn)
	}
	authAnswer(w, &b, cmp.Or(b.TokenStatus, http.StatusCreated), answer)
}

// tokenForm returns the parameters of a token request, which stand in the form body or, with an empty body, in the query.
// It is false for two authentication mechanisms at once, for HTTP Basic, and for a body of another kind.
func tokenForm(r *http.Request) (url.Values, bool) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil || r.Header.Get("Authorization") != "" {
		return nil, false
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, maxAuthBody))
	if err != nil {
		return nil, false
	}
	if len(text) == 0 {
		return query, true
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	body, err := url.ParseQuery(string(text))
	if err != nil || media != "application/x-www-form-urlencoded" || query.Has("client_id") || query.Has("client_secret") {
		return nil, false
	}
	return body, true
}

// deviceInfo reports whether the X-Device-Info header is what Adobe takes: the base64 of a JSON object, or absent.
func deviceInfo(r *http.Request, required bool) bool {
	text := r.Header.Get("X-Device-Info")
	if text == "" {
		return !required
	}
	decoded, err := base64.StdEncoding.DecodeString(text)
	var object map[string]any
	return err == nil && json.Unmarshal(decoded, &object) == nil
}

// admit answers calls that the throttle or the method turns away.
func (s *Sandbox) admit(w http.ResponseWriter, r *http.Request, b *Behaviour) bool {
	if !b.NoThrottle && !s.throttle.allow(deviceAddress(r), s.now()) {
		s.counts.throttled.Add(1)
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, "<html><head><title>429 Too Many Requests</title></head><body><h1>Too Many Requests</h1></body></html>")
		return false
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		plain(w, http.StatusMethodNotAllowed, "Method not allowed: POST only")
		return false
	}
	h := w.Header()
	sticky := hex.EncodeToString(s.sign("balancer " + deviceAddress(r)))
	h.Add("Set-Cookie", "AWSALB="+sticky+"; Path=/")
	h.Add("Set-Cookie", "AWSALBCORS="+sticky+"; Path=/; SameSite=None; Secure")
	h.Set("Cache-Control", "no-store")
	h.Set("Pragma", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Strict-Transport-Security", "max-age=31536000 ; includeSubDomains")
	h.Set("Vary", "Origin")
	return true
}

func authAnswer(w http.ResponseWriter, b *Behaviour, status int, answer any) {
	w.Header().Set("Content-Type", cmp.Or(b.AuthMediaType, "application/json;charset=utf-8"))
	w.WriteHeader(status)
	if b.AuthMark {
		_, _ = io.WriteString(w, "\ufeff")
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func authError(w http.ResponseWriter, b *Behaviour, status int, code string) {
	authAnswer(w, b, status, map[string]string{"error": code})
}
