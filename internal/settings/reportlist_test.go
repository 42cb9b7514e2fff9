package settings

import (
	"strings"
	"testing"
)

func TestReportList(t *testing.T) {
	s, err := FromEnv([]string{"CMU_ARCHIVE_REPORTS=  tenant/year/month/day/mvpd   mvpd/year/month?metrics=users&tenant=a%20b "})
	if err != nil || len(s.ArchiveReports) != 2 || s.ArchiveReports.String() != "tenant/year/month/day/mvpd mvpd/year/month?metrics=users&tenant=a%20b" {
		t.Errorf("%q, %v", s.ArchiveReports, err)
	}
	for text, want := range map[string]string{
		"a?start=2026": "leave out", "a?limit=5": "leave out", "a a?start=x": "start", strings.Repeat("a ", 101): "more than 100",
	} {
		if _, err := FromEnv([]string{"CMU_ARCHIVE_REPORTS=" + text}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestWarmList(t *testing.T) {
	s, err := FromEnv([]string{"CMU_WARM= tenant/year/month/day/mvpd?last=35d  tenant/year/month/day/hour?tenant=a%20b&last=8d tenant/year/month?start=-1y&end=this-month tenant/year/month?last=2m "})
	want := "tenant/year/month/day/mvpd?start=-35d tenant/year/month/day/hour?tenant=a%20b&start=-8d tenant/year/month?start=-1y&end=this-month tenant/year/month?start=-2m"
	if err != nil || s.Warm.String() != want {
		t.Errorf("%q, %v", s.Warm, err)
	}
	if got := s.Archived().String(); got != "tenant/year/month/day/mvpd tenant/year/month/day/hour?tenant=a%20b tenant/year/month" {
		t.Errorf("archived: %q", got)
	}
	s.ArchiveReports = Reports{"year/month"}
	if got := s.Archived().String(); got != "year/month" {
		t.Errorf("archived: %q", got)
	}
	for text, want := range map[string]string{
		"tenant/year":                             "no window",
		"tenant/year?end=now":                     "no window",
		"tenant/year?start=2026-01-01":            "does not move",
		"tenant/year?start=-1y&end=2026-01-01":    "does not move",
		"tenant/year?last=35":                     "start",
		"tenant/year?last=-35d":                   "start",
		"tenant/year?last=":                       "start",
		"tenant/year?last=1d&start=-2d":           "start",
		"tenant/year?last=1d&limit=5":             "limit",
		"tenant/year/month/day?start=-1d&end=-5d": "begins before it ends",
		"?last=1d": "no path",
		strings.Repeat("tenant/year?last=1y ", 101):   "more than 100",
		"tenant/year?last=1y tenant//year?last=1y":    "tenant//year",
		"tenant/year/month/day/mvpd?last=35d&last=8d": "start",
	} {
		_, err := FromEnv([]string{"CMU_WARM=" + text})
		if err == nil || !strings.Contains(err.Error(), "CMU_WARM: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v", text, err)
		}
		if err != nil && !strings.Contains(err.Error(), "100") && !strings.Contains(err.Error(), "tenant/year/month/day/mvpd?last=35d") {
			t.Errorf("%.40q: what is allowed is not told: %v", text, err)
		}
	}
}

func TestBucketName(t *testing.T) {
	for _, text := range []string{"s3://reports", "s3://reports/", "s3://my.reports-1/of/acme"} {
		if s, err := FromEnv([]string{"CMU_ARCHIVE=" + text}); err != nil || s.Archive != text {
			t.Errorf("%q: %q, %v", text, s.Archive, err)
		}
	}
	for _, text := range []string{"reports", "s3://", "s3://R", "s3://ab", "s3://reports?x", "https://reports.s3.amazonaws.com", "s3://reports/a b"} {
		if _, err := FromEnv([]string{"CMU_ARCHIVE=" + text}); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
