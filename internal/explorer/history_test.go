package explorer_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/gateway"
	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/rig"
	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

// years is a gateway over a simulated Adobe, both on a clock that the test moves over years.
type years struct {
	*server
	clock   *rig.Clock
	after   *rig.After
	service *reports.Service
}

func serveYears(t *testing.T, change func(*plan.Policy)) *years {
	t.Helper()
	clock := &rig.Clock{}
	clock.Go()
	y := &years{clock: clock, after: &rig.After{}}
	adobe, log, policy := rig.NewAdobe(t, clock), rig.NewLog(t), rig.Policy
	change(&policy)
	token := func() (upstream.Token, error) { return upstream.Token{Value: adobe.Token.Value}, nil }
	y.service = reports.New(reports.Options{
		Client: adobe.Client, Store: rig.NewStore(t, clock), Policy: policy, RowLimit: 10_000, Parallel: 4, Memory: 64 << 20,
		Token:   func(context.Context) (upstream.Token, error) { return token() },
		Refused: func(context.Context, cmu.Secret) (upstream.Token, error) { return token() },
		Licence: func(context.Context) (string, bool) { return "", true },
		Now:     clock.Now, Sleep: clock.Sleep, After: y.after.Go, Log: log.Logger,
	})
	if v, err := y.service.Prove(t.Context(), cmu.Request{Path: []string{"tenant", "year", "month", "day"}}); err != nil || !v.Proven {
		t.Fatalf("verdict %+v, %v", v, err)
	}
	g := gateway.Gateway{Reports: y.service, Now: clock.Now, Log: log.Logger, Version: "1.2.3"}
	front := httptest.NewServer(g.Handler())
	t.Cleanup(front.Close)
	y.server = &server{t: t, url: front.URL}
	return y
}

const (
	april  = "/?metric=active-sessions&by=day&window=2025-04-01..2025-05-01"
	report = "/cmu/v2/tenant/year/month/day.csv?start=2025-04-01&end=2025-05-01"
)

// rows are those of the table, once all are there.
func (b *tab) rows(n string) string {
	b.t.Helper()
	b.until(`document.querySelector("#numbers").dataset.rows === "` + n + `"`)
	return b.text("#numbers tbody")
}

// What was kept is shown as ever though Adobe no longer has it: the same numbers, no note, and like is compared with like.
func TestKeptHistory(t *testing.T) {
	y := serveYears(t, func(p *plan.Policy) { p.Keep = true })
	b := y.tab()
	b.open(april + "&compare=before")
	numbers, figures := b.rows("30"), b.text("#summary")
	if strings.Contains(numbers, "–") || !strings.Contains(figures, "%") {
		t.Fatalf("it shows %s\n%s", figures, numbers)
	}
	y.after.Run()
	y.clock.Add(27 * 30 * 24 * time.Hour)
	b = y.tab() // another browser's: the one keeps answers as long as they are fresh
	b.open(april + "&compare=before")
	if got := b.rows("30"); got != numbers || b.text("#summary") != figures {
		t.Errorf("later it shows %s\n%s", b.text("#summary"), got)
	}
	if notes := b.text("#notes"); strings.Contains(notes, "no longer has") {
		t.Errorf("the notes: %s", notes)
	}
	// Half of what is compared with was not kept.
	b.open("/?metric=active-sessions&by=day&window=2025-03-11..2025-04-01&compare=before")
	b.notes("gone-before", "what was from Feb 18, 2025 to Mar 1, 2025 was not kept", "no change to tell")
	if strings.Contains(b.text("#summary"), "%") {
		t.Errorf("the figures: %s", b.text("#summary"))
	}
}

// What was never kept is a gap, whatever the page's own reckoning would be: the gateway alone tells.
func TestNeverKept(t *testing.T) {
	y := serveYears(t, func(*plan.Policy) {})
	b := y.tab()
	b.open(april)
	b.rows("30")
	y.clock.Add(27 * 30 * 24 * time.Hour)
	b = y.tab()
	if _, header := y.get(report); header.Get("Cmu-Before-Horizon") == "" {
		t.Fatalf("the gateway tells nothing: %v", header)
	}
	b.open(april)
	b.shows("gone", "Adobe no longer has it", "from Apr 1, 2025 to May 1, 2025", "not kept here", "not “no usage”")
	// A window that reaches back over the horizon has a gap there, and nothing is compared with what is known in part.
	now := y.clock.Now().UTC()
	start := time.Date(now.Year(), now.Month()-26, 1, 0, 0, 0, 0, time.UTC)
	window := start.Format(time.DateOnly) + ".." + start.AddDate(0, 2, 0).Format(time.DateOnly)
	b.open("/?metric=active-sessions&by=day&compare=before&window=" + window)
	b.notes("gone", "Adobe no longer has all of what was from", "A gap there is not “no usage”")
	b.until(`document.querySelector("#numbers").dataset.rows > 50`)
	if got := b.text("#numbers tbody tr td"); got != "–" {
		t.Errorf("the first day has %s", got)
	}
	if strings.Contains(b.text("#summary"), "%") || !strings.Contains(b.text("#notes"), "no change to tell") {
		t.Errorf("the figures: %s, the notes: %s", b.text("#summary"), b.text("#notes"))
	}
}

// The header alone decides: with it a window of today has gaps, without it one of long ago has none.
func TestTheHeaderTells(t *testing.T) {
	b := serve(t).tab()
	b.open("/?metric=active-sessions&by=day&window=7d")
	b.rows("7")
	day := time.Now().UTC().AddDate(0, 0, -5).Format(time.DateOnly)
	ask[bool](b, `(() => { const real = window.fetch; window.fetch = async (url, o) => { const r = await real(url, o); if (!String(url).includes(".csv")) return r;
		const lines = (await r.text()).trim().split("\n"); const headers = new Headers(r.headers);
		headers.set("Cmu-Before-Horizon", '?1; from="2020-01-01"; until="`+day+`", ?1;from="2020-02-01";until="2020-02-02"');
		return new Response(lines.slice(0, 1).concat(lines.slice(4)).join("\n") + "\n", {headers}); }; document.querySelector('[data-chart="line"]').click(); return true; })()`)
	b.notes("gone", "Adobe no longer has all of what was from Jan 1, 2020 to", ", from Feb 1, 2020 to Feb 2, 2020")
	if got := b.text("#numbers tbody tr td"); got != "–" {
		t.Errorf("the first day has %s", got)
	}
}

// The hour that a clock skips is no hour without usage: a gap, of which a note tells.
func TestSkippedHour(t *testing.T) {
	s := serve(t)
	s.behave(`{"zone": "America/New_York"}`)
	b := s.tab()
	b.open("/?window=2026-03-08..2026-03-09&by=hour&metric=active-sessions")
	b.notes("skipped", "02:00 has no row", "a clock may go forward")
	if got := b.text("#numbers tbody tr:nth-child(3)"); !strings.Contains(got, "02:00") || !strings.HasSuffix(got, "–") {
		t.Errorf("the hour has %s", got)
	}
	b.open("/?window=2026-03-15..2026-03-16&by=hour&metric=active-sessions")
	if notes := b.text("#notes"); strings.Contains(notes, "has no row") {
		t.Errorf("the notes of another night: %s", notes)
	}
}
