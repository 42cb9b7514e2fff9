package gateway

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strconv"
	"sync"

	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/rows"
	"cmu-gateway/pkg/cmu"

	"github.com/klauspost/compress/gzip"
)

// Form is how Encode writes what GET has one way for. The zero value is that way.
type Form struct {
	// Date puts one column date, in ISO 8601, in the place of the time dimensions. Rows without a year are an error: see Dated.
	Date bool `json:"date"`
	// Mark begins a CSV with a byte order mark, by which Excel knows UTF-8. Other formats have none.
	Mark bool `json:"mark"`
	// Simulated says on a page that its rows are made up.
	Simulated bool `json:"-"`
}

// Encode writes an answer in a format: json, csv, xml, ndjson or html. They are the bytes that GET sends, uncompressed, where the
// handler has no base path. source is what came with the answer, asked what it was asked for with.
//
// Errors: that of w or of ctx; a format that does not exist; a row that has no date.
func Encode(ctx context.Context, w io.Writer, a *reports.Answer, source reports.Source, asked cmu.Request, format string, form Form) error {
	m, ok := choose(format, nil)
	if !ok {
		return fmt.Errorf("there is no format %q", format)
	}
	d := &document{Answer: a, asked: asked, media: m, base: reportsPath, stale: source == reports.Stale, simulated: form.Simulated, dates: form.Date}
	if form.Mark && m.format == formatCSV {
		if _, err := io.WriteString(w, byteOrderMark); err != nil {
			return err
		}
	}
	return d.write(w, ctx)
}

// IncompleteReason says in a clause why rows are missing from an answer; it is empty if none are.
func IncompleteReason(a *reports.Answer) string {
	switch {
	case !a.Incomplete:
		return ""
	case a.Request.Limit > 0:
		return "rows past the limit of " + strconv.Itoa(a.Request.Limit) + " are missing"
	}
	return "rows are missing: Adobe truncated its answer, and it was not asked for in smaller parts; a narrower window, a filter or fewer dimensions may have all"
}

// write makes the body.
func (d *document) write(to io.Writer, ctx context.Context) error {
	if d.gzip {
		z := compressors.Get().(*gzip.Writer)
		z.Reset(to)
		defer compressors.Put(z)
		if err := d.writePlain(z, ctx); err != nil {
			return err
		}
		return z.Close()
	}
	return d.writePlain(to, ctx)
}

// size is how many bytes write makes, where what is kept with the rows tells that.
func (d *document) size() (n int, ok bool) {
	if d.gzip {
		return 0, false
	}
	switch d.media.format {
	case formatJSON:
		plain, pieces := int64(0), int64(0) // with a comma between rows
		for _, f := range d.Fragments {
			if plain += f.Len; f.Rows > 0 {
				pieces++
			}
		}
		return len(d.jsonHead()) + int(plain+max(pieces-1, 0)) + len(jsonTail), true
	case formatCSV:
		if d.Rows > 0 && d.Columns == nil {
			return 0, false
		}
		c, err := d.columns(context.Background()) // reads nothing
		if err != nil || len(c.names) == 0 {
			return 0, err == nil
		}
		return int(rows.CSVLen(d.Fragments, c.names)), true
	}
	return 0, false
}

var compressors = sync.Pool{New: func() any {
	z, err := gzip.NewWriterLevel(nil, 1)
	if err != nil {
		panic(err) // the level is a constant
	}
	return z
}}

// buffers are as large as to make writes and chunks few.
var buffers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 32<<10) }}

func (d *document) writePlain(to io.Writer, ctx context.Context) error {
	b := buffers.Get().(*bufio.Writer)
	b.Reset(to)
	defer func() {
		b.Reset(nil)
		buffers.Put(b)
	}()
	writers := [...]func(*document, *bufio.Writer, context.Context) error{
		formatJSON: (*document).writeJSON, formatHTML: (*document).writeHTML, formatCSV: (*document).writeCSV,
		formatXML: (*document).writeXML, formatNDJSON: (*document).writeNDJSON,
	}
	if err := writers[d.media.format](d, b, ctx); err != nil {
		return err
	}
	return b.Flush()
}

// rows calls do with every row, and gives up when the caller has.
func (d *document) rows(ctx context.Context, do func(cmu.Row) error) error {
	d.written = 0
	return d.Each(func(row cmu.Row) error {
		if d.written++; d.written%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if d.dates {
			var err error
			if row, err = Dated(row); err != nil {
				return err
			}
		}
		return do(row)
	})
}
