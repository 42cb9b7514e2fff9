package nearest

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestName(t *testing.T) {
	commands := []string{"serve", "sandbox", "register", "refresh", "report", "status", "purge", "help", "version"}
	variables := []string{"FRESH_DAY", "STALE_WINDOW", "STALE_IF_ERROR", "MEMORY", "DISK", "TABLE", "ADOBE_TIMEOUT"}
	for _, test := range []struct {
		word  string
		names []string
		want  string
	}{
		{"repot", commands, "report"},
		{"Serve", commands, "serve"},
		{"stauts", commands, "status"},
		{"purg", commands, "purge"},
		{"registre", commands, "register"},
		{"x", commands, ""},
		{"", commands, ""},
		{"frobnicate", commands, ""},
		{"FRESH_DAYS", variables, "FRESH_DAY"},
		{"STALE_ERROR", variables, "STALE_IF_ERROR"},
		{"CACHE", variables, ""},
		{"ab", []string{"cd", "ef"}, ""},
		{"abcd", []string{"abce", "abcf"}, "abce"},
		{"word", nil, ""},
		{strings.Repeat("x", 1<<20), variables, ""},
	} {
		if got := Name(test.word, test.names); got != test.want {
			t.Errorf("%.20s: got %q, want %q", test.word, got, test.want)
		}
	}
}

func TestOneLetterWrong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := []string{"register", "FRESH_MINUTE", "status", "ROW_LIMIT"}
		name := rapid.SampledFrom(names).Draw(t, "name")
		at := rapid.IntRange(0, len(name)-1).Draw(t, "at")
		letter := rapid.StringN(0, 1, 1).Draw(t, "letter")
		if got := Name(name[:at]+letter+name[at+1:], names); got != name {
			t.Fatalf("%q in place of letter %d of %s: got %q", letter, at, name, got)
		}
	})
}
