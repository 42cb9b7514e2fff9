package gateway

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"cmu-gateway/pkg/cmu"
)

// neighbour is a report one up or one down in the tree of dimensions.
type neighbour struct {
	path []string
	name string
}

// neighbours reads Adobe's links from the report at path. Their hrefs may carry any prefix, or be absolute. What leads nowhere in
// the tree is left out.
func neighbours(links []cmu.Link, path []string, up bool) []neighbour {
	list := make([]neighbour, 0, len(links))
	for _, l := range links {
		if below, ok := leadsTo(l.Href, path, up); ok {
			list = append(list, neighbour{below, nameOf(l, below)})
		}
	}
	return list
}

// nameOf returns a link's name, else the dimension that it leads to. The root has none.
func nameOf(l cmu.Link, path []string) string {
	switch {
	case strings.TrimSpace(l.Name) != "":
		return l.Name
	case len(path) > 0:
		return path[len(path)-1]
	}
	return "root"
}

// prefixEnd is the last segment of the prefixes that Adobe has.
var prefixEnd = regexp.MustCompile(`^v[0-9]+$`)

// leadsTo returns where a link leads: what follows the version in its href; else, as an href ends like the path that it was given
// for, what is left with the prefix that this tells; else its whole path.
func leadsTo(href string, path []string, up bool) ([]string, bool) {
	u, err := url.Parse(href)
	if err != nil || len(href) > maxHref {
		return nil, false
	}
	var segments []string
	for s := range strings.SplitSeq(u.Path, "/") { // unescaped, as cmu.Parse reads paths
		if s != "" {
			segments = append(segments, s)
		}
	}
	if i := lastIndex(segments, prefixEnd.MatchString); i >= 0 {
		segments = segments[i+1:]
	} else if up && len(path) == 1 {
		segments = nil
	} else {
		start := len(segments) - len(path) - 1 // of a link one down
		last := len(path)
		if up {
			start, last = len(segments)-len(path)+1, len(path)-1
		}
		if start >= 0 && last >= 0 && slices.Equal(segments[start:start+last], path[:last]) {
			segments = segments[start:]
		}
	}
	// The grammar keeps everything out that is no place in the tree; an extension of a name's is part of it here.
	_, err = cmu.Parse(pathOf(segments), "")
	return segments, err == nil
}

// maxHref bounds the links that are read.
const maxHref = 4 << 10

func lastIndex(list []string, match func(string) bool) int {
	for i := len(list) - 1; i >= 0; i-- {
		if match(list[i]) {
			return i
		}
	}
	return -1
}

// pathOf returns the path below the reports base, escaped.
func pathOf(segments []string) string { return cmu.Request{Path: segments}.Canonical() }

// hrefOf returns the address of a request below base, with a format unless it is empty.
func hrefOf(base string, r cmu.Request, format string) string {
	href := base + r.Canonical()
	if format == "" {
		return href
	}
	if strings.Contains(href, "?") {
		return href + "&format=" + format
	}
	return href + "?format=" + format
}

// selfOf returns the address that a report states as its own: the full effective query, with one metrics parameter per
// metric as in Adobe's. Only the list of metrics has bare commas in it.
func selfOf(base string, r cmu.Request) string {
	path, query, _ := strings.Cut(r.Canonical(), "?")
	if query == "" {
		return base + path
	}
	return base + path + "?" + strings.ReplaceAll(query, ",", "&metrics=")
}

// Below returns the paths that links of the report at path lead down to.
func Below(links []cmu.Link, path []string) (below [][]string) {
	for _, n := range neighbours(links, path, false) {
		if len(n.path) > len(path) {
			below = append(below, n.path)
		}
	}
	return below
}
