package plan

import (
	"errors"
	"strings"
	"testing"
	"time"

	"cmu-gateway/pkg/cmu"
)

func TestRelativeBounds(t *testing.T) {
	la, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 31, 3, 47, 20, 0, time.UTC) // the 30th in Los Angeles
	alias := func(r cmu.Request) []string {
		if r.Path[0] == "billing" {
			return []string{"year", "month"}
		}
		return r.Path
	}
	for _, c := range []struct {
		path, query string
		zone        *time.Location
		want        string
	}{
		{"year/month/day", "start=-30d", nil, "start=2026-03-01"},
		{"year/month/day", "start=-30d", la, "start=2026-02-28"},
		{"year/month/day", "start=-12h", nil, "start=2026-03-30"},
		{"year/month/day/hour", "start=-12h&end=now", nil, "start=2026-03-30T15:00"},
		{"year/month/day/hour/minute", "start=-1h&end=-0h", nil, "start=2026-03-31T02:47&end=2026-03-31T03:47"},
		{"year/month/day", "start=-1m", nil, "start=2026-02-28"},
		{"year/month", "start=-1m", nil, "start=2026-02-01"},
		{"year/month", "start=-13m&end=this-month", nil, "start=2025-02-01&end=2026-03-01"},
		{"year", "start=-2y", nil, "start=2024-01-01"},
		{"year/month/day", "start=-2w&end=today", nil, "start=2026-03-17&end=2026-03-31"},
		{"year/month/day", "start=yesterday&end=today", la, "start=2026-03-29&end=2026-03-30"},
		{"year/month/day", "start=last-month&end=this-month", nil, "start=2026-02-01&end=2026-03-01"},
		{"year/month/day", "start=TODAY", nil, "start=2026-03-31"},
		{"year/month/day.csv", "start=today&metrics=a&mvpd=-30d", nil, "mvpd=-30d&metrics=a&start=2026-03-31"},
		{"mvpd", "start=-1d", nil, "start=2026-03-30"},
		{"mvpd", "start=-3h&end=-1h", nil, "start=2026-03-31&end=2026-03-31T02:00"},
		{"billing/monthly", "start=-2d&end=today", nil, "start=2026-03-01&end=2026-03-01"},
		{"year/month/day", "start=today&end=NOW", nil, "start=2026-03-31"},
		{"year/month/day", "start=today&end=%20Now%20", nil, "start=2026-03-31"},
		{"year/month/day", "start=2026-01&end=now", nil, "start=2026-01-01"},
		{"year/month/day", "start=%2D30d", nil, "start=2026-03-01"},
	} {
		r, err := Policy{Zone: c.zone}.ParseRequest(c.path, c.query, now, alias)
		if _, query, _ := strings.Cut(r.Canonical(), "?"); err != nil || query != c.want {
			t.Errorf("%s?%s: %s, %v, want %s", c.path, c.query, query, err, c.want)
		}
	}
	for _, query := range []string{"start=-30", "start=30d", "start=--1d", "start=-30q", "start=tomorrow", "start=-99999d", "start=today&end=yesterday", "start=", "end=+1d"} {
		var e *cmu.RequestError
		if _, err := (Policy{}).ParseRequest("year/month/day", query, now, alias); !errors.As(err, &e) || !strings.Contains(e.Problem, "-30d") {
			t.Errorf("%s: %v, want what is allowed", query, err)
		}
	}
}
