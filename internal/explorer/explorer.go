// Package explorer is the page on which people look at their usage: static files, embedded compressed. It asks the gateway's own
// report URLs for every number, from within the browser.
//
// The files that people write are in assets; packed has the same compressed, which make assets does and a test compares. Chart.js
// lies in packed alone: library tells its version, checksum and licence, and make library renews it.
package explorer

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base32"
	"html"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
)

//go:embed packed
var packed embed.FS

// Policy lets pages use what comes from the gateway itself, and nothing else: no inline script or style, no other host.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Hash names the release of the assets in their URLs. It is worked out when it is first asked for: no start waits for it.
var Hash = sync.OnceValue(func() string {
	sum := sha256.New()
	entries, err := packed.ReadDir("packed")
	if err != nil {
		panic(err) // they are part of the program
	}
	for _, e := range entries {
		text, err := packed.ReadFile("packed/" + e.Name())
		if err != nil {
			panic(err)
		}
		io.WriteString(sum, e.Name())
		sum.Write(text)
	}
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum.Sum(nil)[:10]))
})

var mediaTypes = map[string]string{
	".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml", ".txt": "text/plain; charset=utf-8",
}

// Asset returns a file as gzip, and its media type.
func Asset(name string) (compressed []byte, mediaType string, ok bool) {
	mediaType, ok = mediaTypes[path.Ext(name)]
	if !ok || !fs.ValidPath(name) || strings.Contains(name, "/") {
		return nil, "", false
	}
	compressed, err := packed.ReadFile("packed/" + name + ".gz")
	return compressed, mediaType, err == nil
}

// Plain returns what a file was before it was compressed.
func Plain(compressed []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// template is the page; {base}, {assets} and {simulated} are filled in.
var template = sync.OnceValue(func() string {
	compressed, err := packed.ReadFile("packed/index.html.gz")
	if err != nil {
		panic(err)
	}
	text, err := Plain(compressed)
	if err != nil {
		panic(err)
	}
	return string(text)
})

// banner cannot be overlooked.
const banner = `<aside class="simulated" aria-label="Simulated Adobe"><strong>These numbers are made up:</strong> they come from a simulated Adobe.</aside>`

// Page returns the page for a gateway that callers see below base, which is a path without a slash at its end; simulated: all its
// numbers are made up.
func Page(base string, simulated bool) []byte {
	base = html.EscapeString(base)
	note := ""
	if simulated {
		note = banner
	}
	return []byte(strings.NewReplacer("{base}", base, "{assets}", base+"/assets/"+Hash(), "{simulated}", note).Replace(template()))
}
