package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"html"
	"slices"
	"strconv"
	"strings"

	"cmu-gateway/internal/explorer"
	"cmu-gateway/pkg/cmu"
)

// pagePolicy is that of all pages.
const pagePolicy = explorer.Policy

// maxPageRows is what browsers show without effort.
const maxPageRows = 5000

// page writes HTML; all text goes through its methods and is escaped. Errors stay in the writer.
type page struct{ *bufio.Writer }

func (p page) raw(parts ...string) {
	for _, s := range parts {
		p.WriteString(s)
	}
}

func (p page) text(s string) { p.WriteString(html.EscapeString(s)) }

func (p page) link(href, text string) {
	p.raw(`<a href="`)
	p.text(href)
	p.raw(`">`)
	p.text(text)
	p.raw("</a>\n")
}

// begin begins a page of a gateway that callers see below base.
func (p page) begin(base, title string) {
	p.head(base, title)
	p.raw("<main>\n")
}

func (p page) head(base, title string) {
	p.raw(`<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>`)
	p.text(title)
	p.raw(`</title><link rel="stylesheet" href="`)
	p.text(base + assetsPath + explorer.Hash() + "/plain.css")
	p.raw(`"><link rel="icon" type="image/svg+xml" href="`)
	p.text(base + assetsPath + explorer.Hash() + "/icon.svg")
	p.raw("\"></head><body>\n")
}

func (p page) fact(name, value string) {
	p.raw("<span><b>")
	p.text(name)
	p.raw("</b> ")
	p.text(value)
	p.raw("</span>\n")
}

// errEnough ends the reading of rows.
var errEnough = errors.New("enough rows")

// writeHTML writes a page for people: the table, where to go from here, and what to know of the numbers.
func (d *document) writeHTML(b *bufio.Writer, ctx context.Context) error {
	c, err := d.columns(ctx)
	if err != nil {
		return err
	}
	p := page{b}
	name := strings.Join(d.Request.Path, " / ")
	if name == "" {
		name = "all"
	}
	p.begin(strings.TrimSuffix(d.base, reportsPath), name+" - usage report")
	p.raw("<h1>")
	p.link(d.base, "Usage reports")
	for i, dimension := range d.Request.Path {
		p.raw("<i>/</i>")
		if i == len(d.Request.Path)-1 {
			p.raw("<span>")
			p.text(dimension)
			p.raw("</span>")
		} else {
			p.link(d.to(d.Request.Path[:i+1], ""), dimension)
		}
	}
	p.raw("</h1>\n")
	p.banner(d.simulated)
	d.writeFacts(p)
	d.writeNavigation(p)
	if d.Rows == 0 {
		p.raw("<p>There are no rows in this window.</p>\n")
	}
	p.raw(`<div class="scroll" tabindex="0" role="region" aria-label="Rows"><table><thead><tr>`)
	for i, name := range c.names {
		p.cell("th", name, c.numeric(i))
	}
	p.raw("</tr></thead><tbody>\n")
	var values [][]byte
	err = d.rows(ctx, func(row cmu.Row) error {
		if d.written > maxPageRows {
			return errEnough
		}
		values = c.values(row, values)
		p.raw("<tr>")
		for i, v := range values {
			if c.numeric(i) {
				v = thousands(v)
			}
			p.cell("td", string(v), c.numeric(i))
		}
		_, err := p.WriteString("</tr>\n")
		return err
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	p.raw("</tbody></table></div></main></body></html>\n")
	return nil
}

func (p page) cell(tag, text string, numeric bool) {
	p.raw("<", tag)
	if numeric {
		p.raw(` class="n"`)
	}
	p.raw(">")
	p.text(text)
	p.raw("</", tag, ">")
}

// writeFacts tells what the numbers are about, how old they are, and what is missing.
func (d *document) writeFacts(p page) {
	p.raw(`<div class="facts">`)
	if start := d.Request.Start.String(); start != "" {
		p.fact("from", start)
	}
	if end := d.Request.End.String(); end != "" {
		p.fact("to", end)
	}
	for _, f := range d.Request.Filters {
		switch f.Operator {
		case cmu.Equal:
			p.fact(f.Dimension, f.Value)
		case cmu.NotEqual:
			p.fact("not "+f.Dimension, f.Value)
		}
	}
	if d.Request.Limit > 0 {
		p.fact("limit", group(strconv.Itoa(d.Request.Limit)))
	}
	p.fact("rows", group(strconv.Itoa(d.Rows)))
	p.fact("as of", d.Fetched.UTC().Format("2006-01-02 15:04:05")+" UTC")
	if until := d.SettledUntil.String(); until != "" && until != d.Request.End.String() {
		p.fact("final up to", until)
	}
	p.raw("</div>\n")
	if reason := IncompleteReason(d.Answer); reason != "" {
		p.warn("This report is incomplete: " + reason + ".")
	}
	if gone := BeforeHorizon(d.Answer); gone != "" {
		p.warn(gone + ".")
	}
	if d.stale {
		p.warn("These numbers are older than they should be. Newer ones are being fetched, or cannot be had for now: reload in a moment.")
	}
	if d.Rows > maxPageRows {
		p.raw(`<p class="warn">`)
		p.text(fmt.Sprintf("Only the first %s of %s rows are shown. All of them: ",
			group(strconv.Itoa(maxPageRows)), group(strconv.Itoa(d.Rows))))
		p.link(hrefOf(d.base, d.asked, "csv"), "CSV")
		p.raw("</p>\n")
	}
}

func (p page) warn(text string) {
	p.raw(`<p class="warn">`)
	p.text(text)
	p.raw("</p>\n")
}

// writeNavigation links to the neighbours in the tree, with the same window and filters, and to the other formats.
func (d *document) writeNavigation(p page) {
	nav := func(title string, list []neighbour) {
		if len(list) == 0 {
			return
		}
		p.raw(`<nav aria-label="`, title, `"><b>`, title, "</b>\n")
		for _, n := range list {
			p.link(d.to(n.path, ""), n.name)
		}
		p.raw("</nav>\n")
	}
	nav("Roll up", neighbours(d.RollUp, d.Request.Path, true))
	nav("Drill down", neighbours(d.DrillDown, d.Request.Path, false))
	p.raw("<nav aria-label=\"Formats\"><b>As</b>\n")
	for _, f := range []format{formatCSV, formatJSON, formatXML, formatNDJSON} {
		p.link(d.to(d.Request.Path, formatNames[f]), strings.ToUpper(formatNames[f]))
	}
	p.raw("</nav>\n")
}

// to returns the address of a place with the query that was asked. The metrics are those of one place: another may lack them, and
// would be refused.
func (d *document) to(path []string, format string) string {
	r := d.asked
	if !slices.Equal(path, r.Path) {
		r.Metrics = nil
	}
	r.Path = path
	return hrefOf(d.base, r, format)
}

// thousands puts commas into a whole number; all else stays as it is.
func thousands(v []byte) []byte {
	digits := v
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) <= 3 {
		return v
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return v
		}
	}
	out := append(make([]byte, 0, len(v)+len(v)/3), v[:len(v)-len(digits)]...)
	for i, c := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			out = append(out, ',')
		}
		out = append(out, c)
	}
	return out
}

func group(number string) string { return string(thousands([]byte(number))) }
