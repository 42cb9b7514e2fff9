package explorer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// needBrowser is set where a browser must be there, so that a skip is no success.
const needBrowser = "EXPLORER_BROWSER"

// patience bounds whatever is waited for on a page: a loaded machine takes its time.
const patience = 60 * time.Second

var built struct {
	once sync.Once
	path string
	err  error
}

// binary builds cmu, once for all tests.
func binary(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "explorer-")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(dir, "cmu")
		out, err := exec.Command("go", "build", "-o", built.path, "../../cmd/cmu").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

var shared struct {
	once sync.Once
	ctx  context.Context
	end  func()
	why  string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.end != nil {
		shared.end()
	}
	if built.path != "" {
		os.RemoveAll(filepath.Dir(built.path))
	}
	os.Exit(code)
}

// browser starts Chromium, once for all tests; a test is skipped where there is none.
func browser(t testing.TB) context.Context {
	t.Helper()
	shared.once.Do(func() {
		path := ""
		for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
			if found, err := exec.LookPath(name); err == nil {
				path = found
				break
			}
		}
		if path == "" {
			shared.why = "there is no Chromium here: on Debian, apt-get install chromium"
			return
		}
		options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
			chromedp.Flag("disable-component-update", true),
			chromedp.Flag("disable-quic", true), chromedp.Flag("lang", "en-US"))
		allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, endBrowser := chromedp.NewContext(allocator)
		if err := chromedp.Do(ctx); err != nil {
			shared.why = "Chromium does not start: " + err.Error()
			return
		}
		shared.ctx, shared.end = ctx, func() { endBrowser(); endAllocator() }
	})
	if shared.why != "" {
		if os.Getenv(needBrowser) != "" {
			t.Fatal(shared.why)
		}
		t.Skip(shared.why)
	}
	return shared.ctx
}

// server is a running cmu serve over a simulated Adobe.
type server struct {
	t            testing.TB
	url, sandbox string
	data         string
}

// serve starts cmu serve with an empty data folder; arguments of the form NAME=VALUE are of its environment.
func serve(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{t: t, sandbox: "http://" + freeAddress(t), data: t.TempDir()}
	command := exec.Command(binary(t), "serve", "--json", "--data", s.data, "--listen", "127.0.0.1:0", "--sandbox-latency", "0s",
		"--sandbox-listen", strings.TrimPrefix(s.sandbox, "http://"))
	command.Env = append(os.Environ(), "CMU_KEY=")
	for _, a := range args {
		if strings.HasPrefix(a, "--") {
			command.Args = append(command.Args, a)
		} else {
			command.Env = append(command.Env, a)
		}
	}
	var told bytes.Buffer
	command.Stderr = &told
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Signal(os.Interrupt)
		command.Wait()
	})
	var doc struct{ Gateway string }
	if err := json.NewDecoder(out).Decode(&doc); err != nil {
		t.Fatalf("cmu serve: %v: %s", err, told.String())
	}
	s.url = doc.Gateway
	return s
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// proven waits until the calendar is.
func (s *server) proven() {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		status, _ := s.get("/status")
		if strings.Contains(status, `"proven": true`) {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("the calendar was never proven: %s", status)
		}
	}
}

// behave tells the simulated Adobe how to behave: the fields that are given, all else as at first.
func (s *server) behave(fields string) {
	s.t.Helper()
	request, err := http.NewRequest(http.MethodPut, s.sandbox+"/_sandbox/behaviour", strings.NewReader(fields))
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		s.t.Fatalf("behaviour %s: %s", fields, text)
	}
}

// get asks the gateway as a program does.
func (s *server) get(path string, headers ...string) (body string, header http.Header) {
	s.t.Helper()
	request, err := http.NewRequest(http.MethodGet, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %d, %v: %s", path, answer.StatusCode, err, text)
	}
	return string(text), answer.Header
}

// tab is a page in the browser, with all that it complained of.
type tab struct {
	t   testing.TB
	ctx context.Context
	s   *server

	mu         sync.Mutex // guards what follows
	complaints []string
}

// watch notes breaches of the policy before anything of a page runs.
const watch = `window.breaches = []; document.addEventListener("securitypolicyviolation", (e) => breaches.push(e.violatedDirective + " " + e.blockedURI));`

// tab opens an empty page.
func (s *server) tab() *tab {
	s.t.Helper()
	ctx, end := chromedp.NewContext(browser(s.t), chromedp.WithNewBrowserContext())
	b := &tab{t: s.t, ctx: ctx, s: s}
	s.t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil { // it opens, and lives as long as this context
		s.t.Fatal(err)
	}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			// That a request failed is what some states are about.
			if m.Type == "error" || m.Type == "warning" || m.IsException() {
				if !strings.HasPrefix(m.Text, "Failed to load resource") {
					b.mu.Lock()
					b.complaints = append(b.complaints, m.String())
					b.mu.Unlock()
				}
			}
		}
	}()
	if _, err := chromedp.Call(ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: watch}); err != nil {
		s.t.Fatal(err)
	}
	b.size(1280, "light")
	s.t.Cleanup(b.clean)
	return b
}

// clean fails the test if the page complained of anything.
func (b *tab) clean() {
	b.t.Helper()
	breaches, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string]("window.breaches ?? []"))
	if err != nil {
		b.t.Errorf("the page cannot be asked: %v", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range append(b.complaints, breaches...) {
		b.t.Errorf("the page complains: %s", c)
	}
	b.complaints = nil
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v; the page shows: %s", err, b.seen())
	}
}

// seen is the text of a page, for failures.
func (b *tab) seen() string {
	ctx, cancel := context.WithTimeout(b.ctx, 2*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(document.querySelector("#result") ?? document.body).innerText.slice(0, 600)`))
	if err != nil {
		return err.Error()
	}
	return text
}

// size sets the width of the window, and light or dark.
func (b *tab) size(width int64, scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1})
	if err == nil {
		_, err = chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// open goes to a path of the gateway, and waits until all is there that was asked.
func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.s.url + path))
	b.until(`document.querySelector("#result")?.getAttribute("aria-busy") === "false"`)
}

// until waits for a condition on the page.
func (b *tab) until(condition string) {
	b.t.Helper()
	end := time.Now().Add(patience)
	for !ask[bool](b, "Boolean("+condition+")") {
		if time.Now().After(end) {
			b.t.Fatalf("it never was that %s; the page shows: %s", condition, b.seen())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ask evaluates an expression, or the promise of one.
func ask[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%.200s: %v; the page shows: %s", expression, err, b.seen())
	}
	return v
}

// click clicks what a selector finds, and waits until what it changed is there.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
	b.settled()
}

// choose takes an option of a select, as people do.
func (b *tab) choose(id, value string) {
	b.t.Helper()
	ask[bool](b, fmt.Sprintf(`(() => { const s = document.getElementById(%q); s.value = %q; s.dispatchEvent(new Event("change", {bubbles: true})); return s.value === %q; })()`, id, value, value))
	b.settled()
}

func (b *tab) settled() {
	b.t.Helper()
	b.until(`document.querySelector("#result").getAttribute("aria-busy") === "false"`)
}

// text is that of an element.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return ask[string](b, fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector))
}

// print shows the page as on paper, in a browser that prefers the dark.
func (b *tab) print() {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print",
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
	if err != nil {
		b.t.Fatal(err)
	}
}
