package gateway

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"cmu-gateway/internal/explorer"
)

// The page and all that it needs come without a key, never change under their address, and neither store nor Adobe is asked.
func TestFrontPageNeedsNoKey(t *testing.T) {
	r := newRig(t, func(g *Gateway) { g.Key, g.Simulated = teamKey, true })
	r.store.Close()
	page := r.ok("/", "Accept", browser)
	for name, want := range map[string]string{"Content-Security-Policy": explorer.Policy, "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"} {
		if got := page.Header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if strings.Contains(page.body, "<style") || strings.Contains(page.body, "style=") || regexp.MustCompile(`<script[^>]*>[^<]`).MatchString(page.body) {
		t.Error("there is inline style or script")
	}
	if !strings.Contains(page.body, "These numbers are made up") {
		t.Error("there is no banner")
	}
	assets := regexp.MustCompile(`/assets/[^"]+`).FindAllString(page.body, -1)
	if len(assets) < 4 {
		t.Fatalf("%q", assets)
	}
	for _, target := range assets {
		plain, packed := r.ok(target, "Accept-Encoding", "identity"), r.ok(target, "Accept-Encoding", "gzip")
		if plain.body != packed.body || plain.body == "" || packed.Header.Get("Content-Encoding") != "gzip" || plain.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s: %v, %v", target, plain.Header, packed.Header)
		}
		if got := packed.Header.Get("Cache-Control"); got != "public, max-age=31536000, immutable" {
			t.Errorf("%s: %q", target, got)
		}
	}
	// While releases are exchanged a page may ask for the files of another.
	other := r.ok("/assets/"+strings.Repeat("a", 16)+"/app.js", "Accept-Encoding", "gzip")
	if got := other.Header.Get("Cache-Control"); got != "no-cache" {
		t.Errorf("another release: %q", got)
	}
	for _, target := range []string{"/assets/", "/assets/x", "/assets/x/", "/assets/x/none.js", "/assets/x/..%2Fapp.js", "/assets/x/index.html", "/assets/x/y/app.js"} {
		if got := r.get(target); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", target, got.StatusCode)
		}
	}
	if got := r.do(http.MethodPost, assets[0]); got.StatusCode != http.StatusUnauthorized {
		t.Errorf("POST: %d", got.StatusCode)
	}
	if r.adobe.Calls() != 0 {
		t.Errorf("%d calls to Adobe", r.adobe.Calls())
	}
}
