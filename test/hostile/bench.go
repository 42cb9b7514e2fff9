package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"cmu-gateway/internal/sandbox"
)

// bench has a simulated Adobe in this process and a cmu serve in another.
type bench struct {
	binary, dir string
	bound       int64 // of its memory
	adobe       *sandbox.Sandbox
	server      *httptest.Server
	serve       *exec.Cmd
	out         *bytes.Buffer
	base        string   // of the gateway
	limit       string   // of the shell that begins it, such as ulimit -n 24; empty: none
	environ     []string // of cmu
	statement   string   // a file
	slow        float64  // how much slower than by itself this machine was when the trial began

	peak int64         // the most memory that the cmu serve had resident, over all its starts
	cpu  time.Duration // that all of them took
}

// start begins the cmu serve, with settings beside those that name the simulated Adobe.
func (b *bench) start(ctx context.Context, settings ...string) error {
	if b.adobe == nil {
		b.adobe = sandbox.New(sandbox.Options{Seed: 7})
		if err := b.adobe.Change(func(a *sandbox.Behaviour) { a.NoThrottle = true }); err != nil {
			return err
		}
		b.server = httptest.NewServer(b.adobe)
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	b.statement = filepath.Join(b.dir, "statement.txt")
	if err := os.WriteFile(b.statement, []byte(b.adobe.Statement()), 0o600); err != nil {
		return err
	}
	b.environ = append(os.Environ(), "CMU_AUTH_URL="+b.server.URL, "CMU_REPORTS_URL="+b.server.URL+sandbox.ReportsPath)
	b.environ = append(b.environ, "CMU_ADOBE_TIMEOUT=10m") // what is large takes its time on a busy machine
	b.environ = append(b.environ, settings...)
	b.serve = b.command(context.WithoutCancel(ctx), "serve", "--statement", b.statement, "--listen", "127.0.0.1:0", "--json", "--quiet")
	b.out = new(bytes.Buffer)
	b.serve.Stderr = b.out
	pipe, err := b.serve.StdoutPipe()
	if err != nil {
		return err
	}
	if err := b.serve.Start(); err != nil {
		return err
	}
	var known struct {
		Gateway string `json:"gateway"`
	}
	if err := json.NewDecoder(bufio.NewReader(pipe)).Decode(&known); err != nil || known.Gateway == "" {
		b.kill()
		return fmt.Errorf("cmu serve does not answer: %w\n%s", err, b.out)
	}
	go io.Copy(io.Discard, pipe)
	b.base = known.Gateway
	return nil
}

// command is cmu on the data folder of the trial.
func (b *bench) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append(args, "--data", filepath.Join(b.dir, "data"))
	cmd := exec.CommandContext(ctx, b.binary, args...)
	if b.limit != "" {
		cmd = exec.CommandContext(ctx, "sh", append([]string{"-c", b.limit + ` && exec "$0" "$@"`, b.binary}, args...)...)
	}
	cmd.Env = b.environ
	return cmd
}

// proven asks for a report and waits until the gateway may slice by calendar: then no call is made but for what is asked.
func (b *bench) proven(ctx context.Context) error {
	if a, err := b.get(ctx, narrow); err != nil || a.status != 200 {
		return fmt.Errorf("%d %s, %w", a.status, a.body, err)
	}
	for range 200 {
		if a, err := b.get(ctx, "/status"); err != nil || bytes.Contains(a.body, []byte(`"proven": true`)) {
			return err
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("the calendar is not proven")
}

// faults has the simulated Adobe fail.
func (b *bench) faults(faults ...sandbox.Fault) error {
	return b.adobe.Change(func(a *sandbox.Behaviour) { a.Faults = faults })
}

// kill ends the cmu serve as a crash does.
func (b *bench) kill() {
	if b.serve == nil {
		return
	}
	b.peak = max(b.peak, b.resident())
	_ = b.serve.Process.Kill()
	_ = b.serve.Wait()
	b.cpu += b.serve.ProcessState.UserTime() + b.serve.ProcessState.SystemTime()
	b.serve = nil
}

func (b *bench) end() {
	b.kill()
	if b.server != nil {
		b.server.CloseClientConnections()
		b.server.Close()
	}
}

// resident is the most memory that the cmu serve had resident so far. Source: proc(5), VmHWM.
func (b *bench) resident() int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", b.serve.Process.Pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// files is how many files and connections the cmu serve has open.
func (b *bench) files() int {
	found, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", b.serve.Process.Pid))
	return len(found)
}

// busy is the CPU time that the cmu serve has taken so far. Source: proc(5), utime and stime, in hundredths of a second.
func (b *bench) busy() time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", b.serve.Process.Pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// client keeps no connection, follows nothing and takes what comes as it is.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}

// answer is what became of a request.
type answer struct {
	status int
	code   string // of a problem
	size   int64
	body   []byte // its beginning
	took   time.Duration
}

func (b *bench) get(ctx context.Context, path string, headers ...string) (answer, error) {
	return b.ask(ctx, http.MethodGet, path, headers...)
}

func (b *bench) ask(ctx context.Context, method, path string, headers ...string) (a answer, err error) {
	began := time.Now()
	q, err := http.NewRequestWithContext(ctx, method, b.base+path, nil)
	if err != nil {
		return a, err
	}
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	r, err := client.Do(q)
	if err != nil {
		return a, err
	}
	defer r.Body.Close()
	var head bytes.Buffer
	n, err := io.CopyN(&head, r.Body, 64<<10)
	if err == nil {
		var more int64
		more, err = io.Copy(io.Discard, r.Body)
		n += more
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return a, err
	}
	a = answer{status: r.StatusCode, size: n, body: head.Bytes(), took: time.Since(began)}
	var p struct {
		Code string `json:"code"`
	}
	if a.status >= 400 && json.Unmarshal(a.body, &p) == nil {
		a.code = p.Code
	}
	return a, nil
}

// connect opens a connection to the gateway and writes the beginning of a request.
func (b *bench) connect(ctx context.Context, text string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", strings.TrimPrefix(b.base, "http://"))
	if err != nil {
		return nil, err
	}
	_, err = io.WriteString(c, text)
	return c, err
}
