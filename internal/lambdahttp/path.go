package lambdahttp

import (
	"net/url"
	"regexp"
	"strings"
	"sync"
)

// escapedPath returns a path as it stands in a URL. API Gateway delivers it escaped, emulators deliver it decoded, and nothing
// says which. It is taken as decoded when it could not be escaped: it holds a space, a control, a question mark, a number
// sign, anything beyond ASCII, or a percent sign that begins no escape. All else is taken as escaped. So a decoded path is
// misread only where it holds what looks like an escape ("%41") and no such sign; and an escaped slash that was decoded
// on the way cannot be told from a slash. Neither happens on API Gateway itself.
func escapedPath(path string) string {
	decoded := isDecoded(path)
	var b strings.Builder
	b.Grow(len(path) + 16)
	if !strings.HasPrefix(path, "/") {
		b.WriteByte('/')
	}
	for i := range len(path) {
		c := path[i]
		if inPath(c) || c == '%' && !decoded {
			b.WriteByte(c)
			continue
		}
		const hex = "0123456789ABCDEF"
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

func isDecoded(path string) bool {
	for i := range len(path) {
		switch c := path[i]; {
		case c <= ' ' || c >= 0x7f || c == '?' || c == '#':
			return true
		case c == '%' && (i+2 >= len(path) || !isHex(path[i+1]) || !isHex(path[i+2])):
			return true
		}
	}
	return false
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

// inPath reports whether c may stand in a path as it is: RFC 3986, 3.3, pchar and the slash.
func inPath(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.IndexByte("/-._~!$&'()*+,;=:@", c) >= 0
}

func decodedPath(path string) string {
	plain, err := url.PathUnescape(escapedPath(path))
	if err != nil {
		return path
	}
	return plain
}

// basePattern is what stages and base paths of custom domains may be called; a prefix of anything else is not taken for one.
var basePattern = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^(/[A-Za-z0-9$_.+!*'()~-]+)*$`)
})

// paths returns the escaped path below the base path, and the base path as the client sees it. For a custom domain the event's
// path begins with the domain's base path, otherwise it stands below the stage; the request context has the client's whole
// path.
func (e *event) paths() (path, base string) {
	path = escapedPath(e.Path)
	mapped := nthSlash(path, e.mappedSegments(path))
	path, base = path[mapped:], path[:mapped]
	if path == "" {
		path = "/"
	}
	outer := strings.TrimSuffix(decodedPath(e.RequestContext.Path), "/")
	if prefix, ok := strings.CutSuffix(outer, strings.TrimSuffix(decodedPath(path), "/")); ok && e.RequestContext.Path != "" {
		base = prefix
	} else if base == "" && strings.Contains(e.RequestContext.DomainName, ".execute-api.") {
		base = "/" + e.RequestContext.Stage
	}
	if !basePattern().MatchString(base) {
		base = ""
	}
	return path, base
}

// mappedSegments returns how many segments of path stand before the resource that API Gateway matched: those of a custom
// domain's base path. It is zero when in doubt.
func (e *event) mappedSegments(path string) int {
	if e.Resource == "" {
		return 0
	}
	resource, segments := split(e.Resource), split(path)
	before := len(segments) - len(resource)
	if n := len(resource) - 1; n >= 0 && strings.HasPrefix(resource[n], "{") && strings.HasSuffix(resource[n], "+}") {
		rest := e.PathParameters[resource[n][1:len(resource[n])-2]]
		prefix, ok := cutTail(decodedPath(path), rest)
		if !ok {
			return 0
		}
		before, resource = strings.Count(prefix, "/")-n, resource[:n]
	}
	if before <= 0 || before+len(resource) > len(segments) {
		return 0
	}
	for i, s := range resource {
		if !strings.HasPrefix(s, "{") && s != segments[before+i] {
			return 0
		}
	}
	return before
}

// cutTail removes the value of a greedy path parameter, escaped or not, from the end of a decoded path.
func cutTail(path, rest string) (prefix string, ok bool) {
	path = strings.TrimSuffix(path, "/")
	for _, rest := range []string{rest, decodedPath(rest)} {
		if rest = strings.Trim(rest, "/"); rest != "" {
			if prefix, ok = strings.CutSuffix(path, "/"+rest); ok {
				return prefix, true
			}
		}
	}
	return "", false
}

func split(path string) []string {
	if path = strings.Trim(path, "/"); path == "" {
		return nil
	}
	return strings.Split(path, "/")
}

// nthSlash returns the index in path of the slash that begins segment n, counted from zero, or the length of path.
func nthSlash(path string, n int) int {
	for i := range len(path) {
		if path[i] == '/' {
			if n == 0 {
				return i
			}
			n--
		}
	}
	return len(path)
}
