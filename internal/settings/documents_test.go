package settings

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The table of docs/settings.md is the one that the program goes by.
func TestSettingsDocument(t *testing.T) {
	read := readTemplate(t)
	want := "| variable | default | meaning | allowed | counts in | template.yaml |\n|---|---|---|---|---|---|\n"
	for _, v := range Variables() {
		byDefault := ""
		if v.Default != "" {
			byDefault = "`" + v.Default + "`"
		}
		want += fmt.Sprintf("| `%s` | %s | %s | %s | %s | %s |\n", v.Name, byDefault, v.Meaning, v.Allowed, countsIn(v), inTemplate(read, v))
	}
	var got strings.Builder
	for line := range strings.Lines(readFile(t, "docs/settings.md")) {
		if strings.HasPrefix(line, "|") {
			got.WriteString(line)
		}
	}
	if got.String() != want {
		t.Errorf("the table of docs/settings.md must be:\n%s", want)
	}
}

func countsIn(v Variable) string {
	var names []string
	for _, program := range []struct {
		where Where
		name  string
	}{{Laptop, "laptop"}, {Register, "register"}, {Refresh, "refresh"}, {Query, "query"}, {Archive, "archive"}} {
		if v.Where&program.where != 0 {
			names = append(names, program.name)
		}
	}
	return strings.Join(names, ", ")
}

// inTemplate tells how the template sets v.
func inTemplate(read template, v Variable) string {
	var ways []string
	for _, f := range functions {
		a, ok := read.variables[f][v.Name]
		switch {
		case a.made:
			ways = append(ways, "*its own*")
		case a.parameter != "":
			ways = append(ways, "parameter `"+a.parameter+"`")
		case ok:
			ways = append(ways, "`"+a.text+"`")
		}
	}
	slices.Sort(ways)
	return strings.Join(slices.Compact(ways), ", ")
}

// The documents name no variable that there is not. CMU_FRESH_ stands for all that begin so; those of tests begin with CMU_TEST_.
func TestDocumentsNameVariables(t *testing.T) {
	documents, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(documents, "../../README.md", "../../template.yaml", "../../samconfig.toml") {
		name := filepath.ToSlash(strings.TrimPrefix(path, "../../"))
		for _, word := range regexp.MustCompile(`\bCMU_[A-Za-z0-9_]*`).FindAllString(readFile(t, name), -1) {
			known := slices.ContainsFunc(Variables(), func(v Variable) bool {
				return v.Name == word || strings.HasSuffix(word, "_") && strings.HasPrefix(v.Name, word)
			})
			if !known && !strings.HasPrefix(word, "CMU_TEST_") {
				t.Errorf("%s names %s, which does not exist", name, word)
			}
		}
	}
}

// sam local sets only what the template declares, and says nothing of the rest.
func TestLocalEnvironment(t *testing.T) {
	var file struct{ Parameters map[string]string }
	if err := json.Unmarshal([]byte(readFile(t, "events/env.json")), &file); err != nil || len(file.Parameters) == 0 {
		t.Fatalf("%v, %v", file, err)
	}
	read := readTemplate(t)
	var environ []string
	for name, value := range file.Parameters {
		environ = append(environ, name+"="+value)
		declared := slices.ContainsFunc([]Where{Register, Refresh, Query, Archive}, func(f Where) bool {
			_, ok := read.variables[f][name]
			return ok
		})
		if !declared {
			t.Errorf("events/env.json sets %s, which template.yaml does not declare", name)
		}
	}
	if _, err := FromEnv(environ); err != nil {
		t.Errorf("events/env.json: %v", err)
	}
}
