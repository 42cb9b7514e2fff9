package cmu

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Servers echo what they were asked: a debug page, a proxy, a wrong address. What is shown of their texts goes through here.
const (
	// piece is how many characters of a secret in a row give it away; a shorter secret counts whole.
	piece = 8
	// leastSecret is the length under which a text is no secret but a word.
	leastSecret = 4
)

// Redact returns text with a mark in the place of what it holds of the secrets, whole or eight characters in a row, in upper or lower
// case, also if it is escaped for a URL, for JSON or for HTML, up to twice, or encoded as base64, also behind a client ID, or as hexadecimal
// digits. What looks like a JWT, or like the value of a header or parameter that holds secrets, goes as well.
func Redact(text string, secrets ...Secret) string {
	if pieces := piecesOf(secrets); len(pieces) > 0 {
		text = pieces.mark(text)
	}
	text = likeJWT().ReplaceAllString(text, redacted)
	return namedSecret().ReplaceAllStringFunc(text, func(found string) string {
		m := namedSecret().FindStringSubmatch(found)
		if m[2] == "" && !strings.ContainsAny(m[4], "0123456789") { // Bearer realm, Basic authentication
			return found
		}
		return strings.TrimSuffix(found, m[2]+m[4]) + redacted
	})
}

var (
	likeJWT = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`eyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)?`)
	})
	// The second group is the value of a name, the fourth that of a scheme.
	namedSecret = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?i)(?:(access_token|client_secret|software_statement|x-api-key)["']?\s*[=:]\s*["']?([^\s"'&<>,;\[\]]+)|` +
			`\b(bearer|basic)[\s+:]+([A-Za-z0-9._~+/=-]{8,}))`)
	})
)

// holds tells whether text has a piece of a secret in it.
func holds(text string, secrets ...Secret) bool {
	pieces := piecesOf(secrets)
	return len(pieces) > 0 && pieces.mark(text) != text
}

// pieces are the parts of secrets that must not be shown, in lower case, by length.
type pieces map[int]map[string]struct{}

func piecesOf(secrets []Secret) pieces {
	p := pieces{}
	for _, s := range secrets {
		raw := s.Reveal()
		if len(raw) < leastSecret {
			continue
		}
		p.add(raw)
		for before := range 3 { // how many bytes of a group of three stand before the secret
			padded := append(make([]byte, before, before+len(raw)), raw...)
			for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
				encoded := encoding.EncodeToString(padded[:len(padded)/3*3])
				p.add(encoded[min([]int{0, 2, 3}[before], len(encoded)):])
			}
		}
	}
	return p
}

func (p pieces) add(text string) {
	text = string(lowered([]byte(text)))
	size := min(piece, len(text))
	if size < leastSecret {
		return
	}
	if p[size] == nil {
		p[size] = map[string]struct{}{}
	}
	for i := range len(text) - size + 1 {
		p[size][text[i:i+size]] = struct{}{}
	}
}

// mark puts the mark in the place of each run of pieces.
func (p pieces) mark(text string) string {
	hidden := make([]bool, len(text))
	found := false
	plain := viewOf(text)
	once := plain.decoded()
	for _, v := range []view{plain, once, once.decoded(), plain.hexadecimal(), plain.joined()} {
		lower := lowered(v.text)
		for size, known := range p {
			for i := range len(lower) - size + 1 {
				if _, ok := known[string(lower[i:i+size])]; ok {
					found = true
					for at := v.from[i]; at < v.to[i+size-1]; at++ {
						hidden[at] = true
					}
				}
			}
		}
	}
	if !found {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !hidden[i]:
			b.WriteByte(text[i])
		case i == 0 || !hidden[i-1]:
			b.WriteString(redacted)
		}
	}
	return b.String()
}

// lowered is text with its ASCII letters in lower case: byte for byte, whatever else it holds.
func lowered(text []byte) []byte {
	out := bytes.Clone(text)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c | 0x20
		}
	}
	return out
}

// view is a reading of a text: each byte stands for those from one place of the text up to another.
type view struct {
	text     []byte
	from, to []int
}

func viewOf(text string) view {
	v := view{text: []byte(text), from: make([]int, len(text)), to: make([]int, len(text))}
	for i := range v.from {
		v.from[i], v.to[i] = i, i+1
	}
	return v
}

// add reads the n bytes of w at i as c.
func (v *view) add(c byte, w view, i, n int) {
	v.text, v.from, v.to = append(v.text, c), append(v.from, w.from[i]), append(v.to, w.to[i+n-1])
}

// escaped is a character as URLs, JSON, other languages or HTML write it.
var escaped = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(?:%([0-9A-Fa-f]{2})|\\u00([0-9A-Fa-f]{2})|\\x([0-9A-Fa-f]{2})|\\([/"'\\])|&#?[A-Za-z0-9]{1,8};)`)
})

