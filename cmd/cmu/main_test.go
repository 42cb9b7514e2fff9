package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/rogpeppe/go-internal/testscript"

	"cmu-gateway/internal/gateway"
	"cmu-gateway/internal/sandbox"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cmu": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("XDG_CONFIG_HOME", filepath.Join(e.WorkDir, "config"))
			adobe := sandbox.New(sandbox.Options{Seed: defaultSeed})
			other, err := adobe.StatementOf("GLOBEX")
			return errors.Join(err,
				os.WriteFile(filepath.Join(e.WorkDir, "globex.txt"), []byte(other), 0o600),
				os.WriteFile(filepath.Join(e.WorkDir, "statement.txt"), []byte(adobe.Statement()+"\n"), 0o600),
				os.WriteFile(filepath.Join(e.WorkDir, "expired.txt"), expired(adobe.Statement()), 0o600),
			)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"address": waitForAddress, "http": httpCall, "walk": walk, "stats": stats, "secretless": secretless, "code": code, "occupy": occupy,
			"proven": proven, "warm": warm, "free": free, "called": called, "parallel": parallel,
			"wrap": wrap, "blocked": blocked, "eventually": eventually, "settled": settled, "lose": lose,
		},
	})
}

// expired returns a statement whose signature is of no use, and which ended long ago.
func expired(good string) []byte {
	claims, _ := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"sub": "software", "iss": "issuer", "exp": 1_700_000_000}).
		SigningString()
	parts := strings.Split(good, ".")
	return []byte(parts[0] + "." + strings.Split(claims, ".")[1] + "." + parts[2])
}

