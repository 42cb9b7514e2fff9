package gateway

import (
	"bufio"
	"bytes"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cmu-gateway/internal/catalog"
	"cmu-gateway/internal/reports"
	"cmu-gateway/pkg/cmu"
)

// catalogDocument is GET /catalog. Its names are stable.
type catalogDocument struct {
	// Now is what Adobe's wall clock shows, as far as known, in civil time.
	Now       string `json:"now"`
	Simulated bool   `json:"simulated"`
	// Reports are those that Adobe's links told of so far.
	Reports   []catalogReport    `json:"reports"`
	Metrics   []catalog.Metric   `json:"metrics"`
	Freshness []catalogFreshness `json:"freshness"`
}

type catalogReport struct {
	Href       string   `json:"href"`
	Dimensions []string `json:"dimensions"`
	Grain      string   `json:"grain,omitempty"`
	// Asked tells that an answer was seen, so that Metrics and LeadsTo are known. An answer without rows has no metrics.
	Asked   bool     `json:"asked"`
	Metrics []string `json:"metrics"`
	LeadsTo []string `json:"leads_to"`
}

type catalogFreshness struct {
	Grain     string `json:"grain"`
	Level     bool   `json:"level"`             // of reports by activity or concurrency level, whatever their grain
	Recompute int64  `json:"recompute_seconds"` // how often Adobe computes anew
	Open      int64  `json:"open_seconds"`      // how long rows that may change are fresh
	// SettledUntil is up to where rows are final, in civil time.
	SettledUntil cmu.Bound `json:"settled_until"`
}

// catalog shows which reports there are, as far as Adobe's links told, and what is to be known of them. Adobe is not asked.
func (h *handler) catalog(w http.ResponseWriter, r *http.Request) {
	w.Header()["Vary"] = h.varyPage
	base := h.BasePath(r.Context())
	now, freshness := h.Reports.Calendar()
	doc := catalogDocument{Now: now.String(), Simulated: h.madeUp(), Reports: []catalogReport{}, Metrics: catalog.Metrics}
	for _, known := range h.tree(r.Context()).Reports() {
		report := catalogReport{Href: base + reportsPath + pathOf(known.Path), Dimensions: append([]string{}, known.Path...), Asked: known.Asked,
			Metrics: append([]string{}, known.Metrics...), LeadsTo: append([]string{}, known.LeadsTo...)}
		if grain, ok := (cmu.Request{Path: known.Path}).Grain(); ok && grain != cmu.NoGrain {
			report.Grain = grain.String()
		}
		doc.Reports = append(doc.Reports, report)
	}
	for _, f := range freshness {
		doc.Freshness = append(doc.Freshness, catalogFreshness{f.Grain.String(), f.Level, wholeSeconds(f.Recompute), wholeSeconds(f.Open), f.Settled})
	}
	if m, ok := accepted(r.Header["Accept"], indexOffers); ok && m.format == formatHTML {
		h.sendPage(w, catalogPage(base, &doc))
		return
	}
	sendJSON(w, doc)
}

// tree is that of the licence in use.
func (h *handler) tree(ctx context.Context) *catalog.Tree {
	licence, _ := h.Reports.Licence(ctx)
	return h.trees.Of(licence)
}

// learn notes what an answer tells of the tree.
func (h *handler) learn(a *reports.Answer) {
	path, tree := a.Request.Path, h.trees.Of(a.Licence)
	if len(a.Request.Metrics) > 0 && tree.Knows(path) {
		return // some of the metrics only
	}
	var metrics []string
	isDimension := map[string]bool{}
	for _, d := range path {
		isDimension[d] = true
	}
	for _, f := range a.Request.Filters {
		isDimension[f.Dimension] = true
	}
	_ = a.Each(func(row cmu.Row) error {
		row.Each(func(name, _ []byte) bool {
			if !isDimension[string(name)] {
				metrics = append(metrics, string(name))
			}
			return true
		})
		return errEnough
	})
	var links [][]string
	for _, n := range append(neighbours(a.RollUp, path, true), neighbours(a.DrillDown, path, false)...) {
		links = append(links, n.path)
	}
	tree.Learn(path, metrics, links)
}

// near names the known paths that one that is not there may have been meant to be.
func (h *handler) near(r *http.Request) (hrefs []string) {
	below, ok := strings.CutPrefix(r.URL.EscapedPath(), reportsPath+"/")
	asked, err := cmu.Parse(below, "")
	if !ok || err != nil {
		return nil
	}
	for _, path := range h.tree(r.Context()).Nearest(asked.Path) {
		hrefs = append(hrefs, h.BasePath(r.Context())+reportsPath+pathOf(path))
	}
	return hrefs
}

// catalogPage is the catalogue for people.
func catalogPage(base string, doc *catalogDocument) []byte {
	var text bytes.Buffer
	p := page{bufio.NewWriter(&text)}
	p.service(base, "Catalogue", doc.Simulated)
	p.raw("<h2>Reports</h2>\n")
	if len(doc.Reports) == 0 {
		p.raw("<p>No report is known yet. ")
		p.link(base+reportsPath, "Begin at the root of the tree")
		p.raw("</p>\n")
	} else {
		p.raw("<p>What Adobe's links told of so far. A report that was not asked for yet has its metrics and what lies below it still to be learnt.</p>\n")
		p.table("The reports that are known", "Report", "By", "Metrics", "Leads to")
		for _, r := range doc.Reports {
			p.raw(`<tr><th scope="row">`)
			name := strings.Join(r.Dimensions, " / ")
			if name == "" {
				name = "root"
			}
			p.link(r.Href, name)
			p.raw("</th>")
			p.cell("td", r.Grain, false)
			metrics, to := strconv.Itoa(len(r.Metrics)), strings.Join(r.LeadsTo, ", ")
			if !r.Asked {
				metrics, to = "not asked yet", ""
			}
			p.cell("td", metrics, false)
			p.cell("td", to, false)
			p.raw("</tr>\n")
		}
		p.raw("</tbody></table></div>\n")
	}
	p.raw("<h2>Metrics</h2>\n")
	p.table("The metrics and what they mean", "Metric", "Meaning", "Adds up")
	for _, m := range doc.Metrics {
		adds := "yes"
		if m.Distinct {
			adds = "never: distinct users"
		}
		p.raw(`<tr><th scope="row">`)
		p.text(m.Name)
		p.raw(`</th><td class="w">`)
		p.text(m.Meaning)
		p.raw("</td>")
		p.cell("td", adds, false)
		p.raw("</tr>\n")
	}
	p.raw("</tbody></table></div>\n<h2>Freshness</h2>\n")
	p.table("How fresh reports are", "Finest time dimension", "Adobe recomputes every", "Rows that may change are fresh for", "Final up to")
	for _, f := range doc.Freshness {
		name := f.Grain
		if f.Level {
			name = "any, by activity or concurrency level"
		}
		p.raw(`<tr><th scope="row">`)
		p.text(name)
		p.raw("</th>")
		p.cell("td", roughly(time.Duration(f.Recompute)*time.Second), false)
		p.cell("td", roughly(time.Duration(f.Open)*time.Second), false)
		p.cell("td", f.SettledUntil.String(), false)
		p.raw("</tr>\n")
	}
	p.raw("</tbody></table></div>\n")
	return p.end(&text)
}
