package sandbox_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"cmu-gateway/internal/sandbox"
)

func BenchmarkDaily25Months(b *testing.B) {
	benchmarkReport(b, "/tenant/year/month/day?start=2024-06", "")
}

func BenchmarkDaily25MonthsByMVPD(b *testing.B) {
	benchmarkReport(b, "/tenant/year/month/day/mvpd/platform/application-id?start=2024-06&limit=1000000", "gzip")
}

func BenchmarkHourlyYear(b *testing.B) {
	benchmarkReport(b, "/tenant/year/month/day/hour/mvpd/platform/application-id?start=2025-07&limit=1000000", "")
}

func benchmarkReport(b *testing.B, path, encoding string) {
	r := newRig(b)
	for b.Loop() {
		q := httptest.NewRequest(http.MethodGet, sandbox.ReportsPath+path, nil)
		q.Header.Set("Authorization", "Bearer "+r.token)
		q.Header.Set("Accept-Encoding", encoding)
		w := &nobody{header: http.Header{}}
		r.ServeHTTP(w, q)
	}
	c := r.Counts()
	b.ReportMetric(float64(c.Rows)/float64(c.Served), "rows/op")
}
