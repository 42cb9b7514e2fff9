package gateway

import (
	"bufio"
	"bytes"
	"net/http"
	"strconv"
	"strings"

	"cmu-gateway/pkg/cmu"
)

// problemOffers are the media types of problems. Whoever takes none of them gets the first.
var problemOffers = []*media{
	{formatJSON, "application", "problem+json", []string{"application/problem+json"}},
	{formatJSON, "application", "json", nil},
	{formatHTML, "text", "html", nil},
}

// wantsPage tells whether a problem is to be read by a person.
func wantsPage(accept []string) bool {
	m, ok := accepted(accept, problemOffers)
	return ok && m.format == formatHTML
}

// problemPage is a problem for people: the same sentence, and ways on.
func (h *handler) problemPage(r *http.Request, p problem) []byte {
	var text bytes.Buffer
	b := page{bufio.NewWriter(&text)}
	b.begin(h.BasePath(r.Context()), p.Title)
	b.raw("<h1>")
	b.text(p.Title)
	b.raw("</h1>\n")
	b.banner(h.madeUp())
	b.warn(p.Detail)
	if p.Seconds > 0 {
		b.raw("<p>")
		b.text("Reload this page in " + strconv.FormatInt(p.Seconds, 10) + " s.")
		b.raw("</p>\n")
	}
	if len(p.Narrower) > 0 {
		b.raw("<nav aria-label=\"In parts\"><b>In parts</b>\n")
		for _, part := range p.Narrower {
			b.link(part.Href, part.Start+" to "+part.End)
		}
		b.raw("</nav>\n")
	}
	if len(p.Nearest) > 0 {
		b.raw("<nav aria-label=\"Did you mean\"><b>Did you mean</b>\n")
		for _, href := range p.Nearest {
			b.link(href, strings.TrimPrefix(href, h.BasePath(r.Context())+reportsPath+"/"))
		}
		b.raw("</nav>\n")
	}
	b.raw("<nav aria-label=\"Go on\"><b>Go on</b>\n")
	for _, way := range h.waysOn(r, p) {
		b.link(way.href, way.text)
	}
	b.raw("</nav>\n<p class=\"facts\">")
	b.fact("status", strconv.Itoa(p.Status))
	b.fact("code", p.Code)
	b.raw("</p></main></body></html>\n")
	b.Flush()
	return text.Bytes()
}

type way struct{ href, text string }

// waysOn lead from where a problem is to where there may be none.
func (h *handler) waysOn(r *http.Request, p problem) (ways []way) {
	base := h.BasePath(r.Context())
	if p.Status == http.StatusMisdirectedRequest || p.Status == http.StatusUnauthorized {
		return []way{{base + "/", "Front page"}}
	}
	below, ok := strings.CutPrefix(r.URL.EscapedPath(), reportsPath+"/")
	if asked, err := cmu.Parse(below, ""); ok && err == nil && len(asked.Path) > 0 {
		query, err := h.Reports.Parse(below, r.URL.RawQuery)
		switch {
		case err != nil:
		case p.Status >= 500:
			ways = append(ways, way{hrefOf(base+reportsPath, query, query.Format), "Try again"})
		case len(query.Filters)+len(query.Metrics) > 0:
			// What one place in the tree can be filtered by another cannot.
			query.Filters, query.Metrics = nil, nil
			ways = append(ways, way{hrefOf(base+reportsPath, query, ""), "The same window without filters and metrics"})
		}
		if r.URL.RawQuery != "" && p.Status < 500 {
			ways = append(ways, way{base + reportsPath + asked.Canonical(), "This report without parameters"})
		}
		if above := asked.Path[:len(asked.Path)-1]; len(above) > 0 {
			ways = append(ways, way{base + reportsPath + pathOf(above), "One up: " + strings.Join(above, " / ")})
		}
	}
	return append(ways, way{base + reportsPath, "Usage reports"}, way{base + "/", "Front page"})
}
