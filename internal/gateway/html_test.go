package gateway

import (
	"strings"
	"testing"
)

func TestPageShowsFirstRows(t *testing.T) {
	r := newRig(t)
	got := r.ok("/cmu/v2/year/month/day/hour/mvpd?start=2026-06-01&end=2026-07-01", "Accept", "text/html")
	if n := len(table(t, "html", got.body)); n != maxPageRows || !strings.Contains(got.body, "Only the first 5,000 of ") {
		t.Errorf("%d rows", n)
	}
	if !strings.Contains(got.body, `format=csv">CSV</a>`) {
		t.Error("no link to the whole")
	}
}

func TestPageEscapesAndConfines(t *testing.T) {
	r := newRig(t)
	got := r.ok(`/cmu/v2/year/month/day.html?start=2026-06-01&end=2026-06-03&mvpd=%22%3E%3Cscript%3Ealert(1)%3C/script%3E&metrics=active-users`)
	if strings.Contains(got.body, "<script") || !strings.Contains(got.body, "&lt;script&gt;") {
		t.Error("a filter's value is markup")
	}
	if got.Header.Get("Content-Security-Policy") != pagePolicy || strings.Contains(got.body, "src=") || strings.Contains(got.body, "http://") {
		t.Errorf("%v", got.Header)
	}
	if !strings.Contains(got.body, "There are no rows in this window.") {
		t.Error("an empty report is not explained")
	}
	shown := r.ok(days, "Accept", "text/html,*/*;q=0.8").body
	for _, want := range []string{
		`<a href="/cmu/v2/tenant/year/month?start=2026-06-01&amp;end=2026-07-01">month</a>`, // roll up with the same query
		`<a href="/cmu/v2/tenant/year/month/day/hour?start=2026-06-01&amp;end=2026-07-01">hour</a>`,
		`<a href="/cmu/v2/tenant/year/month/day?start=2026-06-01&amp;end=2026-07-01&amp;format=xml">XML</a>`,
		`<td class="n">41,789</td>`, `<td>2026</td>`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}
