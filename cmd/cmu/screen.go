package main

import (
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// steers tells whether a character is none to be seen but would steer a terminal, or how others are read: controls, the direction of
// writing, line ends. The joiners of scripts and of emoji are harmless.
func steers(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) && r != '\u200c' && r != '\u200d'
}

// plain is a name or a value without what would steer a terminal.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if steers(r) {
			return utf8.RuneError
		}
		return r
	}, text)
}

// shown is a text of lines and tabs without what would steer a terminal.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if steers(r) && r != '\n' && r != '\t' {
			return utf8.RuneError
		}
		return r
	}, text)
}

// screenWriter writes to a terminal what does not steer it, whatever the format: a carriage return only at the end of a line.
type screenWriter struct {
	w    io.Writer
	rest []byte // the beginning of a character
}

func (s *screenWriter) Write(p []byte) (int, error) {
	text := append(s.rest, p...)
	whole := len(text)
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ { // a character may go on in the next write
		if begin := len(text) - back; utf8.RuneStart(text[begin]) {
			if !utf8.FullRune(text[begin:]) {
				whole = begin
			}
			break
		}
	}
	clean := shown(strings.ReplaceAll(string(text[:whole]), "\r\n", "\n"))
	s.rest = append([]byte(nil), text[whole:]...)
	if _, err := io.WriteString(s.w, clean); err != nil {
		return 0, err
	}
	return len(p), nil
}
