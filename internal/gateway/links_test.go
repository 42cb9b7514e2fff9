package gateway

import (
	"context"
	"strings"
	"testing"

	"cmu-gateway/internal/sandbox"
)

func TestPlaceOfLink(t *testing.T) {
	for _, test := range []struct {
		href, path string
		up         bool
		want       string // empty: nowhere
	}{
		{"/cmu/v2/year/month", "year", false, "/year/month"},
		{"/v2/year/month", "year", false, "/year/month"},
		{"https://cm-reports.adobeprimetime.com/v2/year/month", "year", false, "/year/month"},
		{"https://reports.example/proxied/year/month?limit=5#x", "year", false, "/year/month"},
		{"/a/b/year/month", "year", false, "/year/month"},
		{"/a/b/year", "year/month", true, "/year"},
		{"/a/b", "year", true, "/"},
		{"/a/b/", "year", true, "/"},
		{"/cmu/v2", "year", true, "/"},
		{"/cmu/v2/", "year", true, "/"},
		{"/year/month", "year", false, "/year/month"},
		{"/cmu/v2/year/month/day/tenant/mvpd", "billing/daily", false, "/year/month/day/tenant/mvpd"},
		{"/cmu/v2/year/month/day", "billing/daily", true, "/year/month/day"},
		{"/x/v9/cmu/v2/a%2Fb/c%20d", "a/b", false, "/a/b/c%20d"},
		{"//evil.example/cmu/v2/year", "", false, "/year"},
		{"javascript:alert(1)", "year", false, "/"},
		{"/cmu/v2/../../etc", "year", false, ""},
		{"/cmu/v2/year/%0d%0aX:1", "year", false, ""},
		{"/cmu/v2/year/..%2fadmin", "year", false, ""},
		{"/cmu/v2/year%2fmonth", "year", false, "/year/month"},
		{"/cmu/v2/year/..%5cadmin", "year", false, ""},
		{"/cmu/v2/year/..;x", "year", false, ""},
		{"/cmu/v2/year/a%3bx=1", "year", false, ""},
		{"/cmu/v2/year/%252e%252e", "year", false, ""},
		{"/cmu/v2/year/%2e%2e/x", "year", false, ""},
		{"/cmu/v2/year/a%25", "year", false, ""},
		{"/cmu/v2/year/a%E2%80%AEb", "year", false, ""},
		{"/cmu/v2/%zz", "year", false, ""},
		{":", "year", false, ""},
		{"/cmu/v2/" + strings.Repeat("x", 5000), "year", false, ""},
	} {
		var path []string
		for p := range strings.SplitSeq(test.path, "/") {
			if p != "" {
				path = append(path, p)
			}
		}
		got, ok := leadsTo(test.href, path, test.up)
		text := ""
		if ok {
			text = pathOf(got)
			if text == "" {
				text = "/"
			}
		}
		if text != test.want {
			t.Errorf("%s from %s: %q, want %q", test.href, test.path, text, test.want)
		}
	}
}

// Whoever follows the links, under any prefix of Adobe's, meets reports and Adobe's own refusals, and can come back.
func TestLinksWalk(t *testing.T) {
	for _, prefix := range []string{"", "/v2", "https://reports.example/some/where"} {
		r := newRig(t)
		r.adobe.Behave(func(b *sandbox.Behaviour) { b.LinkPrefix = prefix })
		seen, queue := map[string]bool{}, []string{"/cmu/v2", "/cmu/v2/year"}
		for len(queue) > 0 && len(seen) < 40 {
			href := queue[0]
			queue = queue[1:]
			if seen[href] {
				continue
			}
			seen[href] = true
			got := r.get(href + "?start=2026-06-01&end=2026-06-02&limit=5")
			if got.StatusCode == 400 {
				got = r.get(href + "?start=2026-06-01&end=2026-06-02&limit=5&metrics=started-sessions")
			}
			if got.StatusCode != 200 {
				t.Fatalf("%s: %d %s", href, got.StatusCode, got.body)
			}
			h := decodeHAL(t, got.body)
			up := links(t, h.Links.RollUp)
			if len(up) == 0 != (href == "/cmu/v2") {
				t.Fatalf("%s: roll-up %v", href, up)
			}
			for _, l := range up {
				if strings.HasPrefix(href, l.Href+"/") != true {
					t.Fatalf("%s rolls up to %s", href, l.Href)
				}
			}
			for _, l := range links(t, h.Links.DrillDown) {
				if l.Href != href+"/"+l.Name {
					t.Fatalf("%s drills down to %s", href, l.Href)
				}
				queue = append(queue, l.Href)
			}
		}
		if len(seen) < 40 {
			t.Errorf("prefix %q: only %d places", prefix, len(seen))
		}
	}
}

func TestSelfLinkStatesEffectiveQuery(t *testing.T) {
	r := newRig(t, func(g *Gateway) { g.BasePath = func(context.Context) string { return "/live" } })
	h := decodeHAL(t, r.ok("/cmu/v2/year/month/day?metrics=started-sessions,active-users&start=2026-06-01&end=2026-06-03").body)
	self := h.Links.Self.Href
	for _, want := range []string{
		"/live/cmu/v2/year/month/day?", "start=2026-06-01", "end=2026-06-03", "metrics=started-sessions&metrics=active-users",
	} {
		if !strings.Contains(self, want) {
			t.Errorf("self link %s lacks %s", self, want)
		}
	}
	if up := links(t, h.Links.RollUp); len(up) != 1 || up[0] != (halLink{"/live/cmu/v2/year/month", "month"}) {
		t.Errorf("roll-up %v", up)
	}
	for _, l := range links(t, h.Links.DrillDown) {
		if l.Href != "/live/cmu/v2/year/month/day/"+l.Name {
			t.Errorf("drill-down %v", l)
		}
	}
	if len(links(t, h.Links.DrillDown)) == 0 {
		t.Error("no drill-down")
	}
}

// The self link of an answer that is put together of what is kept asks for that very answer.
func TestSelfLinkLeadsBack(t *testing.T) {
	r := newRig(t)
	r.prove()
	for _, query := range []string{"", "&metrics=started-sessions", "&tenant=ACME", "&mvpd!=Cablevision"} {
		for _, window := range []string{"start=2026-06-01&end=2026-06-03", "start=2026-06-02&end=2026-06-04"} {
			first := decodeHAL(t, r.ok("/cmu/v2/tenant/year/month/day/mvpd?"+window+query).body)
			again := decodeHAL(t, r.ok(first.Links.Self.Href).body)
			if again.Links.Self.Href != first.Links.Self.Href || len(again.Report) != len(first.Report) {
				t.Errorf("%s%s: %s leads to %s", window, query, first.Links.Self.Href, again.Links.Self.Href)
			}
			r.after.Run()
		}
	}
}
