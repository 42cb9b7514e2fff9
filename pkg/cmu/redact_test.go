package cmu

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// echoes are the ways in which servers write what they were sent.
var echoes = map[string]func(string) string{
	"plain":     func(s string) string { return s },
	"upper":     strings.ToUpper,
	"query":     url.QueryEscape,
	"path":      url.PathEscape,
	"twice":     func(s string) string { return url.QueryEscape(url.QueryEscape(s)) },
	"lower hex": func(s string) string { return strings.ToLower(url.QueryEscape(s)) },
	"percents":  func(s string) string { return each(s, "%%%02X") },
	"json":      func(s string) string { b, _ := json.Marshal(s); return string(b) },
	"json php":  func(s string) string { b, _ := json.Marshal(s); return strings.ReplaceAll(string(b), "/", `\/`) },
	"json u":    func(s string) string { return each(s, `\u%04x`) },
	"go x":      func(s string) string { return each(s, `\x%02x`) },
	"html":      html.EscapeString,
	"entities":  func(s string) string { return each(s, "&#%d;") },
	"hex ents":  func(s string) string { return each(s, "&#x%X;") },
	"hex":       func(s string) string { return hex.EncodeToString([]byte(s)) },
	"base64":    func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"basic":     func(s string) string { return "Basic " + base64.StdEncoding.EncodeToString([]byte("client-1:"+s)) },
	"basic+1":   func(s string) string { return base64.URLEncoding.EncodeToString([]byte("client-12:" + s + "&more")) },
	"basic+2":   func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("client-123:" + s + "!")) },
	"wrapped":   func(s string) string { return every(s, 5, "\n  ") },
	"beginning": func(s string) string { return s[:len(s)/2] },
	"end":       func(s string) string { return s[len(s)/2:] },
}

func each(s, format string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, format, s[i])
	}
	return b.String()
}

func every(s string, n int, between string) string {
	var parts []string
	for ; len(s) > n; s = s[n:] {
		parts = append(parts, s[:n])
	}
	return strings.Join(append(parts, s), between)
}

// quoted tells whether what a reader makes of a text has as much of a secret in a row as no text may.
func quoted(text, secret string) bool {
	readings := []string{text, strings.Join(strings.Fields(text), "")}
	for _, undo := range []func(string) (string, error){url.QueryUnescape, url.PathUnescape, func(s string) (string, error) { return html.UnescapeString(s), nil }} {
		if plain, err := undo(text); err == nil {
			readings = append(readings, plain)
		}
	}
	for _, reading := range readings {
		for i := range len(secret) - 2*piece + 1 {
			if strings.Contains(strings.ToLower(reading), strings.ToLower(secret[i:i+2*piece])) {
				return true
			}
		}
	}
	return false
}

func TestRedact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Za-z0-9._~+/=!$&'"<>-]{16,90}`).Draw(t, "secret")
		before, after := rapid.StringMatching(`[ -~]{0,40}`).Draw(t, "before"), rapid.StringMatching(`[ -~]{0,40}`).Draw(t, "after")
		for name, echo := range echoes {
			shown := echo(secret)
			got := Redact(before+" "+shown+" "+after, Secret("another"), Secret(secret))
			if !strings.Contains(got, redacted) || quoted(got, secret) || len(shown) > 2*piece && strings.Contains(got, shown[4:len(shown)-4]) {
				t.Errorf("%s: %q has become %q", name, shown, got)
			}
		}
	})
}

