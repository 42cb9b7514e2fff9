package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cmu-gateway/internal/store"
	"cmu-gateway/internal/version"
)

// The door opens to the key, sent to the address in the file, by what is no page in a browser.
func TestControlRefuses(t *testing.T) {
	const host = "127.0.0.1:4242"
	door := control(&local{folder: folder{log: discard}, address: address{Instance: "INSTANCE", Key: "KEY", Proof: "PROOF"}}, host)
	for _, test := range []struct {
		name, host string
		header     http.Header
		want       int
	}{
		{"the key", host, http.Header{keyHeader: {"KEY"}}, http.StatusOK},
		{"no key", host, nil, http.StatusForbidden},
		{"an empty key", host, http.Header{keyHeader: {""}}, http.StatusForbidden},
		{"a wrong key", host, http.Header{keyHeader: {"KEZ"}}, http.StatusForbidden},
		{"the beginning of the key", host, http.Header{keyHeader: {"KE"}}, http.StatusForbidden},
		{"the proof for the key", host, http.Header{keyHeader: {"PROOF"}}, http.StatusForbidden},
		{"a page", host, http.Header{keyHeader: {"KEY"}, "Origin": {"http://" + host}}, http.StatusForbidden},
		{"a page without a name", host, http.Header{keyHeader: {"KEY"}, "Origin": {""}}, http.StatusForbidden},
		{"another host", "evil.example:4242", http.Header{keyHeader: {"KEY"}}, http.StatusForbidden},
		{"another name", "localhost:4242", http.Header{keyHeader: {"KEY"}}, http.StatusForbidden},
		{"another port", "127.0.0.1:4243", http.Header{keyHeader: {"KEY"}}, http.StatusForbidden},
	} {
		for _, route := range []string{"GET /hello", "POST /status", "POST /report", "POST /purge", "POST /register", "POST /refresh"} {
			method, path, _ := strings.Cut(route, " ")
			if test.want == http.StatusOK && path != "/hello" {
				continue
			}
			w := httptest.NewRecorder()
			r := httptest.NewRequest(method, path+"?"+keyHeader+"=KEY", strings.NewReader("{}"))
			r.Host, r.Header = test.host, test.header
			door.ServeHTTP(w, r)
			if w.Code != test.want || (strings.Contains(w.Body.String(), "PROOF")) != (test.want == http.StatusOK) {
				t.Errorf("%s, %s: %d %s", test.name, route, w.Code, w.Body)
			}
		}
	}
}

// What is no order is refused.
func TestControlRefusesNonsense(t *testing.T) {
	door := control(&local{folder: folder{log: discard}, address: address{Key: "KEY"}}, "example.com")
	for _, test := range []struct {
		method, path, body string
		want               int
	}{
		{http.MethodPost, "/purge", "", http.StatusBadRequest},
		{http.MethodPost, "/purge", "tenant", http.StatusBadRequest},
		{http.MethodPost, "/report", `{"request":{"Start":"yesterday"}}`, http.StatusBadRequest},
		{http.MethodPost, "/register", `{"statement":"` + strings.Repeat("A", maxOrder) + `"}`, http.StatusBadRequest},
		{http.MethodGet, "/purge", "{}", http.StatusMethodNotAllowed},
		{http.MethodPost, "/nothing", "{}", http.StatusNotFound},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body))
		r.Header.Set(keyHeader, "KEY")
		if door.ServeHTTP(w, r); w.Code != test.want {
			t.Errorf("%s %s %.40s: %d %s", test.method, test.path, test.body, w.Code, w.Body)
		}
	}
}

// ownedFolder returns a data folder that another process seems to have, and which holds the address of what h does at the control door.
func ownedFolder(t *testing.T, h http.Handler, change func(*address)) (data string) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	data = t.TempDir()
	f := folder{path: filepath.Join(data, "sandbox"), log: discard}
	kept, _, err := f.take(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.path, served), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	a := address{Key: "KEY", Proof: "PROOF", Release: version.String(), Process: 42, Gateway: "http://gateway.example", Control: server.URL}
	change(&a)
	if err := f.announce(a); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(f.addressFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	return data
}

// says answers at the control door with a text.
func says(text string, breaksOff bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hello" {
			io.WriteString(w, "PROOF")
			return
		}
		io.WriteString(w, text)
		if http.NewResponseController(w).Flush(); breaksOff {
			panic(http.ErrAbortHandler)
		}
	})
}

