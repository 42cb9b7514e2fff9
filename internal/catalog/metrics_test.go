package catalog

import (
	"os"
	"strings"
	"testing"
)

// The page, the description of the API and the docs say the same of metrics: all have it from here.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), Table()) {
		t.Errorf("docs/metrics.md lacks the table:\n\n%s", Table())
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "docs/metrics.md") {
		t.Error("the README does not lead to docs/metrics.md")
	}
	seen := map[string]bool{}
	for _, m := range Metrics {
		if seen[m.Name] || m.Title == "" || !strings.HasSuffix(m.Meaning, ".") || m.Distinct != strings.HasSuffix(m.Name, "users") {
			t.Errorf("%+v", m)
		}
		seen[m.Name] = true
	}
}
