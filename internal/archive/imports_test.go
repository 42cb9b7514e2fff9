package archive

import (
	"os/exec"
	"strings"
	"testing"
)

// What the archive stands on doubles the size of a function and its start. So the functions of reports and access are built without it.
func TestFunctionsWithoutArchive(t *testing.T) {
	for _, function := range []string{"query", "refresh", "register"} {
		c := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", "lambda.norpc", "./functions/"+function)
		c.Dir = "../.."
		out, err := c.Output()
		if err != nil || !strings.Contains(string(out), "cmu-gateway/internal/wire\n") {
			t.Fatalf("%s: %v", function, err)
		}
		for dependency := range strings.Lines(string(out)) {
			for _, heavy := range []string{"internal/archive", "parquet", "service/s3"} {
				if strings.Contains(dependency, heavy) {
					t.Errorf("%s is built with %s", function, strings.TrimSpace(dependency))
				}
			}
		}
	}
}
