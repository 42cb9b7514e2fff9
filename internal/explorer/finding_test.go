package explorer_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// calls is how many reports the simulated Adobe was asked for.
func (s *server) calls() int {
	s.t.Helper()
	answer, err := http.Get(s.sandbox + "/_sandbox/stats")
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	var doc struct{ Report int }
	body, err := io.ReadAll(answer.Body)
	if err == nil {
		err = json.Unmarshal(body, &doc)
	}
	if err != nil {
		s.t.Fatalf("%v: %s", err, body)
	}
	return doc.Report
}

// A report is found in a few calls of a gateway that knows nothing yet; what Adobe does not have costs no more than a bound.
func TestFindingIsBounded(t *testing.T) {
	for _, query := range []string{"window=7d&split=mvpd", "window=7d&split=platform", "window=7d&split=application-id&by=day", "metric=users&split=concurrency-level&window=12m&by=month", "window=7d&split=channel&is=mvpd=Cox&metric=started-sessions"} {
		s := serve(t)
		b := s.tab()
		b.open("/?" + query)
		if ask[bool](b, `document.querySelector("#view").hidden`) {
			t.Errorf("%s shows %s", query, b.seen())
		}
		if n := s.calls(); n > 50 {
			t.Errorf("%s: %d calls", query, n)
		}
	}
	s := serve(t)
	b := s.tab()
	b.open("/?window=7d&split=nonsense&is=nothing=1&metric=none")
	b.until(`document.querySelector("#state").dataset.kind === "none"`)
	b.settled()
	first := s.calls()
	if text := b.text("#state"); first > 40 || !strings.Contains(text, "so far") {
		t.Errorf("%d calls, and it shows %s", first, text)
	}
	// More is followed where people ask for it.
	b.click(`#state .row button:last-child`)
	b.until(`document.querySelector("#result").getAttribute("aria-busy") === "false" && document.querySelector("#state").dataset.kind === "none"`)
	if more := s.calls() - first; more < 5 || more > 40 {
		t.Errorf("%d more calls", more)
	}
}