// waitForAddress waits until a cmu serve has left its address in a folder, given as a pattern, and sets GATEWAY, SANDBOX, CONTROL and
// KEY to it. Negated, there must be none.
func waitForAddress(ts *testscript.TestScript, neg bool, args []string) {
	pattern := filepath.Join(ts.MkAbs(args[0]), "serve.json")
	for range 500 {
		files, err := filepath.Glob(pattern)
		ts.Check(err)
		if neg {
			if len(files) > 0 {
				ts.Fatalf("%s is still there", files[0])
			}
			return
		}
		if len(files) > 0 {
			var a address
			ts.Check(json.Unmarshal([]byte(ts.ReadFile(files[0])), &a))
			ts.Setenv("GATEWAY", a.Gateway)
			ts.Setenv("SANDBOX", a.Sandbox)
			ts.Setenv("CONTROL", a.Control)
			ts.Setenv("KEY", a.Key)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("no cmu serve has left its address in %s", pattern)
}

// proven waits until the gateway has found out that reports may be sliced by calendar: from then on counts of calls are certain.
func proven(ts *testscript.TestScript, _ bool, _ []string) {
	for range 500 {
		res, err := http.Get(ts.Getenv("GATEWAY") + "/status")
		ts.Check(err)
		var doc struct{ Calendar struct{ Proven bool } }
		err = json.NewDecoder(res.Body).Decode(&doc)
		res.Body.Close()
		ts.Check(err)
		if doc.Calendar.Proven {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("the calendar has not been proven")
}

// warm waits until all that the gateway is to keep warm is.
func warm(ts *testscript.TestScript, _ bool, _ []string) {
	for range 500 {
		res, err := http.Get(ts.Getenv("GATEWAY") + "/status")
		ts.Check(err)
		var doc gateway.Status
		err = json.NewDecoder(res.Body).Decode(&doc)
		res.Body.Close()
		ts.Check(err)
		if w := doc.WarmUp; w != nil && w.Fresh == w.Reports {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("not all has been kept warm")
}

// lose removes the files of a pattern, of which there must be some.
func lose(ts *testscript.TestScript, _ bool, args []string) {
	files, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(files) == 0 {
		ts.Fatalf("there is no %s", args[0])
	}
	for _, file := range files {
		ts.Check(os.Remove(file))
	}
}

// occupy listens at a free address until the script ends, and sets a variable to the address.
func occupy(ts *testscript.TestScript, _ bool, args []string) {
	l, err := listen("127.0.0.1:0", "")
	ts.Check(err)
	ts.Defer(func() { l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

// free sets a variable to an address that nobody listens at.
func free(ts *testscript.TestScript, _ bool, args []string) {
	l, err := listen("127.0.0.1:0", "")
	ts.Check(err)
	ts.Check(l.Close())
	ts.Setenv(args[0], l.Addr().String())
}

// httpCall makes a request: http METHOD URL [BODY]. Status, headers and body go to stdout. It waits for a server that only begins.
func httpCall(ts *testscript.TestScript, _ bool, args []string) {
	var res *http.Response
	for range 500 {
		req, err := http.NewRequest(args[0], args[1], strings.NewReader(strings.Join(args[2:], "")))
		ts.Check(err)
		req.Host = ts.Getenv("HOST") // empty: that of the URL
		if key := ts.Getenv("API_KEY"); key != "" {
			req.Header.Set("x-api-key", key)
		}
		if res, err = http.DefaultClient.Do(req); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if res == nil {
		ts.Fatalf("nothing answers at %s", args[1])
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	fmt.Fprintln(ts.Stdout(), res.Status)
	ts.Check(res.Header.Write(ts.Stdout()))
	fmt.Fprintf(ts.Stdout(), "\n%s\n", body)
}

// stats compares counts of the simulated Adobe: stats NAME=NUMBER...
func stats(ts *testscript.TestScript, _ bool, args []string) {
	counts := counts(ts)
	for _, arg := range args {
		name, want, _ := strings.Cut(arg, "=")
		if got, ok := counts[name]; !ok || strconv.Itoa(got) != want {
			ts.Fatalf("%s: %d, want %s", name, got, want)
		}
	}
}

func counts(ts *testscript.TestScript) (counts map[string]int) {
	res, err := http.Get(ts.Getenv("SANDBOX") + "/_sandbox/stats")
	ts.Check(err)
	defer res.Body.Close()
	ts.Check(json.NewDecoder(res.Body).Decode(&counts))
	return counts
}

// called waits until the simulated Adobe has been called: called NAME.
func called(ts *testscript.TestScript, _ bool, args []string) {
	for range 500 {
		if counts(ts)[args[0]] > 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	ts.Fatalf("%s was not called", args[0])
}

// parallel runs cmu that often at once: parallel NUMBER ARGS... All must succeed and print the same, which goes to stdout.
func parallel(ts *testscript.TestScript, _ bool, args []string) {
	times, err := strconv.Atoi(args[0])
	ts.Check(err)
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, "cmu")); err == nil {
			args[0] = filepath.Join(dir, "cmu")
			break
		}
	}
	outs, errs := make([]strings.Builder, times), make([]strings.Builder, times)
	var all sync.WaitGroup
	for i := range times {
		c := exec.Command(args[0], args[1:]...)
		c.Env = []string{"HOME=" + ts.Getenv("HOME"), "XDG_CONFIG_HOME=" + ts.Getenv("XDG_CONFIG_HOME")}
		c.Stdout, c.Stderr = &outs[i], &errs[i]
		all.Go(func() {
			if err := c.Run(); err != nil {
				fmt.Fprintf(&errs[i], "%v", err)
				outs[i].Reset()
			}
		})
	}
	all.Wait()
	for i := range times {
		if outs[i].String() != outs[0].String() || outs[i].Len() == 0 {
			ts.Fatalf("%s, not %s: %s%s", outs[i].String(), outs[0].String(), errs[i].String(), errs[0].String())
		}
	}
	fmt.Fprint(ts.Stdout(), outs[0].String())
}

// code runs cmu and compares its exit code: code NUMBER cmu ARGS...
func code(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

// walk follows the links of reports as a client does that knows nothing but HAL: walk BASE PATH NUMBER, breadth first.
func walk(ts *testscript.TestScript, _ bool, args []string) {
	base, err := url.Parse(args[0])
	ts.Check(err)
	most, err := strconv.Atoi(args[2])
	ts.Check(err)
	queue, seen := []string{args[1]}, map[string]bool{args[1]: true}
	visited, rows := 0, 0
	for ; len(queue) > 0 && visited < most; visited++ {
		at := queue[0]
		queue = queue[1:]
		ref, err := url.Parse(at)
		ts.Check(err)
		res, err := http.Get(base.ResolveReference(ref).String())
		ts.Check(err)
		var page struct {
			Links map[string]json.RawMessage `json:"_links"`
			Rows  []map[string]any           `json:"report"`
		}
		if res.StatusCode != http.StatusOK {
			ts.Fatalf("%s: %s", at, res.Status)
		}
		err = json.NewDecoder(res.Body).Decode(&page)
		res.Body.Close()
		ts.Check(err)
		for _, relation := range []string{"self", "roll-up", "drill-down"} {
			for _, href := range hrefs(ts, page.Links[relation]) {
				if !strings.HasPrefix(href, "/cmu/v2") {
					ts.Fatalf("%s: %s leads out of the gateway: %s", at, relation, href)
				}
				if relation != "self" && !seen[href] {
					seen[href] = true
					queue = append(queue, href)
				}
			}
		}
		if len(hrefs(ts, page.Links["self"])) != 1 {
			ts.Fatalf("%s: self %s", at, page.Links["self"])
		}
		rows += len(page.Rows)
	}
	if visited < most || rows < most {
		ts.Fatalf("the links lead to %d reports with %d rows, want %d", visited, rows, most)
	}
}

func hrefs(ts *testscript.TestScript, links json.RawMessage) (list []string) {
	type link struct{ Href string }
	var many []link
	if bytes.HasPrefix(links, []byte("{")) {
		many = make([]link, 1)
		ts.Check(json.Unmarshal(links, &many[0]))
	} else if len(links) > 0 {
		ts.Check(json.Unmarshal(links, &many))
	}
	for _, l := range many {
		list = append(list, l.Href)
	}
	return list
}

// aJWT is what statements and access tokens look like.
var aJWT = regexp.MustCompile(`eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+`)

// secretless fails when a file shows a secret of a folder, or anything like one: secretless FOLDER FILE...
func secretless(ts *testscript.TestScript, _ bool, args []string) {
	var credentials struct {
		Secret string `json:"client_secret"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(filepath.Join(args[0], "secrets", "credentials"))), &credentials))
	if credentials.Secret == "" {
		ts.Fatalf("there is no client secret to look for")
	}
	if !aJWT.MatchString(ts.ReadFile(filepath.Join(args[0], "secrets", "statement"))) {
		ts.Fatalf("the pattern does not match the statement")
	}
	for _, file := range args[1:] {
		text := ts.ReadFile(file)
		if text == "" {
			ts.Fatalf("%s is empty", file)
		}
		if strings.Contains(text, credentials.Secret) || aJWT.MatchString(text) {
			ts.Fatalf("%s shows a secret", file)
		}
	}
}
