package start

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestEnvironment starts this test as a process whose environment is at fault.
func TestEnvironment(t *testing.T) {
	if os.Getenv("START") != "" {
		Environment()
		t.Fatal("it has started")
	}
	cmd := exec.Command(os.Args[0], "-test.run=TestEnvironment$")
	cmd.Env = []string{"START=1", "CMU_ENVIRONMENT=prod", "CMU_ROW_LIMIT=0", "AWS_SECRET_ACCESS_KEY=hunter2", "AWS_LAMBDA_LOG_FORMAT=JSON"}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("got %v, want exit code 1", err)
	}
	for _, want := range []string{`"level":"ERROR"`, "CMU_ENVIRONMENT: ", "CMU_ROW_LIMIT: ", "AWS_REGION: ", "AWS_ACCESS_KEY_ID: "} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the log does not hold %s: %s", want, out)
		}
	}
	if strings.Contains(string(out), "hunter2") {
		t.Errorf("the log shows a key: %s", out)
	}
}
