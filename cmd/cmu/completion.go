package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
)

// shell is one that completion is written for.
type shell struct {
	name   string
	write  func(io.Writer)
	begins string // how to have it in every shell that begins
}

func shells() []shell {
	return []shell{
		{"bash", writeBash, `eval "$(cmu completion bash)"`},
		{"zsh", writeZsh, `eval "$(cmu completion zsh)"`},
		{"fish", writeFish, "cmu completion fish | source"},
	}
}

func completionCommand() command {
	var names []string
	text := `Prints what makes a shell complete commands, flags and their values. To have it in every shell that begins, put into ~/.bashrc,
~/.zshrc after compinit, or ~/.config/fish/config.fish:
`
	for _, s := range shells() {
		names = append(names, s.name)
		text += "\n  " + s.begins
	}
	return command{
		name: "completion", synopsis: strings.Join(names, "|"), short: "print what makes a shell complete commands", text: text,
		examples: `  cmu completion bash
  cmu completion zsh
  cmu completion fish
`,
		args: 1, words: names,
		define: func(*flag.FlagSet) func(context.Context, *terminal, *call) error {
			return func(_ context.Context, t *terminal, in *call) error {
				for _, s := range shells() {
					if len(in.args) == 1 && in.args[0] == s.name {
						var script strings.Builder
						s.write(&script)
						if !t.json {
							t.printf("%s", script.String())
						}
						return t.document(map[string]string{"shell": s.name, "script": script.String()})
					}
				}
				return usagef("completion: want the name of a shell: %s", strings.Join(names, ", "))
			}
		},
	}
}

// completed is a flag as shells complete it.
type completed struct {
	name, value, about string
	words              []string // that the value may be, if that is known
}

// completedFlags are those of a command.
func completedFlags(c command) (list []completed) {
	fs, _, _ := c.flags()
	fs.VisitAll(func(f *flag.Flag) {
		value, about := flag.UnquoteUsage(f)
		one := completed{name: f.Name, value: value, about: about}
		if f.Name == "format" {
			one.words = reportFormats
		}
		list = append(list, one)
	})
	return list
}

func writeBash(w io.Writer) {
	fmt.Fprintf(w, `# Completion of cmu for bash.
_cmu() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=
	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		COMPREPLY=($(compgen -W '%s' -- "$cur"))
		return
	fi
	case ${COMP_WORDS[1]}:$prev in
`, strings.Join(commandNames(), " "))
	var words strings.Builder
	for _, c := range commands() {
		all := slices.Clone(c.words)
		for _, f := range completedFlags(c) {
			all = append(all, "--"+f.name)
			does := ""
			switch {
			case f.words != nil:
				does = `COMPREPLY=($(compgen -W '` + strings.Join(f.words, " ") + `' -- "$cur")); `
			case f.value == "FILE":
				does = `compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$cur")); `
			case f.value == "DIR":
				does = `compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$cur")); `
			case f.value == "":
				continue
			}
			fmt.Fprintf(w, "\t%s:--%s) %sreturn ;;\n", c.name, f.name, does)
		}
		fmt.Fprintf(&words, "\t%s) words='%s' ;;\n", c.name, strings.Join(all, " "))
	}
	fmt.Fprintf(w, `	esac
	case ${COMP_WORDS[1]} in
%s	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _cmu cmu
`, words.String())
}

// quoted is text in the single quotes of a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func writeZsh(w io.Writer) {
	fmt.Fprint(w, "#compdef cmu\n# Completion of cmu for zsh.\n_cmu() {\n\tif (( CURRENT == 2 )); then\n\t\tlocal -a commands=(\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "\t\t\t%s\n", quoted(c.name+":"+c.short))
	}
	fmt.Fprint(w, "\t\t)\n\t\t_describe command commands\n\t\treturn\n\tfi\n\tlocal command=$words[2]\n\tshift words\n\t(( CURRENT-- ))\n\tcase $command in\n")
	escape := strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`)
	for _, c := range commands() {
		fmt.Fprintf(w, "\t%s)\n\t\t_arguments", c.name)
		for _, f := range completedFlags(c) {
			spec := "--" + f.name + "[" + escape.Replace(f.about) + "]"
			switch {
			case f.words != nil:
				spec += ":" + f.value + ":(" + strings.Join(f.words, " ") + ")"
			case f.value == "FILE":
				spec += ":FILE:_files"
			case f.value == "DIR":
				spec += ":DIR:_files -/"
			case f.value != "":
				spec += ":" + escape.Replace(f.value) + ": "
			}
			fmt.Fprint(w, " \\\n\t\t\t"+quoted(spec))
		}
		if c.words != nil {
			fmt.Fprint(w, " \\\n\t\t\t"+quoted("1:what:("+strings.Join(c.words, " ")+")"))
		}
		fmt.Fprint(w, "\n\t\t;;\n")
	}
	fmt.Fprint(w, "\tesac\n}\nif [ \"$funcstack[1]\" = _cmu ]; then\n\t_cmu \"$@\"\nelse\n\tcompdef _cmu cmu\nfi\n")
}

func writeFish(w io.Writer) {
	fmt.Fprint(w, "# Completion of cmu for fish.\ncomplete -c cmu -f\n")
	escape := strings.NewReplacer(`\`, `\\`, "'", `\'`)
	for _, c := range commands() {
		fmt.Fprintf(w, "complete -c cmu -n __fish_use_subcommand -a %s -d '%s'\n", c.name, escape.Replace(c.short))
	}
	for _, c := range commands() {
		begins := "complete -c cmu -n '__fish_seen_subcommand_from " + c.name + "'"
		if c.words != nil {
			fmt.Fprintf(w, "%s -a '%s'\n", begins, strings.Join(c.words, " "))
		}
		for _, f := range completedFlags(c) {
			how := ""
			switch {
			case f.words != nil:
				how = " -x -a '" + strings.Join(f.words, " ") + "'"
			case f.value == "FILE":
				how = " -r -F"
			case f.value == "DIR":
				how = " -x -a '(__fish_complete_directories)'"
			case f.value != "":
				how = " -x"
			}
			fmt.Fprintf(w, "%s -l %s%s -d '%s'\n", begins, f.name, how, escape.Replace(f.about))
		}
	}
}
