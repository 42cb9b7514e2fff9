package gateway

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/rows"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"

	"pgregory.net/rapid"
)

// Numbers are numbers, and only such fields as always hold some.
func TestNDJSONNumbers(t *testing.T) {
	for _, numbers := range []bool{false, true} { // as Adobe may write them
		r := newRig(t)
		r.adobe.Behave(func(b *sandbox.Behaviour) { b.JSONNumbers = numbers })
		got := r.ok("/cmu/v2/year/month/concurrency-level/tenant.ndjson?start=2026-05&end=2026-06")
		line, _, _ := strings.Cut(got.body, "\n")
		if !strings.HasPrefix(line, `{"year":2026,"month":5,"concurrency-level":"1","tenant":"ACME","users":`) || strings.HasSuffix(line, `"}`) {
			t.Errorf("numbers %v: %s", numbers, line)
		}
		dated := r.ok("/cmu/v2/tenant/year/month/day.ndjson?start=2026-05-01&end=2026-05-02&metrics=active-users")
		if !strings.HasPrefix(dated.body, `{"tenant":"ACME","year":2026,"month":5,"day":1,"active-users":`) {
			t.Errorf("numbers %v: %s", numbers, dated.body)
		}
	}
}

// Whatever Adobe writes, a line is an object with the same values.
func TestNDJSONIsJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.String(), rapid.StringMatching(`-?[0-9]{0,3}\.?[0-9]{0,3}([eE][+-]?[0-9]{0,2})?`))
		fields := rapid.MapOfN(rapid.SampledFrom([]string{"tenant", "year", "users", "Other \"name\"", "x"}), value, 1, 5).Draw(t, "fields")
		row, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		w := rows.NewWriter()
		if _, err := cmu.ReadReport(strings.NewReader(`{"report":[`+string(row)+`]}`), func(r cmu.Row) error { w.Add(r); return nil }); err != nil {
			t.Fatal(err)
		}
		a := &reports.Answer{Request: cmu.Request{Path: []string{"tenant", "year"}}, Fragments: []rows.Fragment{w.Fragment()}, Rows: 1}
		var out bytes.Buffer
		if err := Encode(t.Context(), &out, a, reports.FromMemory, a.Request, "ndjson", Form{}); err != nil {
			t.Fatal(err)
		}
		var got map[string]json.RawMessage
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || len(got) != len(fields) || strings.Count(out.String(), "\n") != 1 {
			t.Fatalf("%s: %v", out.String(), err)
		}
		for name, want := range fields {
			if name != "tenant" && numberForm.MatchString(want) {
				if string(got[name]) != want {
					t.Fatalf("%s: %s, want the number %s", name, got[name], want)
				}
				continue
			}
			var text string
			if err := json.Unmarshal(got[name], &text); err != nil || text != strings.ToValidUTF8(want, "\ufffd") {
				t.Fatalf("%s: %s, want the text %q, %v", name, got[name], want, err)
			}
		}
	})
}

// numberForm is the grammar of RFC 8259, section 6.
var numberForm = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
