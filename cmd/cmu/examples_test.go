package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/sandbox"
)

// examples are the commands that help shows, in the order of the overview and of the commands.
func examples() (lines []string) {
	var text strings.Builder
	overview(&text)
	for _, c := range commands() {
		text.WriteString(c.examples)
	}
	for line := range strings.Lines(text.String()) {
		line = strings.TrimSpace(line)
		for _, begins := range []string{"cmu ", "curl ", "CMU_"} {
			// The overview has sentences that begin so.
			if strings.HasPrefix(line, begins) && !strings.Contains(line, " serves Adobe") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// shop is where examples run: a folder of their own, and a simulated Adobe in Adobe's place.
type shop struct {
	t     *testing.T
	dir   string
	adobe string // its address
}

// TestExamplesWork runs every example of help in a shell, as it stands but for addresses: those of Adobe and of cmu sandbox are that of
// a simulated Adobe, and what would listen at a fixed port listens at a free one.
func TestExamplesWork(t *testing.T) {
	s := &shop{t: t, dir: t.TempDir()}
	statement := sandbox.New(sandbox.Options{Seed: defaultSeed}).Statement()
	if err := os.WriteFile(filepath.Join(s.dir, "statement.txt"), []byte(statement), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := listen("127.0.0.1:0", "")
	if err != nil {
		t.Fatal(err)
	}
	s.adobe = l.Addr().String()
	l.Close()
	adobe := s.begin("cmu sandbox --latency 0s --listen "+s.adobe, false)
	defer adobe()
	lines := examples()
	if len(lines) < 25 {
		t.Errorf("only %d examples were found", len(lines))
	}
	for _, line := range lines {
		s.run(line)
	}
}

// run runs an example to its end, or until it serves.
func (s *shop) run(line string) {
	_, serves, isServe := strings.Cut(line, "cmu serve")
	isSandbox := strings.HasPrefix(line, "cmu sandbox")
	// The demo needs an environment without Adobe, as whoever tries it has.
	named := !isSandbox && !strings.Contains(line, "--sandbox") && (!isServe || serves != "")
	line = strings.NewReplacer("https://mgmt.auth.adobe.com", "http://"+s.adobe, "http://127.0.0.1:8090", "http://"+s.adobe,
		"--listen 127.0.0.1:9000", "--listen 127.0.0.1:0").Replace(line)
	if (isServe || isSandbox) && !strings.Contains(line, "--listen") {
		line += " --listen 127.0.0.1:0"
	}
	if isServe || isSandbox {
		s.begin(line, named)()
		return
	}
	c := s.command(line, named)
	if out, err := c.CombinedOutput(); err != nil {
		s.t.Errorf("%s: %v: %s", line, err, out)
	}
}

func (s *shop) command(line string, named bool) *exec.Cmd {
	c := exec.CommandContext(s.t.Context(), "sh", "-c", line)
	c.Dir = s.dir
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "XDG_CONFIG_HOME=" + filepath.Join(s.dir, "demo")}
	if named {
		c.Env = append(c.Env, "XDG_CONFIG_HOME="+filepath.Join(s.dir, "config"), "CMU_AUTH_URL=http://"+s.adobe, "CMU_REPORTS_URL=http://"+s.adobe+"/cmu/v2")
	}
	return c
}

// begin starts what serves, waits until it says that Ctrl-C ends it, and returns what does that.
func (s *shop) begin(line string, named bool) (end func()) {
	s.t.Helper()
	c := s.command(line, named)
	// The shell becomes the last command, so that a signal reaches it.
	at := strings.Index(line, "cmu ")
	c.Args[2] = line[:at] + "exec " + line[at:]
	if at > 0 {
		c.Args[2] = "export " + line[:at] + "; exec " + line[at:]
	}
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	hangs := time.AfterFunc(time.Minute, func() { c.Process.Kill() })
	text := bufio.NewScanner(out)
	said := ""
	for !strings.Contains(said, "Ctrl-C ends it") && text.Scan() {
		said += text.Text() + "\n"
	}
	return func() {
		s.t.Helper()
		c.Process.Signal(os.Interrupt)
		for text.Scan() {
		}
		err := c.Wait()
		if hangs.Stop(); err != nil || !strings.Contains(said, "Ctrl-C ends it") {
			s.t.Errorf("%s: %v: %s%s", line, err, said, errs.String())
		}
	}
}
