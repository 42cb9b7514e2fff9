package gateway

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"cmu-gateway/pkg/cmu"
)

// door decides who is answered, before anything is done for him.
type door struct {
	host    func(host string) bool // nil: any
	keyed   bool
	key     [sha256.Size]byte // of what callers must send, hashed so that lengths are equal
	origins []string          // that pages may come from
	any     bool              // of all origins
	pages   bool              // of other sites are to be told from people, unless the key is in a header that no page can send
	inFront bool              // that header was looked at by what stands in front
}

func newDoor(g *Gateway) door {
	d := door{host: g.Host, keyed: g.Key != "", origins: g.Origins, any: slices.Contains(g.Origins, "*"),
		pages: !g.KeyInFront || g.BasicAuth, inFront: g.KeyInFront}
	d.key = sha256.Sum256([]byte(g.Key.Reveal()))
	return d
}

var varyOrigin = []string{"Origin"}

// headerKey is where callers send the key, as in AWS.
const headerKey = "X-Api-Key"

// Headers and methods for pages of other origins. Source: Fetch Standard, CORS protocol.
var (
	exposed = []string{strings.Join([]string{"Accept-Ranges", "Age", "Allow", "Cache-Status", "Content-Disposition", "Content-Encoding", "Content-Length",
		"Content-Range", "ETag", "Retry-After", "Vary", headerIncomplete, headerBeforeHorizon,
		headerSettledUntil, cmu.HeaderSimulated}, ", ")}
	// All that is read here, and what libraries send whether it is of use or not.
	taken = "Accept, Authorization, Cache-Control, Content-Type, If-Match, If-None-Match, If-Range, Pragma, Range, X-Api-Key, X-Requested-With"
	// preflightLife is for how long a browser need not ask again; Chromium takes at most two hours.
	preflightLife = 2 * time.Hour
)

// open answers whoever is not let in, and browsers that ask first; it is true for all others.
func (h *handler) open(w http.ResponseWriter, r *http.Request) bool {
	d := &h.door
	// A browser always names a host, so HTTP/1.0 without one is none.
	if d.host != nil && (r.Host != "" || r.ProtoAtLeast(1, 1)) && !d.host(r.Host) {
		h.problem(w, r, problem{Status: http.StatusMisdirectedRequest, Code: "no_such_host", Detail: fmt.Sprintf(
			"This address answers to localhost, to IP addresses, and to the names that cmu serve --host NAME adds, but not to %.100q: any web page can make its own name lead here.", r.Host)})
		return false
	}
	origin := r.Header["Origin"]
	if len(d.origins) > 0 {
		w.Header()["Vary"] = varyOrigin // unless a page varies by more
	}
	allowed := len(origin) == 1 && d.allows(origin[0])
	if allowed {
		header := w.Header()
		header["Access-Control-Allow-Origin"], header["Access-Control-Expose-Headers"] = origin, exposed
	}
	if r.Method == http.MethodOptions && len(origin) > 0 && r.Header["Access-Control-Request-Method"] != nil {
		h.preflight(w, r, allowed)
		return false
	}
	byHeader := d.keyed && d.knows(r.Header[headerKey]) || d.inFront && len(r.Header[headerKey]) == 1
	if d.keyed && !open(r) && !byHeader && !d.knowsPassword(r) {
		w.Header()["Www-Authenticate"] = challenges
		h.problem(w, r, problem{Status: http.StatusUnauthorized, Code: "no_key", Detail: "The header x-api-key must hold the key of this gateway, " +
			"or a login by HTTP Basic must have it as its password, under any user name."})
		return false
	}
	if d.pages && !byHeader && !allowed && d.sentByPage(r) {
		h.problem(w, r, problem{Status: http.StatusForbidden, Code: "no_such_origin", Detail: "A page of another site has this asked, and " +
			"CMU_ALLOWED_ORIGINS does not name its origin. A person may go on by the link, or by the address itself."})
		return false
	}
	return true
}

// open tells what needs no key: the front page and its assets, which are the same for everybody and ask for the key themselves.
func open(r *http.Request) bool {
	path := r.URL.EscapedPath()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	return path == "" || path == "/" || strings.HasPrefix(path, assetsPath)
}

// sentByPage tells whether a page of another origin has a browser send a request: it cannot read the answer, yet would have Adobe
// asked and answers stored. Who follows a link with a click is a person. Browsers say so of https and of loopback; of other plain http
// they tell the origin at best. What is no browser says neither.
//
// Source: W3C Fetch Metadata Request Headers; Fetch Standard, Origin header.
func (d *door) sentByPage(r *http.Request) bool {
	if d.any {
		return false
	}
	site := r.Header.Values("Sec-Fetch-Site")
	switch {
	case len(site) == 1 && (site[0] == "same-origin" || site[0] == "none"):
		return false
	case len(site) > 0:
		clicked := r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document" && r.Header.Get("Sec-Fetch-User") == "?1"
		return !clicked || r.Method != http.MethodGet
	}
	origin := r.Header.Values("Origin")
	return len(origin) > 1 || len(origin) == 1 && origin[0] != "http://"+r.Host && origin[0] != "https://"+r.Host
}

func (d *door) allows(origin string) bool {
	return d.any || slices.Contains(d.origins, origin)
}

// knows compares in a time that does not depend on what was sent.
func (d *door) knows(keys []string) bool {
	if len(keys) != 1 {
		return false
	}
	sum := sha256.Sum256([]byte(keys[0]))
	return subtle.ConstantTimeCompare(sum[:], d.key[:]) == 1
}

// challenges say how the key may be sent: browsers and spreadsheets know Basic alone. Source: RFC 7617.
var challenges = []string{`Basic realm="cmu-gateway", charset="UTF-8"`, `ApiKey realm="cmu-gateway", header="x-api-key"`}

// knowsPassword is knows for the password of HTTP Basic, whatever the user's name.
func (d *door) knowsPassword(r *http.Request) bool {
	_, password, ok := r.BasicAuth()
	return ok && len(r.Header["Authorization"]) == 1 && d.knows([]string{password})
}

// preflight answers a browser that asks whether a page may send a request. It bears no key. DELETE is not for pages.
func (h *handler) preflight(w http.ResponseWriter, r *http.Request, allowed bool) {
	if !allowed {
		h.problem(w, r, problem{Status: http.StatusForbidden, Code: "no_such_origin",
			Detail: fmt.Sprintf("Pages of %.100q may not read here: CMU_ALLOWED_ORIGINS does not name that origin.", r.Header.Get("Origin"))})
		return
	}
	header := w.Header()
	header.Set("Access-Control-Allow-Methods", "GET, HEAD")
	header.Set("Access-Control-Allow-Headers", taken)
	header.Set("Access-Control-Max-Age", fmt.Sprint(int(preflightLife.Seconds())))
	header["Vary"] = []string{"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"}
	w.WriteHeader(http.StatusNoContent)
}

// vary adds to what answers differ by.
func (d *door) vary(by string) []string {
	if len(d.origins) > 0 {
		by += ", Origin"
	}
	return []string{by}
}