// A report that breaks off is an error, and leaves no file.
func TestReportBreaksOff(t *testing.T) {
	whole := "a,b\n" + strings.Repeat("1,2\n", 10_000)
	for _, test := range []struct {
		name, text string
		breaksOff  bool
		code       int
		warned     string // after a line that tells of the simulated Adobe
	}{
		{"whole", `{"waits":"somebody works"}` + "\n" + `{"result":{}}` + "\n" + whole, false, exitOK, ""},
		{"incomplete", `{"result":{"incomplete":"rows are missing"}}` + "\n" + whole, false, exitIncomplete, "cmu: warning: rows are missing\n"},
		{"refused", `{"error":"no such report"}` + "\n", false, exitFailure, "cmu: no such report\n"},
		{"half", `{"result":{}}` + "\n" + whole, true, exitFailure, "cmu: the running cmu serve broke off its answer: unexpected EOF\n"},
		{"no body", `{"result":{}}` + "\n", true, exitFailure, "cmu: the running cmu serve broke off its answer: unexpected EOF\n"},
		{"half a line", `{"result":{`, true, exitFailure, "cmu: the running cmu serve broke off its answer: unexpected EOF\n"},
		{"nothing", "", false, exitFailure, "cmu: the running cmu serve broke off its answer: EOF\n"},
		{"an endless line", strings.Repeat("x", maxLine+1), false, exitFailure, "cmu: the running cmu serve broke off its answer: bufio: buffer full\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			data := ownedFolder(t, says(test.text, test.breaksOff), func(*address) {})
			file := filepath.Join(t.TempDir(), "out.csv")
			code, out, warned := on(t, t.Context(), false, "report", "tenant", "--format", "csv", "--data", data, "--output", file)
			warned = strings.TrimPrefix(warned, "cmu: no Adobe is configured: this is the simulated one, with made-up rows\n")
			if code != test.code || out != "" || warned != test.warned {
				t.Errorf("code %d, want %d: %s%s", code, test.code, out, warned)
			}
			got, err := os.ReadFile(file)
			if there := test.code == exitOK || test.code == exitIncomplete; there && string(got) != whole || !there && !os.IsNotExist(err) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if left, _ := os.ReadDir(filepath.Dir(file)); len(left) > 1 || err != nil && len(left) > 0 {
				t.Errorf("left are %v", left)
			}
		})
	}
}

func TestOwnerOfAnotherRelease(t *testing.T) {
	data := ownedFolder(t, says("", false), func(a *address) { a.Release = "v0.0.1" })
	code, _, warned := on(t, t.Context(), false, "status", "--data", data)
	if code != exitFailure || !strings.HasPrefix(warned, "cmu: the cmu serve at http://gateway.example is of the release v0.0.1, this command of ") ||
		!strings.HasSuffix(warned, ": end it (process 42) and start it again\n") {
		t.Errorf("code %d: %s", code, warned)
	}
	// A second cmu serve is refused all the same.
	code, _, warned = on(t, t.Context(), false, "serve", "--listen", "127.0.0.1:0", "--data", data)
	if code != exitFailure || !strings.Contains(warned, "already, at http://gateway.example, since") {
		t.Errorf("code %d: %s", code, warned)
	}
}

func TestOwnerHangs(t *testing.T) {
	usual := helloTime
	helloTime = 20 * time.Millisecond
	t.Cleanup(func() { helloTime = usual })
	for _, args := range [][]string{{"status"}, {"serve", "--listen", "127.0.0.1:0"}} {
		data := ownedFolder(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), func(*address) {})
		code, _, warned := on(t, t.Context(), false, append(args, "--data", data)...)
		if code != exitFailure || !strings.Contains(warned, "as process 42, does not answer: end it, and start it again\n") {
			t.Errorf("%s: code %d: %s", args[0], code, warned)
		}
	}
}

// One that is stopped in the middle of its work is given up as well, whatever it was asked for and however far it was.
func TestOwnerStops(t *testing.T) {
	usual := helloTime
	helloTime = 200 * time.Millisecond
	t.Cleanup(func() { helloTime = usual })
	for _, sent := range []string{"", `{"waits":"something"}` + "\n", `{"result":{}}` + "\nthe begin"} {
		for _, args := range [][]string{{"status"}, {"purge", "year"}, {"report", "year"}, {"refresh"}, {"register"}} {
			var stopped atomic.Bool
			data := ownedFolder(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/hello" && !stopped.Load() {
					io.WriteString(w, "PROOF")
					return
				}
				stopped.Store(true)
				io.Copy(io.Discard, r.Body) // or its going is not seen
				io.WriteString(w, sent)
				http.NewResponseController(w).Flush()
				<-r.Context().Done()
			}), func(*address) {})
			began := time.Now()
			code, _, warned := on(t, t.Context(), false, append(args, "--data", data, "--sandbox")...)
			if strings.HasPrefix(sent, `{"result"`) && args[0] != "report" {
				continue // it has its answer
			}
			if code != exitFailure || !strings.Contains(warned, "as process 42, does not answer: end it, and start it again\n") {
				t.Errorf("%s after %q: code %d: %s", args[0], sent, code, warned)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("%s after %q: it took %v", args[0], sent, took)
			}
		}
	}
}

