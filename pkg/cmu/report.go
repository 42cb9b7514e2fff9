package cmu

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Report asks for a report and hands over the raw answer, decompressed, in whatever representation it came: see [Client.Rows] for
// rows. accept is the media type wanted, such as "application/json" or "text/csv"; empty: Adobe's choice, JSON. A Format in the
// request is sent too, and wins at Adobe. The answer has status 200, and its body must be closed.
//
// Errors: *[RequestError] for a request that fails [Request.Check]; *[Error] for an answer of Adobe's, matching [ErrUnauthorized],
// [ErrThrottled] and [ErrTooWide]; another error when no answer came. A body longer than MaxBody fails in reading with
// [ErrTooLarge], one that takes longer than Timeout with [context.DeadlineExceeded], one that quotes the token with [ErrNotReport].
//
// Source: Adobe, Concurrency Monitoring usage API; RFC 6750 section 2.1.
func (c *Client) Report(ctx context.Context, token Secret, r Request, accept string) (*http.Response, error) {
	if err := r.Check(); err != nil {
		return nil, fmt.Errorf("adobe report: %w", err)
	}
	base, err := c.base("ReportsURL", c.ReportsURL)
	if err != nil {
		return nil, fmt.Errorf("adobe report: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.URL(base), nil)
	if err != nil {
		return nil, fmt.Errorf("adobe report: %w", err)
	}
	if r.Format != "" {
		if req.URL.RawQuery != "" {
			req.URL.RawQuery += "&"
		}
		req.URL.RawQuery += "format=" + escape(strings.ToLower(r.Format))
	}
	req.Header.Set("Authorization", "Bearer "+token.Reveal())
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	limit := c.MaxBody
	if limit == 0 {
		limit = defaultMaxBody
	}
	resp, err := c.send(req, opReport, token, limit, http.StatusOK)
	if err == nil {
		b := resp.Body.(*body)
		b.Reader = newGuardedReader(b.Reader, token)
	}
	return resp, err
}

// Links are the places in the tree of dimensions that a report names, as Adobe wrote them: paths on its host, perhaps below
// another prefix than the one asked. All may be empty.
//
// Source: Adobe, Concurrency Monitoring usage API, "HAL".
type Links struct {
	// Self is the report itself with the full effective query: the window and the limit that Adobe chose, the tenant it filtered
	// by. As many rows as that limit mean that rows are missing.
	Self string
	// RollUp leads to coarser reports, DrillDown to finer ones, at most MaxLinks each. Their hrefs carry no query.
	RollUp, DrillDown []Link
}

// Link leads to a neighbour in the tree: Name is the dimension that it adds, or takes away.
type Link struct {
	Href string `json:"href"`
	Name string `json:"name"`
}

// ReadReport reads a report in JSON (HAL) from any reader, such as the body of [Client.Report] or a file, and hands each row to
// each: in constant memory, without an allocation a row unless the row holds white space. The links are those found up to an error, wherever in the document they
// stand. r is read to its end, and not closed.
//
// A row is valid until each returns: bytes.Clone keeps it. An error of each ends the reading and is returned as it is. What is
// not such a report is [ErrNotReport], after the rows before the fault; a body that breaks off is [io.ErrUnexpectedEOF], and an
// error of r is wrapped. What exceeds [MaxRow] and the bounds beside it is [ErrTooLarge], before memory is taken for it.
//
// Source: Adobe, Concurrency Monitoring usage API, "HAL"; draft-kelly-json-hal.
func ReadReport(r io.Reader, each func(Row) error) (Links, error) {
	d := reportReader{each: each, in: &tokenBound{r: &unmarked{r: r}}}
	d.dec = jsontext.NewDecoder(d.in)
	d.in.dec = d.dec
	err := d.object(func(name string) error {
		switch {
		case name == "report" && d.dec.PeekKind() == '[':
			d.found = true
			return d.rows()
		case name == "_links" && d.dec.PeekKind() == '{':
			return d.links()
		}
		return d.dec.SkipValue()
	})
	if err == nil {
		if _, end := d.dec.ReadToken(); !errors.Is(end, io.EOF) {
			err = fmt.Errorf("%w: text follows it", ErrNotReport)
		}
	}
	if err == nil && !d.found {
		err = fmt.Errorf("%w: it has no report array", ErrNotReport)
	}
	var syntax *jsontext.SyntacticError
	if err != nil && !d.refused && d.in.err != nil {
		err = fmt.Errorf("reading a report: %w", d.in.err) // whatever the decoder made of it
	} else if errors.As(err, &syntax) && !errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("%w: broken JSON at byte %d", ErrNotReport, syntax.ByteOffset)
	}
	return d.out, err
}

type reportReader struct {
	dec     *jsontext.Decoder
	in      *tokenBound
	each    func(Row) error
	refused bool // by each
	found   bool
	out     Links
}

// object reads an object, calling member with the reader at each value.
func (d *reportReader) object(member func(name string) error) error {
	open, err := d.dec.ReadToken()
	if err != nil {
		switch {
		case errors.Is(err, io.EOF) && d.dec.InputOffset() == 0 && d.in.err == nil:
			return fmt.Errorf("%w: it is empty", ErrNotReport)
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		}
		return err
	}
	if open.Kind() != '{' {
		return fmt.Errorf("%w: want an object", ErrNotReport)
	}
	for d.dec.PeekKind() == '"' {
		name, err := d.dec.ReadToken()
		if err != nil {
			return err
		}
		if err := member(name.String()); err != nil {
			return err
		}
	}
	_, err = d.dec.ReadToken()
	return err
}

func (d *reportReader) rows() error {
	if _, err := d.dec.ReadToken(); err != nil {
		return err
	}
	d.in.beginRows()
	defer d.in.endRows()
	for d.dec.PeekKind() == '{' {
		v, err := d.dec.ReadValue()
		if err != nil {
			return err
		}
		row, err := newRow(v)
		if err != nil {
			return err
		}
		if err := row.checkSize(); err != nil {
			return err
		}
		if err := d.each(row); err != nil {
			d.refused = true
			return err
		}
	}
	end, err := d.dec.ReadToken()
	if err == nil && end.Kind() != ']' {
		err = fmt.Errorf("%w: a row is no object", ErrNotReport)
	}
	return err
}

func (d *reportReader) links() error {
	return d.object(func(name string) error {
		switch name {
		case "self":
			self, err := d.linkList()
			if len(self) > 0 {
				d.out.Self = self[0].Href
			}
			return err
		case "roll-up":
			var err error
			d.out.RollUp, err = d.linkList()
			return err
		case "drill-down":
			var err error
			d.out.DrillDown, err = d.linkList()
			return err
		}
		return d.dec.SkipValue()
	})
}

// linkList reads one link or an array of links.
func (d *reportReader) linkList() ([]Link, error) {
	if d.dec.PeekKind() == '{' {
		l, err := d.link()
		return []Link{l}, err
	}
	if d.dec.PeekKind() != '[' {
		return nil, d.dec.SkipValue()
	}
	if _, err := d.dec.ReadToken(); err != nil {
		return nil, err
	}
	var list []Link
	for d.dec.PeekKind() == '{' {
		l, err := d.link()
		if err != nil {
			return nil, err
		}
		if len(list) == MaxLinks {
			return nil, errLinks
		}
		list = append(list, l)
	}
	end, err := d.dec.ReadToken()
	if err == nil && end.Kind() != ']' {
		err = fmt.Errorf("%w: a link is no object", ErrNotReport)
	}
	return list, err
}

func (d *reportReader) link() (l Link, err error) {
	err = d.object(func(name string) error {
		if d.dec.PeekKind() != '"' {
			return d.dec.SkipValue()
		}
		v, err := d.dec.ReadToken()
		if err != nil {
			return err
		}
		text := v.String()
		if len(text) > MaxText {
			return errText
		}
		switch name {
		case "href":
			l.Href = text
		case "name":
			l.Name = text
		}
		return nil
	})
	return l, err
}
