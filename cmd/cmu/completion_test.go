package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func script(t *testing.T, shell string) string {
	t.Helper()
	code, out, warned := on(t, t.Context(), false, "completion", shell)
	if code != exitOK || warned != "" {
		t.Fatalf("code %d: %s", code, warned)
	}
	return out
}

// Every command and flag of the table is in every shell's script.
func TestCompletionKnowsAll(t *testing.T) {
	for _, s := range shells() {
		text := script(t, s.name)
		for _, c := range commands() {
			if !strings.Contains(text, c.name) {
				t.Errorf("%s does not know %s", s.name, c.name)
			}
			for _, f := range completedFlags(c) {
				flag := "--" + f.name
				if s.name == "fish" {
					flag = "from " + c.name + "' -l " + f.name + " "
				}
				if !strings.Contains(text, flag) {
					t.Errorf("%s does not know %s --%s", s.name, c.name, f.name)
				}
			}
		}
	}
}

// bash completes commands, flags, formats, shells, files and folders.
func TestBashCompletes(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"statement.txt", "folder/x"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct{ line, want string }{
		{"cmu re", "register refresh report restore"},
		{"cmu report --out", "--output"},
		{"cmu report tenant --format n", "ndjson"},
		{"cmu completion z", "zsh"},
		{"cmu help env", "environment"},
		{"cmu serve --statement s", "statement.txt"},
		{"cmu serve --data f", "folder"},
		{"cmu report --start ", ""},
		{"cmu status --sandbox-", "--sandbox-seed"},
	} {
		words := strings.Split(test.line, " ")
		run := script(t, "bash") + "COMP_WORDS=(" + quotedAll(words) + ")\nCOMP_CWORD=$((${#COMP_WORDS[@]}-1))\n_cmu\necho ${COMPREPLY[*]}\n"
		c := exec.Command("bash", "-c", run)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != test.want {
			t.Errorf("%q completes to %q, %v, want %q", test.line, got, err, test.want)
		}
	}
}

func quotedAll(words []string) string {
	all := []string{}
	for _, w := range words {
		all = append(all, quoted(w))
	}
	return strings.Join(all, " ")
}

// The other shells take their scripts, where they are installed: the table test above does not need them.
func TestShellsTakeTheirScripts(t *testing.T) {
	for shell, args := range map[string][]string{"zsh": {"-f", "-c"}, "fish": {"--no-config", "-c"}} {
		path, err := exec.LookPath(shell)
		if err != nil {
			t.Logf("there is no %s here", shell)
			continue
		}
		text := script(t, shell)
		if shell == "zsh" {
			text = "autoload -U compinit && compinit -D\n" + text + "print ${_comps[cmu]}\n"
		} else {
			text += "complete -C 'cmu report --form'\ncomplete -C 'cmu comp'\ncomplete -C 'cmu report --format nd'\n"
		}
		c := exec.Command(path, append(args, text)...)
		c.Env = append(os.Environ(), "HOME="+t.TempDir())
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", shell, err, out)
		}
		want := []string{"_cmu\n"}
		if shell == "fish" {
			want = []string{"--format\t", "completion\t", "ndjson"}
		}
		for _, w := range want {
			if !strings.Contains(string(out), w) {
				t.Errorf("%s: %s has no %q", shell, out, w)
			}
		}
	}
}
