package archive

import (
	"fmt"
	"strings"
	"testing"

	"cmu-gateway/internal/plan"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/rows"
	"cmu-gateway/pkg/cmu"
)

// counter is a writer that counts.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// BenchmarkWrite makes the file of a month of 67,000 rows by hour and MVPD: read twice, judged and written.
func BenchmarkWrite(b *testing.B) {
	const n = 67_000
	report, err := ParseReport("tenant/year/month/day/hour/mvpd")
	if err != nil {
		b.Fatal(err)
	}
	w := rows.NewWriter()
	for i := range n {
		row := fmt.Sprintf(`{"tenant":"ACME","year":"2026","month":"6","day":"%d","hour":"%d","mvpd":"MVPD %d"`, 1+i*30/n, i*720/n%24, i%93)
		for j, m := range knownMetrics()[:19] {
			row += fmt.Sprintf(`,"%s":"%d"`, m, (i*7919+j*104729)%(20_000>>j+10))
		}
		w.Add(cmu.Row(row + "}"))
	}
	a := &reports.Answer{Request: report.Request, Fragments: []rows.Fragment{w.Fragment()}, Rows: n}
	month := plan.Span{From: cmu.CivilDate(2026, 6, 1, 0, 0), To: cmu.CivilDate(2026, 7, 1, 0, 0)}
	out := &counter{}
	for b.Loop() {
		*out = counter{}
		each := rowsOf(a, month)
		l, err := report.label(a, each, true)
		if err == nil {
			err = writeFile(out, l, report.Grain, each)
		}
		if err != nil || l.Rows != n || !strings.Contains(l.Columns[0].Type, typeTimestamp) {
			b.Fatal(l.Rows, err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(out.n)/n, "bytes/row")
}
