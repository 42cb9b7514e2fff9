package gateway

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const teamKey = "correct-horse-battery"

// Nothing is answered without the key, and nothing is done for whoever lacks it.
func TestKey(t *testing.T) {
	r := newRig(t, func(g *Gateway) { g.Key, g.Purge, g.Origins = teamKey, true, []string{"https://a.example"} })
	for _, target := range []string{"/", "/status", "/catalog", "/openapi.json", "/nowhere", days} {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodPost, http.MethodOptions} {
			for _, headers := range [][]string{{}, {"x-api-key", ""}, {"x-api-key", teamKey + "x"}, {"x-api-key", teamKey[1:]}, {"x-api-key", strings.ToUpper(teamKey)},
				{"x-api-key", teamKey, "x-api-key", teamKey}, {"Authorization", "Bearer " + teamKey},
				basic("", ""), basic("u", teamKey+"x"), basic(teamKey, ""), basic("u", teamKey+":"), {"Authorization", "Basic " + teamKey},
				append(basic("u", teamKey), basic("u", teamKey)...)} {
				got := r.do(method, target, headers...)
				if target == "/" && (method == http.MethodGet || method == http.MethodHead) {
					// The front page is the same for everybody.
					if got.StatusCode != http.StatusOK || strings.Contains(got.body, "version") || strings.Contains(got.body, "simulated") {
						t.Errorf("%s %s %q: %d %s", method, target, headers, got.StatusCode, got.body)
					}
					continue
				}
				if got.StatusCode != http.StatusUnauthorized || got.Header.Get("WWW-Authenticate") == "" || got.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s %s %q: %d %v", method, target, headers, got.StatusCode, got.Header)
				}
				if method == http.MethodGet && (!strings.Contains(got.body, `"code":"no_key"`) || strings.Contains(got.body, teamKey)) {
					t.Error(got.body)
				}
			}
		}
	}
	if r.adobe.Calls() != 0 {
		t.Errorf("%d calls to Adobe without the key", r.adobe.Calls())
	}
	// Spreadsheets and browsers know Basic alone.
	if got := r.get(days).Header["Www-Authenticate"]; len(got) != 2 || !strings.HasPrefix(got[0], "Basic realm=") {
		t.Error(got)
	}
	for _, headers := range [][]string{basic("", teamKey), basic("anybody", teamKey), append(basic("u", "wrong"), "x-api-key", teamKey),
		append(basic("u", teamKey), "x-api-key", "wrong")} {
		r.ok(days, headers...)
	}
	for _, target := range []string{"/", "/status", "/openapi.json", days} {
		if got := r.ok(target, "X-Api-Key", teamKey); strings.Contains(got.body, teamKey) {
			t.Errorf("%s shows the key", target)
		}
	}
	if got := r.get(days, "Accept", browser); got.StatusCode != 401 || !strings.Contains(got.body, "x-api-key must hold the key") {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	if strings.Contains(r.log.String(), teamKey) {
		t.Error("the log has the key")
	}
}

// basic is the header of a login by HTTP Basic.
func basic(user, password string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))}
}

