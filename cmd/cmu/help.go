package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"cmu-gateway/internal/version"
)

var versionCommand = command{
	name:  "version",
	short: "tell which release this is",
	text:  "Tells which release this is.",
	examples: `  cmu version
`,
	define: func(*flag.FlagSet) func(context.Context, *terminal, *call) error {
		return func(_ context.Context, t *terminal, _ *call) error {
			if !t.json {
				t.printf("cmu-gateway %s\n", version.String())
			}
			return t.document(struct {
				Service string `json:"service"`
				Version string `json:"version"`
			}{"cmu-gateway", version.String()})
		}
	},
}

// topics are what help tells about beside commands.
var topics = []struct {
	name string
	tell func(io.Writer)
}{{"environment", helpEnvironment}, {"exit", helpExit}}

func helpCommand() command {
	words := []string{}
	for _, topic := range topics {
		words = append(words, topic.name)
	}
	for _, c := range workingCommands() {
		words = append(words, c.name)
	}
	return command{
		name:     "help",
		synopsis: "[COMMAND | environment | exit]",
		short:    "tell about a command, the environment, or exit codes",
		text:     "Tells what there is, or about one command, the variables of the environment, or the exit codes.",
		examples: `  cmu help report
  cmu help environment
`,
		args:  1,
		words: append(words, "completion", "version"),
		define: func(*flag.FlagSet) func(context.Context, *terminal, *call) error {
			return func(_ context.Context, t *terminal, in *call) error {
				if t.json {
					return t.document(described())
				}
				if len(in.args) == 0 || in.args[0] == "help" {
					overview(t.stdout)
					return nil
				}
				for _, topic := range topics {
					if topic.name == in.args[0] {
						topic.tell(t.stdout)
						return nil
					}
				}
				c, err := find(in.args[0])
				if err != nil {
					return err
				}
				c.help(t.stdout)
				return nil
			}
		},
	}
}

func overview(w io.Writer) {
	fmt.Fprint(w, `cmu serves Adobe Concurrency Monitoring usage reports: the same report URLs, without the token, from a cache.

usage: cmu COMMAND [flags]

`)
	tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, c := range commands() {
		fmt.Fprintf(tab, "  %s\t%s\n", c.name, c.short)
	}
	tab.Flush()
	fmt.Fprint(w, `
Everything can be tried without Adobe, with made-up rows of a simulated one:

  cmu serve
  cmu report tenant/year/month --start 2026-01 --sandbox

With Adobe's own, put the software statement from the TVE Dashboard into a file, and:

  cmu serve --statement statement.txt

Every command takes --json and --quiet.

`)
	helpExit(w)
}

func helpExit(w io.Writer) {
	fmt.Fprint(w, "Exit codes:\n\n")
	tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, e := range exitCodes {
		fmt.Fprintf(tab, "  %d\t%s\n", e.code, e.meaning)
	}
	tab.Flush()
}

func (c command) help(w io.Writer) {
	fmt.Fprintf(w, "usage: %s\n\n%s\n\nFlags:\n\n", strings.TrimSpace("cmu "+c.name+" "+c.synopsis), c.text)
	fs, _, _ := c.flags()
	tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fs.VisitAll(func(f *flag.Flag) {
		value, usage := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" {
			usage += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(tab, "  %s\t%s\n", strings.TrimSpace("--"+f.Name+" "+value), usage)
	})
	tab.Flush()
	fmt.Fprintf(w, "\nExamples:\n\n%s", c.examples)
	fmt.Fprint(w, "\nThe environment says which Adobe is asked and how long answers stay fresh: see cmu help environment; exit codes: cmu help exit.\n")
}

// described is what there is, for programs.
func described() any {
	type described struct {
		Name  string   `json:"name"`
		Value string   `json:"value,omitempty"` // of a flag that takes one
		About string   `json:"about"`
		Words []string `json:"words,omitempty"` // that an argument may be
		Flags any      `json:"flags,omitempty"`
	}
	var all []described
	for _, c := range commands() {
		var flags []described
		fs, _, _ := c.flags()
		fs.VisitAll(func(f *flag.Flag) {
			value, usage := flag.UnquoteUsage(f)
			flags = append(flags, described{Name: f.Name, Value: value, About: usage})
		})
		all = append(all, described{Name: c.name, About: c.short, Words: slices.Clone(c.words), Flags: flags})
	}
	exits := map[int]string{}
	for _, e := range exitCodes {
		exits[e.code] = e.meaning
	}
	return map[string]any{"commands": all, "exit_codes": exits}
}
