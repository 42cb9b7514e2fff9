package explorer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// focused is what has the focus, by its id or text.
func (b *tab) focused() string {
	b.t.Helper()
	return ask[string](b, `document.activeElement.id || document.activeElement.innerText || document.activeElement.tagName`)
}

// Who has no mouse goes past the controls, and keeps the place when something was chosen.
func TestKeyboard(t *testing.T) {
	b := serve(t).tab()
	b.open("/?metric=started-sessions&split=mvpd&window=7d&by=day")
	b.do(chromedp.KeyEvent("\t"), chromedp.KeyEvent("\r"))
	b.until(`location.hash === "#result"`)
	if ask[bool](b, `document.querySelector("#result").hidden || document.querySelector("#choose").hidden || !document.querySelector("#page").hidden`) {
		t.Error("skipping to the result hides it")
	}
	if got := b.focused(); got != "result" {
		t.Errorf("skipping leads to %s", got)
	}
	focus := func(selector string) {
		ask[bool](b, fmt.Sprintf(`(document.querySelector(%q).focus(), true)`, selector))
	}
	focus(`#summary button[data-value="Cox"]`)
	b.do(chromedp.KeyEvent("\r"))
	b.until(`location.search.includes("is=mvpd=Cox")`)
	b.settled()
	if got := b.focused(); got != "result" {
		t.Errorf("after a value was chosen the focus is at %s", got)
	}
	focus(".chip button")
	b.do(chromedp.KeyEvent("\r"))
	b.until(`!location.search.includes("is=")`)
	b.settled()
	if got := b.focused(); got != "Add a filter" {
		t.Errorf("after a filter was removed the focus is at %s", got)
	}
	b.do(chromedp.KeyEvent("\r"))
	b.do(chromedp.SendKeys(chromedp.CSS(`#filters input`), "Cox"))
	b.do(chromedp.Click(chromedp.CSS(`#filters .adding button`)))
	b.until(`location.search.includes("is=mvpd=Cox")`)
	b.settled()
	if got := b.focused(); got != "Add a filter" {
		t.Errorf("after a filter was added the focus is at %s", got)
	}
	// Nor is it lost where there is nothing to show.
	b.open("/?metric=started-sessions&split=mvpd&window=7d&by=day")
	focus(`#summary button[data-value="Cox"]`)
	ask[bool](b, `(() => { const real = window.fetch; window.fetch = (url, o) => String(url).includes("mvpd=Cox") ? Promise.resolve(new Response("tenant\n")) : real(url, o); return true; })()`)
	b.do(chromedp.KeyEvent("\r"))
	b.until(`document.querySelector("#state").dataset.kind === "empty"`)
	b.settled()
	if got := b.focused(); got != "result" {
		t.Errorf("where nothing is left the focus is at %s", got)
	}
}

// A date can be typed: what is half typed is no window, asks for nothing, and stays in the field.
func TestTypedDate(t *testing.T) {
	b := serve(t).tab()
	b.open("/?metric=started-sessions&window=7d&by=day")
	entries := ask[int](b, `history.length`)
	day := time.Now().UTC().AddDate(0, 0, -40)
	ask[bool](b, `(document.querySelector("#from").focus(), true)`)
	for _, r := range day.Format("01022006") {
		b.do(chromedp.KeyEvent(string(r)))
	}
	b.do(chromedp.KeyEvent("\r"))
	b.until(fmt.Sprintf(`location.search.includes("window=%s..")`, day.Format(time.DateOnly)))
	b.settled()
	if n := ask[int](b, `history.length`); n != entries+1 {
		t.Errorf("one date made %d entries of the history", n-entries)
	}
	if got := ask[string](b, `document.querySelector("#from").value`); got != day.Format(time.DateOnly) {
		t.Errorf("the field holds %s", got)
	}
	// Leaving the field is enough, and changes nothing where no date was changed.
	b.open("/?metric=started-sessions&window=7d&by=day")
	ask[bool](b, `(document.querySelector("#from").focus(), document.querySelector("#to").focus(), document.querySelector("#to").blur(), true)`)
	if got := ask[string](b, `location.search`); !strings.Contains(got, "window=7d") {
		t.Errorf("the window is %s", got)
	}
	ask[bool](b, `(document.querySelector("#from").focus(), document.querySelector("#from").value = "2026-01-05", document.querySelector("#from").blur(), true)`)
	b.until(`location.search.includes("window=2026-01-05..")`)
}

