package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pages are the texts whose commands people paste.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	texts := map[string]string{}
	for _, file := range append(files, "../../README.md", "../../CONTRIBUTING.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(text)
	}
	return texts
}

var (
	aCommand = regexp.MustCompile(`^ {4}(?:[A-Z_]+=\S+ )*(?:go|cmu|curl|aws|sam|make|pip|python3|docker|export|unset|echo|source|eval|call|out|[a-z]+=\$)\b`)
	inQuotes = regexp.MustCompile(`'[^']*'|"(?:[^"\\]|\\.)*"`)
)

// Commands in the docs paste into zsh as they stand: it takes no comment there, expands ? and * in words, and ! in double quotes.
func TestDocsPasteIntoShells(t *testing.T) {
	commands := 0
	for file, text := range pages(t) {
		for line := range strings.Lines(text) {
			if !aCommand.MatchString(line) {
				continue
			}
			commands++
			bare := inQuotes.ReplaceAllStringFunc(line, func(q string) string {
				if q[0] == '"' && strings.Contains(q, "!") {
					return "!"
				}
				return "x"
			})
			if strings.Contains(bare, " #") || strings.ContainsAny(bare, "?*!") && !strings.Contains(bare, "x-www") {
				t.Errorf("%s: does not paste into zsh: %s", file, line)
			}
		}
	}
	if commands < 20 {
		t.Errorf("only %d commands were found", commands)
	}
}

// The exit codes stand in one table, in help and in the docs.
func TestDocsTellExitCodes(t *testing.T) {
	page := pages(t)["../../docs/cli.md"]
	for i, e := range exitCodes {
		if row := fmt.Sprintf("| %d | %s |\n", e.code, e.meaning); e.code != i || !strings.Contains(page, row) {
			t.Errorf("docs/cli.md lacks %s", row)
		}
	}
}

// Lines of docs that call cmu have flags that there are.
func TestDocsNameFlagsThatThereAre(t *testing.T) {
	called := regexp.MustCompile(`(?:^ {4}|(?:\./cmd/|` + "`" + `))cmu ([a-z]+)((?: [^` + "`" + `\n|]*)?)`)
	flags := regexp.MustCompile(` --([a-z-]+)`)
	for file, text := range pages(t) {
		for line := range strings.Lines(text) {
			for _, call := range called.FindAllStringSubmatch(line, -1) {
				c, err := find(call[1])
				if err != nil {
					t.Errorf("%s: %s: %v", file, line, err)
					continue
				}
				fs, _, _ := c.flags()
				for _, f := range flags.FindAllStringSubmatch(call[2], -1) {
					if fs.Lookup(f[1]) == nil && f[1] != "help" {
						t.Errorf("%s: cmu %s has no flag --%s", file, c.name, f[1])
					}
				}
			}
		}
	}
}
