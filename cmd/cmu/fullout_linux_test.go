package main

import (
	"os"
	"strings"
	"testing"

	"cmu-gateway/internal/rig"
)

// What could not be written is told, and is no success.
func TestOutputThatCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	for _, args := range [][]string{{"help"}, {"completion", "bash"}, {"help", "report"}, {"status", "--json"}, {"paths", "--data", "sandbox"}} {
		told := &rig.Transcript{}
		data := t.TempDir()
		if args[0] == "paths" || args[0] == "status" {
			args = append(args[:1:1], "--data", data, "--sandbox")
		}
		code := run(t.Context(), &terminal{stdout: full, stderr: told}, args)
		if code != exitFailure || !strings.Contains(told.String(), "no space left") {
			t.Errorf("%v: %d, %s", args, code, told)
		}
	}
}