func TestRedactKeepsWords(t *testing.T) {
	for text, want := range map[string]string{
		"":                                           "",
		"Cannot filter on a dimension: [x]":          "Cannot filter on a dimension: [x]",
		"Bearer authentication required":             "Bearer authentication required",
		"Basic realm needs credentials":              "Basic realm needs credentials",
		"100% of \\ and &amp; \u202b":                "100% of \\ and &amp; \u202b",
		"token eyJhbGciOiJSUzI1NiJ9.eyJzdWIi.c2ln":   "token [redacted]",
		"got Authorization: Bearer 0f9a8b7c6d.x":     "got Authorization: Bearer [redacted]",
		"client_secret=hunter2&x=1":                  "client_secret=[redacted]&x=1",
		`{"access_token" : "abc"}`:                   `{"access_token" : "[redacted]"}`,
		"access_token=[redacted]":                    "access_token=[redacted]",
		"we say s3cret-and-more, and s3cr only once": "we say [redacted]-more, and s3cr only once",
		"a short one: tiny":                          "a short one: [redacted]",
	} {
		if got := Redact(text, "s3cret-and", "tiny", "abc", ""); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// Whatever a server makes of what it was sent, and wherever it puts it, no error of a call shows it.
func TestServersThatEcho(t *testing.T) {
	statement := sign(t, map[string]any{"sub": "software", "iss": "auth.adobe.com"})
	const secret = "0c0ffee0-5ec7+e7/of=a.client"
	token := Secret("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjbGllbnQifQ." + strings.Repeat("Zm9vYmFyYmF6cXV1eA", 12))
	calls := map[string]func(*Client) error{
		statement: func(c *Client) error {
			_, err := c.Register(t.Context(), Statement{Text: Secret(statement)})
			return err
		},
		secret: func(c *Client) error {
			_, err := c.Token(t.Context(), Credentials{ClientID: "id", ClientSecret: secret})
			return err
		},
		token.Reveal(): func(c *Client) error {
			resp, err := c.Report(t.Context(), token, Request{Path: []string{"year"}}, "")
			if err == nil {
				_, err = ReadReport(resp.Body, func(Row) error { return nil })
				resp.Body.Close()
			}
			return err
		},
	}
	answers := map[string]func(w http.ResponseWriter, echo string){
		"body 400": func(w http.ResponseWriter, echo string) { w.WriteHeader(400); io.WriteString(w, echo) },
		"html 502": func(w http.ResponseWriter, echo string) {
			w.WriteHeader(502)
			io.WriteString(w, "<html><b>"+echo+"</b>")
		},
		"code": func(w http.ResponseWriter, echo string) { w.WriteHeader(400); fmt.Fprintf(w, `{"error":%q}`, echo) },
		"text": func(w http.ResponseWriter, echo string) {
			w.WriteHeader(401)
			fmt.Fprintf(w, `{"error":"invalid_request","error_description":%q}`, echo)
		},
		"location": func(w http.ResponseWriter, echo string) {
			w.Header().Set("Location", "https://elsewhere.example/?"+url.QueryEscape(echo))
			w.Header().Set("WWW-Authenticate", url.QueryEscape(echo))
			w.WriteHeader(307)
		},
		"retry": func(w http.ResponseWriter, echo string) {
			w.Header().Set("Retry-After", url.QueryEscape(echo))
			w.WriteHeader(429)
		},
		"body 200": func(w http.ResponseWriter, echo string) { io.WriteString(w, echo) },
		"client id": func(w http.ResponseWriter, echo string) {
			fmt.Fprintf(w, `{"client_id":%q,"client_secret":"x"}`, echo[:min(len(echo), 60)])
		},
		"token": func(w http.ResponseWriter, echo string) { fmt.Fprintf(w, `{"access_token":%q,"expires_in":"x"}`, echo) },
		"rows": func(w http.ResponseWriter, echo string) {
			fmt.Fprintf(w, `{"report":[{"year":"2026"},{"year":%q}]}`, echo)
		},
		"header line": func(w http.ResponseWriter, echo string) { raw(w, "HTTP/1.1 200 OK\r\n"+oneLine(echo)+"\r\n\r\n") },
		"no http":     func(w http.ResponseWriter, echo string) { raw(w, oneLine(echo)+"\r\n\r\n") },
		"status line": func(w http.ResponseWriter, echo string) { raw(w, "HTTP/1.1 "+oneLine(echo)+" OK\r\n\r\n") },
		"length": func(w http.ResponseWriter, echo string) {
			raw(w, "HTTP/1.1 200 OK\r\nContent-Length: "+oneLine(echo)+"\r\n\r\n")
		},
		"coding": func(w http.ResponseWriter, echo string) {
			raw(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: "+oneLine(echo)+"\r\n\r\n")
		},
		"chunk": func(w http.ResponseWriter, echo string) {
			raw(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+oneLine(echo)+"\r\n")
		},
		"trailer": func(w http.ResponseWriter, echo string) {
			raw(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"+oneLine(echo)+"\r\n\r\n")
		},
	}
	for said, call := range calls {
		for how, echo := range echoes {
			for where, answer := range answers {
				client := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, echo(said)) })
				err := call(client)
				if err == nil && (how == "plain" || where != "body 200" && where != "rows" && where != "client id" && where != "token") {
					t.Errorf("%s, %s, %.20s: no error", where, how, said)
				}
				if err != nil && (quoted(err.Error(), said) || len(echo(said)) > 40 && strings.Contains(err.Error(), echo(said)[8:40])) {
					t.Errorf("%s, %s: %v", where, how, err)
				}
			}
		}
	}
}

func oneLine(s string) string { return strings.NewReplacer("\n", " ", "\r", " ").Replace(s) }

// raw answers what no http.ResponseWriter would.
func raw(w http.ResponseWriter, text string) {
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	buffered.WriteString(text)
	buffered.Flush()
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}

// inEscapes has each so many character of a text as an escape of JSON.
func inEscapes(text string, each int) string {
	var b strings.Builder
	for i, c := range []byte(text) {
		if i%each == 0 {
			fmt.Fprintf(&b, `\u%04x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// A row that quotes the token is never handed on, wherever the reads of it end.
func TestRowsThatQuoteTheToken(t *testing.T) {
	token := Secret(strings.Repeat("eyJ0b2tlbg", 3) + "." + strings.Repeat("c2lnbmF0dXJl/+", 20))
	for _, quote := range []string{token.Reveal(), url.QueryEscape(token.Reveal()), strings.ReplaceAll(token.Reveal(), "/", `\/`), token.Reveal()[len(token)-60:],
		inEscapes(token.Reveal(), 1), inEscapes(token.Reveal(), 3)} {
		for lead := range 70 {
			text := `{"report":[` + strings.Repeat(" ", lead) + `{"year":"` + quote + `"}]}`
			for _, size := range []int{1, 7, 23, 24, 25, 64, 4096} {
				_, err := ReadReport(newGuardedReader(&inSteps{text, size}, token), func(r Row) error {
					t.Fatalf("%d after %d: the row %.80s", size, lead, r)
					return nil
				})
				if err == nil || strings.Contains(err.Error(), quote[:20]) {
					t.Fatalf("%d after %d: %v", size, lead, err)
				}
			}
		}
	}
	plain := `{"report":[{"year":"` + strings.Repeat("2026", 3000) + `"}]}`
	read, err := io.ReadAll(newGuardedReader(&inSteps{plain, 100}, token))
	if err != nil || string(read) != plain {
		t.Errorf("a body without it: %d bytes, %v", len(read), err)
	}
}

// inSteps reads a text, so many bytes at once.
type inSteps struct {
	text string
	size int
}

func (r *inSteps) Read(p []byte) (int, error) {
	if r.text == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), r.size)], r.text)
	r.text = r.text[n:]
	return n, nil
}

func TestReasonSteersNothing(t *testing.T) {
	got := Reason([]byte("a\x1b[2Jb\u202ec\u2066d\u200fe\u2028f\u009bg\u00adh\U000e0041i \u200dj"))
	if want := "a [2Jb c d e f g h i \u200dj"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
