//go:build stack

package explorer_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// deployed is a stack behind API Gateway, at EXPLORER_URL with the key in the file EXPLORER_KEY.
func deployed(t *testing.T) (s *server, key string) {
	t.Helper()
	text, err := os.ReadFile(os.Getenv("EXPLORER_KEY"))
	if err != nil {
		t.Fatal(err)
	}
	return &server{t: t, url: os.Getenv("EXPLORER_URL")}, strings.TrimSpace(string(text))
}

// requested are the addresses of all that the page has asked for.
func (b *tab) requested() []string {
	b.t.Helper()
	return ask[[]string](b, `performance.getEntriesByType("resource").map((e) => e.name)`)
}

const monthly = "?metric=started-sessions&window=2026-08..2026-10&by=day"

// Without a key the page and its files come, and no number; a wrong key is asked for again; with the right one a report is drawn. The key
// is in the tab's storage and in headers, and in no address. All that is asked for lies below the API's path.
func TestDeployedKey(t *testing.T) {
	s, key := deployed(t)
	b := s.tab()
	b.open("/" + monthly)
	b.until(`document.querySelector("#state").dataset.kind === "key"`)
	if text := b.text("#state"); !strings.Contains(text, "This gateway asks for a key") {
		t.Errorf("it shows %s", text)
	}
	if asked := b.requested(); len(asked) < 20 {
		t.Errorf("the page has asked for %q", asked)
	}
	b.do(chromedp.SendKeys(chromedp.CSS("#state input"), "not-the-key-of-this-api\r"))
	b.until(`document.querySelector("#state h2").textContent === "That key is not taken"`)
	if kept := ask[int](b, `sessionStorage.length`); kept != 0 {
		t.Errorf("a wrong key is kept")
	}
	b.do(chromedp.SendKeys(chromedp.CSS("#state input"), key+"\r"))
	b.until(`!document.querySelector("#view").hidden`)
	b.settled()
	if colours := ask[int](b, `(() => { const c = document.getElementById("canvas"); const d = new Uint32Array(c.getContext("2d").getImageData(0, 0, c.width, c.height).data.buffer); return new Set(d).size; })()`); colours < 10 {
		t.Errorf("the chart has %d colours", colours)
	}
	if figures := b.text("#summary tbody"); !strings.ContainsAny(figures, "123456789") {
		t.Errorf("the figures: %s", figures)
	}
	if got := ask[string](b, `sessionStorage.getItem("cmu-key")`); got != key {
		t.Error("the tab's storage does not hold the key")
	}
	if got := ask[string](b, `location.href + document.cookie + JSON.stringify(localStorage) + document.documentElement.outerHTML`); strings.Contains(got, key) {
		t.Error("the key is where it can be seen")
	}
	asked := b.requested()
	for _, address := range asked {
		if strings.Contains(address, key) || !strings.HasPrefix(address, s.url+"/") {
			t.Errorf("the page has asked for %s", strings.ReplaceAll(address, key, "KEY"))
		}
	}
	if !strings.Contains(strings.Join(asked, " "), "/cmu/v2/tenant/year/month/day.csv?start=2026-08-01&end=2026-10-01") {
		t.Errorf("no report was asked for: %q", asked)
	}

	// The tab goes on to hold it: another window, a reload, a page that no link can open.
	b.click(`[data-window="last-month"]`)
	b.open("/" + monthly)
	if ask[bool](b, `document.querySelector("#view").hidden`) {
		t.Errorf("after a reload it shows: %s", b.seen())
	}
	b.click(`nav a[href$="/status"]`)
	b.until(`document.querySelector("#page h1")?.textContent === "Status"`)
	if got := ask[string](b, `location.href`); strings.Contains(got, key) || !strings.HasPrefix(got, s.url+"/") {
		t.Errorf("the status is at %s", strings.ReplaceAll(got, key, "KEY"))
	}
	b.clean()

	// Another tab does not.
	other := s.tab()
	other.open("/" + monthly)
	other.until(`document.querySelector("#state").dataset.kind === "key"`)
}

// Nothing that the page shows offers a purge, and the holder of a key can do none: that takes a signature of AWS.
func TestDeployedPurge(t *testing.T) {
	s, key := deployed(t)
	b := s.tab()
	b.open("/" + monthly)
	b.do(chromedp.SendKeys(chromedp.CSS("#state input"), key+"\r"))
	b.until(`!document.querySelector("#view").hidden`)
	if text := strings.ToLower(ask[string](b, `document.body.innerText`)); strings.Contains(text, "delete") || strings.Contains(text, "purge") {
		t.Errorf("the page offers one: %s", text)
	}
	status := ask[int](b, `fetch("`+s.url+`/cmu/v2/tenant/year/month/day", {method: "DELETE", headers: {"x-api-key": sessionStorage.getItem("cmu-key")}}).then((r) => r.status)`)
	if status != http.StatusForbidden {
		t.Errorf("a purge by the page is answered %d", status)
	}
}

// Browsers that see the page for the first time are not throttled, each with all its files at once.
func TestDeployedFirstVisits(t *testing.T) {
	s, _ := deployed(t)
	for range 2 {
		b := s.tab()
		if _, err := chromedp.Call(b.ctx, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true}); err != nil {
			t.Fatal(err)
		}
		b.open("/")
		b.until(`document.querySelector("#state").dataset.kind === "key"`)
	}
}