// Pages of allowed origins read answers of every status and our headers; no other page does, and none deletes.
func TestOrigins(t *testing.T) {
	const here, elsewhere = "https://a.example", "https://b.example"
	r := newRig(t, func(g *Gateway) { g.Origins, g.Key, g.Purge = []string{here, "http://localhost:3000"}, teamKey, true })
	etag := r.ok(days, "x-api-key", teamKey).Header.Get("Etag")
	for _, ask := range []struct {
		target  string
		headers []string
		status  int
	}{
		{days, nil, 200}, {days, []string{"If-None-Match", etag}, 304}, {days, []string{"Range", "bytes=0-1"}, 206}, {days, []string{"Range", "bytes=99999999-"}, 416},
		{"/cmu/v2/nonsense", nil, 404}, {"/nowhere", nil, 404}, {"/status", nil, 200}, {"/", nil, 200}, {days, []string{"x-api-key", "twice"}, 401},
	} {
		for origin, want := range map[string]string{here: here, "http://localhost:3000": "http://localhost:3000", elsewhere: "", "null": "", "": "", here + ".evil": ""} {
			headers := append([]string{"x-api-key", teamKey}, ask.headers...)
			if origin != "" {
				headers = append(headers, "Origin", origin)
			}
			got := r.get(ask.target, headers...)
			if got.StatusCode != ask.status || got.Header.Get("Access-Control-Allow-Origin") != want || got.Header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s from %q: %d %v", ask.target, origin, got.StatusCode, got.Header)
			}
			if list := got.Header.Get("Access-Control-Expose-Headers"); (want != "") != strings.Contains(list, "Cmu-Incomplete") {
				t.Errorf("%s from %q exposes %q", ask.target, origin, list)
			}
			if vary := got.Header.Get("Vary"); !strings.Contains(vary, "Origin") {
				t.Errorf("%s: Vary %q", ask.target, vary)
			}
		}
	}
	// Every header of ours can be read.
	listed := ", " + r.ok(days, "x-api-key", teamKey, "Origin", here).Header.Get("Access-Control-Expose-Headers") + ","
	for name := range r.ok(days+"&format=csv", "x-api-key", teamKey).Header {
		// Some can be read anyhow (CORS-safelisted), others are for the browser alone.
		if !strings.Contains(strings.ToLower(listed), ", "+strings.ToLower(name)+",") && name != "Cache-Control" && name != "Content-Type" && !strings.HasPrefix(name, "X-") {
			t.Errorf("%s is not exposed", name)
		}
	}
}

func TestPreflight(t *testing.T) {
	const here = "https://a.example"
	for _, test := range []struct {
		origins []string
		origin  string
		ok      bool
	}{{[]string{here}, here, true}, {[]string{"*"}, "https://any.example", true}, {[]string{here}, "https://b.example", false}, {nil, here, false}} {
		r := newRig(t, func(g *Gateway) { g.Origins, g.Key, g.Purge = test.origins, teamKey, true })
		for _, target := range []string{days, "/status", "/cmu/v2/nonsense"} {
			got := r.do(http.MethodOptions, target, "Origin", test.origin, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "x-api-key")
			h := got.Header
			if !test.ok {
				if got.StatusCode != http.StatusForbidden || h.Get("Access-Control-Allow-Origin") != "" || !strings.Contains(got.body, "CMU_ALLOWED_ORIGINS") {
					t.Errorf("%v, %s: %d %v %s", test.origins, test.origin, got.StatusCode, h, got.body)
				}
				continue
			}
			if got.StatusCode != http.StatusNoContent || got.body != "" || h.Get("Access-Control-Allow-Origin") != test.origin ||
				h.Get("Access-Control-Allow-Methods") != "GET, HEAD" || !strings.Contains(h.Get("Access-Control-Allow-Headers"), "X-Api-Key") ||
				h.Get("Access-Control-Max-Age") == "" || !strings.Contains(h.Get("Vary"), "Origin") {
				t.Errorf("%s: %d %v", target, got.StatusCode, h)
			}
		}
		if r.adobe.Calls() != 0 {
			t.Error("Adobe was asked")
		}
	}
	// OPTIONS that is no preflight is a method like another.
	r := newRig(t, func(g *Gateway) { g.Origins = []string{"*"} })
	if got := r.do(http.MethodOptions, days, "Origin", here); got.StatusCode != http.StatusMethodNotAllowed {
		t.Error(got.StatusCode)
	}
}

