package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"cmu-gateway/internal/nearest"
	"cmu-gateway/internal/version"
)

// command is one subcommand.
type command struct {
	name     string
	synopsis string // what follows the name
	short    string // a line for the overview
	text     string // what it does
	examples string
	// args is how many arguments there may be besides flags.
	args int
	// define makes the flags and returns what runs once they are parsed.
	define func(*flag.FlagSet) func(context.Context, *terminal, *call) error
}

// call is a parsed command line.
type call struct {
	args  []string
	given map[string]bool // the flags that were on it
}

func commands() []command {
	return []command{
		serveCommand, sandboxCommand, registerCommand, refreshCommand, reportCommand, statusCommand, purgeCommand,
	}
}

func dispatch(ctx context.Context, t *terminal, args []string) error {
	if len(args) == 0 {
		return usagef("want a command: %s; cmu help tells what they do", strings.Join(commandNames(), ", "))
	}
	name, rest := args[0], args[1:]
	switch name {
	case "help", "-h", "-help", "--help":
		return help(t, rest)
	case "version", "-version", "--version":
		t.printf("cmu-gateway %s\n", version.String())
		return nil
	}
	c, err := find(name)
	if err != nil {
		return err
	}
	return c.run(ctx, t, rest)
}

func commandNames() []string {
	names := []string{}
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return append(names, "help", "version")
}

func find(name string) (command, error) {
	for _, c := range commands() {
		if c.name == name {
			return c, nil
		}
	}
	if near := nearest.Name(name, commandNames()); near != "" {
		return command{}, usagef("there is no command %q; did you mean cmu %s?", name, near)
	}
	return command{}, usagef("there is no command %q; the commands are %s", name, strings.Join(commandNames(), ", "))
}

func (c command) flags() (*flag.FlagSet, func(context.Context, *terminal, *call) error) {
	fs := flag.NewFlagSet(c.name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	return fs, c.define(fs)
}

func (c command) run(ctx context.Context, t *terminal, args []string) error {
	fs, do := c.flags()
	in := &call{given: map[string]bool{}}
	// The flag package stops at the first argument; here flags may follow it.
	for {
		if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
			c.help(t.stdout)
			return nil
		} else if err != nil {
			return usagef("%s: %w; see cmu help %s", c.name, err, c.name)
		}
		if fs.NArg() == 0 {
			break
		}
		in.args, args = append(in.args, fs.Arg(0)), fs.Args()[1:]
	}
	if len(in.args) > c.args {
		return usagef("%s: %q is one argument too many; see cmu help %s", c.name, in.args[c.args], c.name)
	}
	fs.Visit(func(f *flag.Flag) { in.given[f.Name] = true })
	return do(ctx, t, in)
}

func help(t *terminal, args []string) error {
	if len(args) == 0 {
		overview(t.stdout)
		return nil
	}
	switch args[0] {
	case "environment":
		helpEnvironment(t.stdout)
		return nil
	case "help", "version":
		overview(t.stdout)
		return nil
	}
	c, err := find(args[0])
	if err != nil {
		return err
	}
	c.help(t.stdout)
	return nil
}

func overview(w io.Writer) {
	fmt.Fprint(w, `cmu serves Adobe Concurrency Monitoring usage reports: the same report URLs, without the token, from a cache.

usage: cmu COMMAND [flags]

`)
	tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, c := range commands() {
		fmt.Fprintf(tab, "  %s\t%s\n", c.name, c.short)
	}
	fmt.Fprint(tab, "  help\ttell about a command, or about the environment: cmu help COMMAND, cmu help environment\n")
	fmt.Fprint(tab, "  version\ttell which release this is\n")
	tab.Flush()
	fmt.Fprint(w, `
Without any configuration a simulated Adobe is asked, so that everything can be tried:

  cmu serve
  cmu report tenant/year/month --start 2026-01

With Adobe's own, put the software statement from the TVE Dashboard into a file, and:

  cmu serve --statement statement.txt

Exit codes: 0 success, 1 failure, 2 a wrong command line or environment, 3 a report whose rows are not complete.
`)
}

func (c command) help(w io.Writer) {
	fmt.Fprintf(w, "usage: cmu %s %s\n\n%s\n\nFlags:\n\n", c.name, c.synopsis, c.text)
	fs, _ := c.flags()
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
	fmt.Fprint(w, "\nThe environment says which Adobe is asked and how long answers stay fresh: see cmu help environment.\n")
}
