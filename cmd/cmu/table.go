package main

import (
	"bufio"
	"io"
	"strings"
	"unicode/utf8"

	"cmu-gateway/pkg/cmu"
)

// writeTable prints rows as a table: a column for each dimension of the path, then one for each other name in the order
// in which they appear. Metrics are aligned at their right.
func writeTable(w io.Writer, path []string, each func(func(cmu.Row) error) error) error {
	var names []string
	for _, name := range path {
		names = append(names, plain(name))
	}
	column := map[string]int{}
	for i, name := range path {
		column[name] = i
	}
	var rows [][]string
	if err := each(func(row cmu.Row) error {
		cells := make([]string, len(names))
		row.Each(func(name, value []byte) bool {
			i, known := column[string(name)]
			if !known {
				i = len(names)
				column[string(name)], names = i, append(names, plain(string(name)))
			}
			for len(cells) <= i {
				cells = append(cells, "")
			}
			cells[i] = plain(string(value))
			return true
		})
		rows = append(rows, cells)
		return nil
	}); err != nil {
		return err
	}
	width := make([]int, len(names))
	for i, name := range names {
		width[i] = utf8.RuneCountInString(name)
	}
	for _, cells := range rows {
		for i, c := range cells {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	b := bufio.NewWriter(w)
	line := func(cells []string) {
		var text strings.Builder
		for i, c := range cells {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i > 0 {
				text.WriteString("  ")
			}
			if i < len(path) {
				text.WriteString(c + pad)
			} else {
				text.WriteString(pad + c)
			}
		}
		b.WriteString(strings.TrimRight(text.String(), " ") + "\n")
	}
	line(names)
	for _, cells := range rows {
		line(cells)
	}
	if len(rows) == 0 {
		b.WriteString("(no rows)\n")
	}
	return b.Flush()
}
