package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// wrap puts a statement into JSON as the console of Secrets Manager does, in UTF-16 as an editor does: wrap FILE FILE.
func wrap(ts *testscript.TestScript, _ bool, args []string) {
	object, err := json.Marshal(map[string]string{"software_statement": strings.TrimSpace(ts.ReadFile(args[0]))})
	ts.Check(err)
	text := []byte{0xff, 0xfe}
	for _, c := range object {
		text = append(text, c, 0)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
}

// blocked has nothing be kept in the data folders below a folder: what stands in the way is where a probe would be written.
func blocked(ts *testscript.TestScript, _ bool, args []string) {
	places, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "*", "secrets"))
	ts.Check(err)
	if len(places) == 0 {
		ts.Fatalf("there is no data folder below %s", args[0])
	}
	for _, place := range places {
		ts.Check(os.Mkdir(filepath.Join(place, credentialsName+".probe"), 0o700))
	}
}

// eventually asks for a URL until the answer is 200 OK, for ten seconds at most.
func eventually(ts *testscript.TestScript, _ bool, args []string) {
	for began := time.Now(); time.Since(began) < 10*time.Second; time.Sleep(200 * time.Millisecond) {
		res, err := http.Get(args[0])
		ts.Check(err)
		res.Body.Close()
		if res.StatusCode == http.StatusOK {
			return
		}
	}
	ts.Fatalf("%s is not answered within ten seconds", args[0])
}

// settled asks for a URL for eight seconds. All answers must be 503 within five seconds, and name the same instant to come again at,
// hours away, but those of the first three seconds. The body of the last goes to stdout.
func settled(ts *testscript.TestScript, _ bool, args []string) {
	var first time.Time
	for began := time.Now(); time.Since(began) < 8*time.Second; time.Sleep(400 * time.Millisecond) {
		asked := time.Now()
		res, err := http.Get(args[0])
		ts.Check(err)
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		ts.Check(err)
		seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
		if res.StatusCode != http.StatusServiceUnavailable || err != nil || time.Since(asked) > 5500*time.Millisecond {
			ts.Fatalf("after %v: %s, Retry-After %q: %s", time.Since(asked), res.Status, res.Header.Get("Retry-After"), body)
		}
		if asked.Sub(began) < 3*time.Second {
			continue
		}
		at := asked.Add(time.Duration(seconds) * time.Second)
		if first.IsZero() {
			first = at
		}
		if seconds < 80_000 || at.Sub(first).Abs() > 6*time.Second {
			ts.Fatalf("Retry-After is %d seconds; before it was until %v: %s", seconds, first, body)
		}
		if asked.Sub(began) > 7*time.Second {
			_, err = ts.Stdout().Write(body)
			ts.Check(err)
		}
	}
}