// What stands in a fragment opens pages of this gateway alone, and what is no page is shown as the text that it is.
func TestPagesInAFragment(t *testing.T) {
	const key = "correct-horse-battery"
	s := serve(t, "--key="+key)
	b := s.tab()
	b.open("/?window=7d")
	b.do(chromedp.SendKeys(chromedp.CSS("#state input"), key+"\r"))
	b.until(`!document.querySelector("#view").hidden`)
	b.settled()
	ask[bool](b, `(() => { window.asked = []; const real = window.fetch; window.fetch = (url, o) => { if (!String(url).includes("?limit=1")) asked.push(String(url));
		const type = /mvpd\.(csv|json)/.exec(String(url));
		return type ? Promise.resolve(new Response("mvpd\n<form action=x><input autofocus><button>evil</button></form><img src=x>", {headers: {"Content-Type": type[1] === "csv" ? "text/csv" : "application/json"}})) : real(url, o); }; return true; })()`)
	goTo := func(fragment string) {
		ask[bool](b, fmt.Sprintf(`(location.hash = %q, true)`, fragment))
		b.until(`!document.querySelector("#page").hidden && document.querySelector("#page").textContent !== ""`)
	}
	for _, file := range []string{"csv", "json"} { // the one is saved, the other shown
		ask[bool](b, `(window.saved = "", HTMLAnchorElement.prototype.click = function () { window.saved = this.download; }, true)`)
		goTo("/cmu/v2/tenant/year/month/mvpd." + file + "?start=2026-10-01&end=2026-11-01")
		if ask[bool](b, `document.querySelector("#page").querySelector("form, input, button, img") !== null`) {
			t.Errorf("the page shows %s", ask[string](b, `document.querySelector("#page").innerHTML`))
		}
		if saved := ask[string](b, `window.saved`); (saved != "") != (file == "csv") || strings.Contains(b.text("#page"), "<form action=x>") != (file == "json") {
			t.Errorf("%s is saved as %q, and the page shows %s", file, saved, b.text("#page"))
		}
	}
	for _, elsewhere := range []string{"//127.0.0.1:29999/x", `/\127.0.0.1:29999/x`, "//" + strings.TrimPrefix(s.sandbox, "http://") + "/x"} {
		ask[bool](b, `(window.asked = [], document.querySelector("#page").textContent = "", true)`)
		goTo(elsewhere)
		if asked := ask[[]string](b, `window.asked`); len(asked) > 0 || !strings.Contains(b.text("#page"), "no place of this gateway") {
			t.Errorf("%s asks for %q, and shows %s", elsewhere, asked, b.text("#page"))
		}
	}
	goTo("/%")
	goTo("/catalog")
	b.until(`document.querySelector("#page h1")?.textContent === "Catalogue"`)
	if got := ask[string](b, `document.title`); !strings.Contains(got, "Catalogue") {
		t.Errorf("the title is %s", got)
	}
	// Forgetting the key leaves no page of the data's behind.
	b.click("#forget")
	b.until(`document.querySelector("#page").hidden && document.querySelector("#page").textContent === "" && document.querySelector("#state input")`)
	// Whoever follows such an address without a key is asked for one, and sees the page then.
	other := s.tab()
	other.do(chromedp.Navigate(s.url + "/#/status"))
	other.until(`!document.querySelector("#result").hidden && document.querySelector("#state input")`)
	other.settled()
	other.do(chromedp.SendKeys(chromedp.CSS("#state input"), key+"\r"))
	other.until(`document.querySelector("#page h1")?.textContent === "Status" && !document.querySelector("#page").hidden`)
	ask[bool](other, `(location.hash = "", true)`)
	other.until(`!document.querySelector("#view").hidden && document.querySelector("#view").checkVisibility()`)
}
