package main

import (
	"strings"
	"testing"

	"cmu-gateway/internal/settings"
)

// TestHelpEnvironment makes sure that the help tells the variables that count here, with their defaults, and no others.
func TestHelpEnvironment(t *testing.T) {
	var b strings.Builder
	helpEnvironment(&b)
	told := map[string]string{}
	for line := range strings.Lines(b.String()) {
		if name, text, ok := strings.Cut(strings.TrimSpace(line), "  "); ok && strings.HasPrefix(name, "CMU_") {
			told[name] = strings.TrimSpace(text)
		}
	}
	for _, v := range settings.Variables() {
		text, ok := told[v.Name]
		if here := v.Where&settings.Laptop != 0; ok != here {
			t.Errorf("%s is told: %v, counts here: %v", v.Name, ok, here)
		}
		if ok && (!strings.HasPrefix(text, v.Meaning) || !strings.HasSuffix(text, "(default "+v.Default+")") && v.Default != "") {
			t.Errorf("%s: %q", v.Name, text)
		}
		delete(told, v.Name)
	}
	for name := range told {
		t.Errorf("%s is told and does not exist", name)
	}
}
