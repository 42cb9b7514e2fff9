package gateway

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"hash/crc32"
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

// fileName returns a name for a CSV of the report. It is Adobe's, "report__" with the window's dates, the values of filters and the
// limit, and beyond it what tells other reports of the same window apart: the path in the gap that Adobe leaves, the metrics at
// the end. Who keeps the file has no headers any more, so an incomplete one is called so, and one of time that Adobe no longer has.
func fileName(r cmu.Request, metrics []string, incomplete, beforeHorizon bool) string {
	var values []string
	for _, f := range r.Filters {
		switch f.Operator {
		case cmu.Equal:
			values = append(values, f.Value)
		case cmu.NotEqual:
			values = append(values, "not "+f.Value)
		case cmu.Project:
			values = append(values, f.Dimension)
		}
	}
	if r.Limit > 0 {
		values = append(values, strconv.Itoa(r.Limit))
	}
	name := "report_" + strings.Join(r.Path, "-") + "_" + date(r.Start) + "_" + date(r.End)
	for _, list := range [][]string{values, metrics} {
		if len(list) > 0 {
			name += "_" + strings.Join(list, ",")
		}
	}
	if len(name) > maxFileName {
		// What is cut off goes on counting.
		tail := fmt.Sprintf("~%08x", crc32.ChecksumIEEE([]byte(name)))
		name = strings.ToValidUTF8(name[:maxFileName-len(tail)], "") + tail
	}
	if incomplete {
		name += "_incomplete"
	}
	if beforeHorizon {
		name += "_before-horizon"
	}
	return name + ".csv"
}

// maxFileName is in bytes; file systems have 255 for a name, Windows 260 for a whole path.
const maxFileName = 140

// date returns a bound's day, and its time unless that is midnight.
func date(b cmu.Bound) string {
	text, midnight := strings.CutSuffix(b.String(), "T00:00")
	if midnight {
		return text
	}
	return strings.ReplaceAll(text, ":", "-")
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
