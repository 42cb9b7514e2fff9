package gateway

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// service begins a page of the service's own.
func (p page) service(base, title string, simulated bool) {
	p.head(base, title+" - CMU gateway")
	p.raw(`<header class="top"><a class="brand" href="`)
	p.text(base + "/")
	p.raw(`"><svg viewBox="0 0 20 20" aria-hidden="true"><path d="M2 17V9h4v8zm6 0V3h4v14zm6 0v-5h4v5z"/></svg>CMU explorer</a>` + "\n" +
		`<nav aria-label="Pages">` + "\n")
	for _, to := range []struct{ path, name string }{
		{"/catalog", "Catalogue"}, {"/status", "Status"}, {reportsPath, "Reports as tables"}, {"/openapi.json", "API"},
	} {
		p.link(base+to.path, to.name)
	}
	p.raw("</nav></header>\n<main>")
	p.banner(simulated)
	p.raw("<h1>")
	p.text(title)
	p.raw("</h1>\n")
}

// end ends a page and returns it.
func (p page) end(text *bytes.Buffer) []byte {
	p.raw("</main></body></html>\n")
	p.Flush()
	return text.Bytes()
}

// table begins a table with a caption and headings.
func (p page) table(caption string, headings ...string) {
	p.raw(`<div class="scroll" tabindex="0" role="region" aria-label="`)
	p.text(caption)
	p.raw(`"><table><caption>`)
	p.text(caption)
	p.raw("</caption><thead><tr>")
	for _, h := range headings {
		p.raw(`<th scope="col">`)
		p.text(h)
		p.raw("</th>")
	}
	p.raw("</tr></thead><tbody>\n")
}

// statusPage is the status for people.
func statusPage(base string, s *Status, now time.Time) []byte {
	var text bytes.Buffer
	p := page{bufio.NewWriter(&text)}
	p.service(base, "Status", s.Simulated)
	for _, problem := range s.Problems {
		p.warn(problem)
	}
	if len(s.Problems) == 0 {
		p.raw(`<p class="good">Nothing needs a look.</p>` + "\n")
	}
	p.raw(`<div class="cards">` + "\n")
	p.section("Access to Adobe")
	if a := s.Access; a != nil {
		p.item("Access", a.Summary)
		if a.Token.Summary != a.Summary {
			p.item("If no call succeeds any more", a.Token.Summary)
		}
		if !a.Token.ExpiresAt.IsZero() {
			p.item("Token ends", moment(a.Token.ExpiresAt, now))
		}
		if c := a.Credentials; c != nil && !c.Since.IsZero() {
			p.item("Client credentials since", moment(c.Since, now))
		}
	} else {
		p.item("Access", "not known here")
	}
	p.done()
	p.section("Calls to Adobe")
	p.item("Calls since the start", group(strconv.FormatInt(s.AdobeCalls.Total, 10)))
	p.item("Failed", group(strconv.FormatInt(s.AdobeCalls.Failed, 10)))
	if s.CooldownUntil.IsZero() {
		p.item("Pause", "none")
	} else {
		p.item("Pause", "Adobe asked not to be called until "+moment(s.CooldownUntil, now))
	}
	if w := s.WarmUp; w != nil {
		p.item("Kept warm", fmt.Sprintf("%d of %d reports are fresh; asked %d times since the start, failed %d", w.Fresh, w.Reports, w.Asked, w.Failed))
	}
	p.done()
	p.section("Answers since the start")
	all := s.Answers.Memory + s.Answers.Store + s.Answers.Stale + s.Answers.Adobe
	for _, from := range []struct {
		name  string
		count int64
	}{{"From memory", s.Answers.Memory}, {"From the store", s.Answers.Store}, {"Stale", s.Answers.Stale}, {"From Adobe", s.Answers.Adobe}} {
		value := group(strconv.FormatInt(from.count, 10))
		if all > 0 {
			value += " (" + strconv.FormatInt((from.count*100+all/2)/all, 10) + " %)"
		}
		p.item(from.name, value)
	}
	p.done()
	p.section("Calendar")
	proven := "Not proven: reports are asked for whole"
	if s.Calendar.Proven {
		proven = "Proven: reports are sliced by calendar period"
	}
	p.item("Verdict", proven)
	if s.Calendar.Evidence != "" {
		p.item("Evidence", s.Calendar.Evidence)
	}
	if !s.Calendar.CheckedAt.IsZero() {
		p.item("Checked", moment(s.Calendar.CheckedAt, now))
	}
	for _, grain := range []string{"minute", "hour", "day", "month", "year"} {
		if until, ok := s.SettledUntil[grain]; ok {
			p.item("Final by "+grain, "up to "+until.String()+", Adobe's time")
		}
	}
	p.done()
	p.section("Store")
	about := ""
	if s.Stored.Approximate {
		about = "about "
	}
	p.item("Items", about+group(strconv.FormatInt(s.Stored.Items, 10)))
	p.item("Size", about+megabytes(s.Stored.Bytes))
	p.done()
	p.section("This process")
	p.item("Version", s.Version)
	p.item("Up for", roughly(time.Duration(s.UptimeSeconds)*time.Second))
	if s.Instance != "" {
		p.item("Instance", s.Instance)
	}
	p.done()
	p.raw("</div>\n")
	return p.end(&text)
}

// section begins a list that lasts until done.
func (p page) section(title string) {
	p.raw(`<section class="card"><h2>`)
	p.text(title)
	p.raw(`</h2><dl class="pairs">` + "\n")
}

func (p page) done() { p.raw("</dl></section>\n") }

func (p page) item(name, value string) {
	p.raw("<dt>")
	p.text(name)
	p.raw("</dt><dd>")
	p.text(value)
	p.raw("</dd>\n")
}

// moment is an instant for people, and how far away it is.
func moment(at, now time.Time) string {
	text := at.UTC().Format("2006-01-02 15:04:05") + " UTC"
	if d := at.Sub(now).Round(time.Second); d > 0 {
		return text + ", in " + roughly(d)
	} else if d < 0 {
		return text + ", " + roughly(-d) + " ago"
	}
	return text
}

// roughly is a length of time for people: its two coarsest units.
func roughly(d time.Duration) string {
	units := []struct {
		name   string
		length time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"min", time.Minute}, {"s", time.Second}}
	for i, u := range units[:3] {
		if n := d / u.length; n > 0 {
			next := units[i+1]
			if rest := d % u.length / next.length; rest > 0 {
				return fmt.Sprintf("%d %s %d %s", n, u.name, rest, next.name)
			}
			return fmt.Sprintf("%d %s", n, u.name)
		}
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

func megabytes(n int64) string {
	if n < 100_000 {
		return group(strconv.FormatInt(n, 10)) + " bytes"
	}
	return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + " MB"
}
