package sandbox

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
)

const controlHelp = `A simulated Adobe.

POST /o/client/register          software statement -> client credentials
POST /o/client/token             client credentials -> access token
GET  /cmu/v2/...                 reports (also below /v2)

GET  /_sandbox/                  this page
GET  /_sandbox/statement         the software statement that registers here
GET  /_sandbox/statement?tenant=GLOBEX  that of another licence, with other rows; INITECH has one, too
GET  /_sandbox/stats             calls so far, as JSON
POST /_sandbox/reset-stats       count from zero
POST /_sandbox/revoke-tokens     no token issued so far is good any more
POST /_sandbox/revoke-clients    no client registered so far is good any more
POST /_sandbox/refuse-statements the statement is refused as unapproved
POST /_sandbox/accept-statements the statement is accepted again
GET  /_sandbox/behaviour         how the sandbox behaves, as JSON
PUT  /_sandbox/behaviour         replace all of it; what is left out is as Adobe documents it, without latency
PATCH /_sandbox/behaviour        change the fields given

The fields of the behaviour:

`

// serveControl answers below /_sandbox/.
func (s *Sandbox) serveControl(w http.ResponseWriter, r *http.Request) {
	order := strings.Trim(strings.TrimPrefix(r.URL.Path, "/_sandbox"), "/")
	if order == "behaviour" {
		s.serveBehaviour(w, r)
		return
	}
	if show, ok := map[string]func(http.ResponseWriter, *http.Request){
		"": serveHelp, "statement": s.showStatement, "stats": s.showStats,
	}[order]; ok {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			plain(w, http.StatusMethodNotAllowed, "Method not allowed: GET only\n")
			return
		}
		show(w, r)
		return
	}
	do, ok := map[string]func(){
		"reset-stats": s.ResetCounts, "revoke-tokens": s.RevokeTokens, "revoke-clients": s.RevokeClients,
		"refuse-statements": func() { s.refuseStatements("unapproved_software_statement") },
		"accept-statements": func() { s.refuseStatements("") },
	}[order]
	switch {
	case !ok:
		plain(w, http.StatusNotFound, "Not found: see /_sandbox/\n")
	case r.Method != http.MethodPost:
		w.Header().Set("Allow", http.MethodPost)
		plain(w, http.StatusMethodNotAllowed, "Method not allowed: POST only\n")
	default:
		do()
		w.WriteHeader(http.StatusNoContent)
	}
}

func (s *Sandbox) refuseStatements(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behaviour.RefuseStatements = code
}

func serveHelp(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain;charset=UTF-8")
	_, _ = io.WriteString(w, controlHelp)
	for f := range reflect.TypeFor[Behaviour]().Fields() {
		if name := f.Tag.Get("json"); name != "" {
			_, _ = fmt.Fprintf(w, "%-22s %s\n", name, f.Tag.Get("doc"))
		}
	}
	_, _ = fmt.Fprintf(w, "\nFaults: on is one of %q (empty: all), kind one of %q,\nshape (of a flood) one of %q.\n", endpoints[1:], faultKinds, Floods())
}

func (s *Sandbox) showStatement(w http.ResponseWriter, r *http.Request) {
	text, err := s.StatementOf(cmp.Or(r.URL.Query().Get("tenant"), s.world.tenants[0]))
	if err != nil {
		plain(w, http.StatusNotFound, err.Error()+"\n")
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, text)
}

func (s *Sandbox) showStats(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(s.Counts())
}