// Whoever answers at the address of a cmu serve that has ended is not taken for it: this waits for the owner, whoever that is.
func TestOwnerIsAnother(t *testing.T) {
	asked := 0
	data := ownedFolder(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked++; r.URL.Path != "/hello" {
			t.Errorf("%s was sent", r.URL.Path)
		}
		io.WriteString(w, "INSTANCE")
	}), func(*address) {})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if code, _, warned := on(t, ctx, false, "status", "--data", data); code != exitFailure || !strings.Contains(warned, "deadline") || asked == 0 {
		t.Errorf("code %d: %s, asked %d times", code, warned, asked)
	}
}

// A command waits for another that has the folder, says so after a second, and goes on or gives up after a minute.
func TestTurns(t *testing.T) {
	for _, ends := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			f := folder{path: t.TempDir(), log: discard}
			first, _, err := f.take(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if ends {
				time.AfterFunc(10*time.Second, func() { first.Close() })
			} else {
				defer first.Close()
			}
			var told []time.Duration
			kept, owner, err := f.take(t.Context(), func(string) { told = append(told, time.Since(began)) })
			waited := time.Since(began)
			if len(told) != 1 || told[0] < tellAfter || told[0] > 2*tellAfter || owner != nil {
				t.Errorf("told after %v, owner %v", told, owner)
			}
			if ends && (err != nil || waited < 10*time.Second || waited > 11*time.Second) {
				t.Errorf("after %v: %v", waited, err)
			}
			if !ends && (err == nil || !strings.HasPrefix(err.Error(), "another process has had the data folder "+f.path+" for 1m0s: ") ||
				waited < takeTime || waited > takeTime+time.Second) {
				t.Errorf("after %v: %v", waited, err)
			}
			if kept != nil {
				kept.Close()
			}
		})
	}
}

// The control door is on this machine alone, whatever the gateway listens at.
func TestDoorIsLocal(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	data := t.TempDir()
	done := make(chan int, 1)
	go func() {
		code, _, _ := on(t, ctx, false, "serve", "--listen", "0.0.0.0:0", "--sandbox-latency", "0s", "--data", data)
		done <- code
	}()
	f := folder{path: filepath.Join(data, "sandbox"), log: discard}
	var a *address
	for range 500 {
		if a, _ = f.owner(ctx, func(string) {}); a != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if a == nil {
		t.Fatal("no cmu serve has left its address")
	}
	host, _, err := net.SplitHostPort(strings.TrimPrefix(a.Control, "http://"))
	if err != nil || host != "127.0.0.1" || a.Control == a.Gateway {
		t.Errorf("%s %v", a.Control, err)
	}
	cancel()
	if code := <-done; code != exitOK {
		t.Errorf("code %d", code)
	}
}

// One that was stopped before it had a door, or in the midst of a command, has nobody wait for it: two seconds tell.
func TestACommandThatIsStopped(t *testing.T) {
	for _, args := range [][]string{{"report", "year"}, {"serve", "--listen", "127.0.0.1:0"}} {
		data := t.TempDir()
		f := folder{path: filepath.Join(data, "sandbox"), log: discard}
		if err := os.MkdirAll(f.path, 0o700); err != nil {
			t.Fatal(err)
		}
		kept, err := store.OpenBolt(f.dataFile(), store.BoltOptions{}) // and no more is seen of it
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		began := time.Now()
		code, _, warned := on(t, t.Context(), false, append(args, "--data", data, "--sandbox")...)
		if code != exitFailure || !strings.Contains(warned, "cmu: the process that has the data folder "+f.path+" does not go on: it was stopped, or hangs") {
			t.Errorf("%s: code %d: %s", args[0], code, warned)
		}
		if took := time.Since(began); took < beatMissed || took > 10*beatMissed {
			t.Errorf("%s: it took %v", args[0], took)
		}
	}
}

// While there is a door the data file is let alone.
func TestNoBeatBesideADoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := folder{path: t.TempDir(), log: discard}
		kept, _, err := f.take(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer kept.Close()
		touched := func() time.Time {
			time.Sleep(2 * beatEvery)
			synctest.Wait()
			info, err := os.Stat(f.dataFile())
			if err != nil {
				t.Fatal(err)
			}
			return info.ModTime()
		}
		if before := touched(); !touched().After(before) {
			t.Error("without a door nothing is touched")
		}
		if err := f.announce(address{}); err != nil {
			t.Fatal(err)
		}
		if before := touched(); !touched().Equal(before) {
			t.Error("with a door it is touched")
		}
		f.withdraw()
		if before := touched(); !touched().After(before) {
			t.Error("without a door again nothing is touched")
		}
	})
}
