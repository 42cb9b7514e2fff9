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