// Without a key, pages of other sites have nothing asked, unless their origin is allowed; people who follow links are let in.
func TestPagesOfOtherSites(t *testing.T) {
	const here = "https://a.example"
	plain, named := newRig(t), newRig(t, func(g *Gateway) { g.Origins = []string{here} })
	all, keyed := newRig(t, func(g *Gateway) { g.Origins = []string{"*"} }), newRig(t, func(g *Gateway) { g.Key = teamKey })
	site := func(site, mode, dest, user string) []string {
		return []string{"Sec-Fetch-Site", site, "Sec-Fetch-Mode", mode, "Sec-Fetch-Dest", dest, "Sec-Fetch-User", user}
	}
	for name, test := range map[string]struct {
		headers []string
		refused bool // by whom knows no origin
	}{
		"a program":                          {nil, false},
		"the address bar":                    {site("none", "navigate", "document", "?1"), false},
		"our own page":                       {site("same-origin", "cors", "empty", ""), false},
		"a link that a person follows":       {site("cross-site", "navigate", "document", "?1"), false},
		"a link from another port":           {site("same-site", "navigate", "document", "?1"), false},
		"a window that a script moves":       {site("cross-site", "navigate", "document", ""), true},
		"a frame":                            {site("cross-site", "navigate", "iframe", "?1"), true},
		"an image":                           {site("cross-site", "no-cors", "image", ""), true},
		"a script":                           {site("cross-site", "no-cors", "script", ""), true},
		"a fetch that is opaque":             {site("cross-site", "no-cors", "empty", ""), true},
		"a prefetch":                         {append(site("cross-site", "no-cors", "empty", ""), "Sec-Purpose", "prefetch"), true},
		"another port's image":               {site("same-site", "no-cors", "image", ""), true},
		"a site of a new kind":               {site("somewhere", "navigate", "document", ""), true},
		"two sites":                          {append(site("none", "cors", "empty", ""), "Sec-Fetch-Site", "none"), true},
		"a fetch":                            {append(site("cross-site", "cors", "empty", ""), "Origin", "https://evil.example"), true},
		"a fetch of another port":            {append(site("same-site", "cors", "empty", ""), "Origin", "http://localhost:3000"), true},
		"a fetch, an old browser":            {[]string{"Origin", "https://evil.example"}, true},
		"a fetch from a file":                {[]string{"Origin", "null"}, true},
		"our own origin, an old browser":     {[]string{"Origin", "http://example.com"}, false},
		"our own origin, a proxy in between": {[]string{"Origin", "https://example.com"}, false},
	} {
		for _, target := range []string{days, "/status", "/", "/openapi.json", "/nowhere"} {
			before := plain.adobe.Calls()
			got := plain.get(target, test.headers...)
			if refused := got.StatusCode == http.StatusForbidden; refused != test.refused || refused && !strings.Contains(got.body, `"code":"no_such_origin"`) {
				t.Errorf("%s, %s: %d %s", name, target, got.StatusCode, got.body)
			}
			if test.refused && plain.adobe.Calls() != before {
				t.Errorf("%s, %s: Adobe was asked", name, target)
			}
			if got := all.get(target, test.headers...); got.StatusCode == http.StatusForbidden {
				t.Errorf("%s, %s, all origins: %d", name, target, got.StatusCode)
			}
			if got := keyed.get(target, append([]string{"x-api-key", teamKey}, test.headers...)...); got.StatusCode == http.StatusForbidden {
				t.Errorf("%s, %s, with the key: %d", name, target, got.StatusCode)
			}
			// A browser that has logged in sends the password along whatever page has it ask.
			login := "Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+teamKey))
			if got := keyed.get(target, append([]string{"Authorization", login}, test.headers...)...); (got.StatusCode == http.StatusForbidden) != test.refused {
				t.Errorf("%s, %s, logged in: %d", name, target, got.StatusCode)
			}
		}
	}
	if got := named.get(days, append(site("cross-site", "cors", "empty", ""), "Origin", here)...); got.StatusCode != 200 {
		t.Errorf("an allowed origin: %d", got.StatusCode)
	}
	if got := named.get(days, site("cross-site", "no-cors", "image", "")...); got.StatusCode != 403 {
		t.Errorf("an image of nobody knows whom: %d", got.StatusCode)
	}
	// Whom a script sent here can go on, to routes of ours alone.
	for target, want := range map[string]string{
		days: `href="/cmu/v2/tenant/year/month/day?start=`, "/status": `href="/status"`, "//evil.example/": `href="/"`, "/cmu/v2/year?Access_Token=hush&x=%22": `href="/cmu/v2/year?x=%22"`,
	} {
		got := plain.get(target, append(site("cross-site", "navigate", "document", ""), "Accept", browser)...)
		if got.StatusCode != 403 || !strings.Contains(got.body, want) || strings.Contains(got.body, "hush") || strings.Contains(got.body, "//evil") {
			t.Errorf("%s: %d %s", target, got.StatusCode, got.body)
		}
	}
}

