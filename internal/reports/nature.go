package reports

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"cmu-gateway/internal/upstream"
	"cmu-gateway/pkg/cmu"
)

// nature is what Adobe's self link says of a path beyond its name. The zero nature is that of a path that is what it says.
type nature struct {
	// Path is that of the rows, where the path asked for is an alias; nil: the path itself.
	Path []string `json:"path,omitempty"`
	// NoWindow: start and end are not heeded, as there is no time dimension.
	NoWindow bool `json:"no_window,omitempty"`
}

func (n nature) equal(o nature) bool { return n.NoWindow == o.NoWindow && slices.Equal(n.Path, o.Path) }

// prefixEnd is the last segment of what precedes the path in Adobe's links.
var prefixEnd = regexp.MustCompile(`^(.*/)?v[0-9]+(/|$)`)

// natureOf reads the nature of r's path from the self link of an answer whose rows have these fields. What the link does not tell is
// as it was known.
func natureOf(r cmu.Request, known nature, l cmu.Links, fields []string) nature {
	href, _, _ := strings.Cut(l.Self, "?")
	self, err := upstream.Effective(l)
	if err != nil || len(fields) == 0 || !prefixEnd.MatchString(href) {
		return known
	}
	n := nature{NoWindow: known.NoWindow}
	below, err := cmu.Parse(prefixEnd.ReplaceAllString(href, ""), "")
	strange := func(d string) bool { return !slices.Contains(fields, d) }
	if err == nil && len(below.Path) > 0 && !slices.Equal(below.Path, r.Path) && !slices.ContainsFunc(below.Path, strange) {
		n.Path = below.Path
	}
	onTime := func(d string) bool { return cmu.TimeDimension(d) != cmu.NoGrain }
	if !slices.ContainsFunc(n.of(r), onTime) && (moved(r.Start, self.Start) || moved(r.End, self.End)) {
		n.NoWindow = true
	}
	return n
}

// of returns the path of the rows of r.
func (n nature) of(r cmu.Request) []string {
	if n.Path != nil {
		return n.Path
	}
	return r.Path
}

// moved reports whether Adobe surely read a bound that was asked for as another.
func moved(asked, said cmu.Bound) bool {
	a, ok := asked.Civil()
	s, told := said.Civil()
	return ok && (said.IsZero() || told && a != s)
}

// natureError is returned when an answer is to another report than its path said: it must be read as that.
type natureError struct {
	path   string
	nature nature
}

func (e *natureError) Error() string {
	return fmt.Sprintf("%s is another report than its path says: %+v", e.path, e.nature)
}
