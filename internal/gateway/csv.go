package gateway

import (
	"bufio"
	"context"
	"encoding/csv"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"cmu-gateway/pkg/cmu"
)

// writeCSV writes a header row and then the rows. Values are as Adobe sent them.
func (d *document) writeCSV(b *bufio.Writer, ctx context.Context) error {
	c, err := d.columns(ctx)
	if err != nil {
		return err
	}
	w := csv.NewWriter(b)
	if len(c.names) > 0 {
		if err := w.Write(c.names); err != nil {
			return err
		}
	}
	var values [][]byte
	var text []byte
	record := make([]string, len(c.names))
	err = d.rows(ctx, func(row cmu.Row) error {
		values, text = c.values(row, values), text[:0]
		for _, v := range values {
			text = append(text, v...)
		}
		rest := string(text) // one allocation a row
		for i, v := range values {
			record[i], rest = rest[:len(v)], rest[len(v):]
		}
		return w.Write(record)
	})
	w.Flush()
	if err == nil {
		err = w.Error()
	}
	return err
}

// fileName returns the name that Adobe gives a CSV of the report: its window's dates, then the values of its filters and its limit.
// Who keeps the file has no headers any more, so an incomplete one is called so.
func fileName(r cmu.Request, incomplete bool) string {
	var values []string
	for _, f := range r.Filters {
		if f.Value != "" {
			values = append(values, f.Value)
		}
	}
	if r.Limit > 0 {
		values = append(values, strconv.Itoa(r.Limit))
	}
	name := "report__" + date(r.Start) + "_" + date(r.End)
	if len(values) > 0 {
		name += "_" + strings.Join(values, ",")
	}
	runes := []rune(name)
	name = string(runes[:min(len(runes), maxFileName)])
	if incomplete {
		name += "_incomplete"
	}
	return name + ".csv"
}

// maxFileName is in characters, of which each may take four bytes of the 255 that file systems have for a name.
const maxFileName = 55

func date(b cmu.Bound) string {
	text, _, _ := strings.Cut(b.String(), "T")
	return text
}

// disposition returns a Content-Disposition that saves under a name, without what file systems or headers could take for
// more than a name. Source: RFC 6266; RFC 8187.
func disposition(name string) string {
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || strings.ContainsRune(`/\:*?"<>|%;'`, r) {
			return '-'
		}
		return r
	}, strings.ToValidUTF8(name, "-"))
	plain := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '_'
		}
		return r
	}, name)
	value := `attachment; filename="` + plain + `"`
	if plain != name {
		value += "; filename*=UTF-8''" + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
	}
	return value
}