// decoded undoes escapes.
func (v view) decoded() (out view) {
	for i := 0; i < len(v.text); {
		c, n := v.text[i], 1
		if c == '%' || c == '\\' || c == '&' {
			if m := escaped().FindSubmatch(v.text[i:]); m != nil {
				c, n = unescape(c, m)
			}
		}
		out.add(c, v, i, n)
		i += n
	}
	return out
}

func unescape(begin byte, m [][]byte) (c byte, n int) {
	if begin == '&' {
		if plain := html.UnescapeString(string(m[0])); len(plain) == 1 {
			return plain[0], len(m[0])
		}
		return begin, 1
	}
	if len(m[4]) == 1 {
		return m[4][0], len(m[0])
	}
	code, _ := strconv.ParseUint(string(bytes.Join(m[1:4], nil)), 16, 8) // one of the three, of two digits
	return byte(code), len(m[0])
}

// hexadecimal reads pairs of digits, in each run of digits from its first.
func (v view) hexadecimal() (out view) {
	for i := 0; i < len(v.text); {
		var c [1]byte
		if i+1 < len(v.text) {
			if _, err := hex.Decode(c[:], v.text[i:i+2]); err == nil {
				out.add(c[0], v, i, 2)
				i += 2
				continue
			}
		}
		out.add(0, v, i, 1)
		i++
	}
	return out
}

// joined leaves out what texts are wrapped by.
func (v view) joined() (out view) {
	for i, c := range v.text {
		if c > ' ' {
			out.add(c, v, i, 1)
		}
	}
	return out
}

// redactedError is err, or a flat error in its place if its text holds secrets, or what steers terminals: net/http quotes what servers
// send.
func redactedError(err error, secret Secret) error {
	text := err.Error()
	if clean := Redact(visible(text), secret); clean != text {
		return errors.New(clean)
	}
	return err
}

// guardedReader fails where what it reads quotes the secret that it was asked with, be it in escapes of JSON. It hands nothing on of the
// read in which that shows.
type guardedReader struct {
	r       io.Reader
	needles [][]byte
	last    []byte // what was read before, less long than a needle
}

// needle is how much of a secret is looked for: its first characters, and its last.
const needle = 24

func newGuardedReader(r io.Reader, secret Secret) io.Reader {
	g := &guardedReader{r: r}
	raw := secret.Reveal()
	for _, form := range []string{raw, url.QueryEscape(raw), strings.ReplaceAll(raw, "/", `\/`)} {
		if len(form) < piece || len(g.needles) > 0 && form == raw {
			continue
		}
		g.needles = append(g.needles, []byte(form[:min(needle, len(form))]))
		if len(form) > needle {
			g.needles = append(g.needles, []byte(form[len(form)-needle:]))
		}
	}
	if len(g.needles) == 0 {
		return r
	}
	return g
}

var errQuoted = fmt.Errorf("%w: it quotes the access token", ErrNotReport)

func (g *guardedReader) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	if n == 0 {
		return n, err
	}
	// Needles that began before end within the first bytes of this read.
	seam := append(g.last, p[:min(n, escapeSize*needle)]...)
	for _, text := range [][]byte{p[:n], seam} {
		if g.quoted(text) || bytes.Contains(text, []byte(`\u00`)) && g.quoted(unescaped(text)) {
			return 0, errQuoted
		}
	}
	const keep = escapeSize * needle
	g.last = append(g.last, p[max(n-keep, 0):n]...)
	g.last = append(g.last[:0], g.last[max(len(g.last)-keep, 0):]...)
	return n, err
}

func (g *guardedReader) quoted(text []byte) bool {
	return slices.ContainsFunc(g.needles, func(part []byte) bool { return bytes.Contains(text, part) })
}

// escapeSize is how many bytes a character has as an escape of JSON.
const escapeSize = len(`\u0041`)

// unescaped is a text with the characters of ASCII in the place of their escapes.
func unescaped(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if c := text[i]; c == '\\' && i+escapeSize <= len(text) && string(text[i+1:i+4]) == "u00" {
			if code, err := strconv.ParseUint(string(text[i+4:i+escapeSize]), 16, 8); err == nil && code < 0x80 {
				out = append(out, byte(code))
				i += escapeSize - 1
				continue
			}
		}
		out = append(out, text[i])
	}
	return out
}