// Where API Gateway takes the key as a password, a browser that has logged in sends it along whatever page has it ask, as above; the header no page can send.
func TestPagesOfOtherSitesBehindLogin(t *testing.T) {
	header := newRig(t, func(g *Gateway) { g.KeyInFront = true })
	login := newRig(t, func(g *Gateway) { g.KeyInFront, g.BasicAuth = true, true })
	image := []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}
	password := append(basic("anybody", "a key of API Gateway's"), image...)
	for _, test := range []struct {
		name    string
		r       *rig
		headers []string
		want    int
	}{
		{"header alone", header, image, 200},
		{"a login, an image", login, password, 403},
		{"a login, a program", login, basic("anybody", "a key of API Gateway's"), 200},
		{"a login, a click", login, append(basic("u", "k"), "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-User", "?1"), 200},
		{"a login, our own page", login, append(basic("u", "k"), "Sec-Fetch-Site", "same-origin"), 200},
		{"the header, an image", login, append([]string{"x-api-key", "k"}, image...), 200},
		{"two headers", login, append([]string{"x-api-key", "k", "x-api-key", "k"}, password...), 403},
	} {
		before := test.r.adobe.Calls()
		got := test.r.get(days, test.headers...)
		if got.StatusCode != test.want || got.StatusCode == 403 && (!strings.Contains(got.body, `"code":"no_such_origin"`) || test.r.adobe.Calls() != before) {
			t.Errorf("%s: %d %s", test.name, got.StatusCode, got.body)
		}
		if strings.Contains(test.r.log.String(), "a key of") {
			t.Errorf("%s: the log has the key", test.name)
		}
	}
}

func TestHosts(t *testing.T) {
	r := newRig(t, func(g *Gateway) { g.Host = func(host string) bool { return host == "good.example" } })
	ask := func(host, accept string, minor int) reply {
		request := httptest.NewRequest(http.MethodGet, days, nil)
		request.Host, request.ProtoMinor = host, minor
		request.Header.Set("Accept", accept)
		return r.ask(request)
	}
	for _, host := range []string{"evil.example", "", strings.Repeat("x", 10_000)} {
		got := ask(host, "", 1)
		if got.StatusCode != http.StatusMisdirectedRequest || got.Header.Get("Content-Type") != "application/problem+json" ||
			!strings.Contains(got.body, `"code":"no_such_host"`) || !strings.Contains(got.body, "--host NAME") || len(got.body) > 500 {
			t.Errorf("%.30s: %d %v %s", host, got.StatusCode, got.Header, got.body)
		}
	}
	if got := ask("evil.example", browser, 1); got.StatusCode != 421 || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%d %v", got.StatusCode, got.Header)
	}
	if got := ask("good.example", "", 1); got.StatusCode != 200 {
		t.Error(got.StatusCode)
	}
	if got := ask("", "", 0); got.StatusCode != 200 { // HTTP/1.0
		t.Error(got.StatusCode)
	}
	if got := ask("evil.example", "", 0); got.StatusCode != 421 {
		t.Error(got.StatusCode)
	}
}
