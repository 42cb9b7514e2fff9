package explorer_test

import (
	"os"
	"testing"

	"cmu-gateway/internal/explorer"
)

// The modules that compute are tried where they run: in the browser. Each check of testdata/pure.js names what it found.
func TestPureModules(t *testing.T) {
	b := serve(t).tab()
	b.open("/")
	checks, err := os.ReadFile("testdata/pure.js")
	if err != nil {
		t.Fatal(err)
	}
	result := ask[struct {
		Checked int
		Failed  []string
	}](b, "("+string(checks)+`)("/assets/`+explorer.Hash()+`")`)
	for _, f := range result.Failed {
		t.Error(f)
	}
	if result.Checked < 60 {
		t.Errorf("only %d checks ran", result.Checked)
	}
}
