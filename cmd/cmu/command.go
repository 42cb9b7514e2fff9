package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"strings"

	"cmu-gateway/internal/nearest"
)

// command is one subcommand.
type command struct {
	name     string
	synopsis string // what follows the name
	short    string // a line for the overview
	text     string // what it does
	examples string
	// args is how many arguments there may be besides flags; words are what they may be, if that is known.
	args  int
	words []string
	// define makes the flags and returns what runs once they are parsed.
	define func(*flag.FlagSet) func(context.Context, *terminal, *call) error
}

// call is a parsed command line.
type call struct {
	args  []string
	given map[string]bool // the flags that were on it
}

func commands() []command {
	return append(workingCommands(), completionCommand(), helpCommand(), versionCommand)
}

func workingCommands() []command {
	return []command{serveCommand, sandboxCommand, registerCommand, refreshCommand, reportCommand, pathsCommand, archiveCommand, restoreCommand, statusCommand, purgeCommand}
}

func dispatch(ctx context.Context, t *terminal, args []string) error {
	if len(args) == 0 {
		return usagef("want a command: %s; cmu help tells what they do", strings.Join(commandNames(), ", "))
	}
	name, rest := args[0], args[1:]
	switch name {
	case "-h", "-help", "--help":
		name = "help"
	case "-version", "--version":
		name = "version"
	}
	if strings.HasPrefix(name, "-") {
		return usagef("%s stands before a command; flags follow it: cmu COMMAND [flags]", name)
	}
	c, err := find(name)
	if err != nil {
		return err
	}
	return c.run(ctx, t, rest)
}

func commandNames() (names []string) {
	for _, c := range commands() {
		names = append(names, c.name)
	}
	return names
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

// manners are the flags that every command has.
type manners struct{ json, quiet bool }

func (c command) flags() (*flag.FlagSet, *manners, func(context.Context, *terminal, *call) error) {
	fs, m := flag.NewFlagSet(c.name, flag.ContinueOnError), new(manners)
	fs.SetOutput(io.Discard)
	fs.BoolVar(&m.json, "json", false, "print JSON")
	fs.BoolVar(&m.quiet, "quiet", false, "print nothing but what was asked for, and errors")
	return fs, m, c.define(fs)
}

func (c command) run(ctx context.Context, t *terminal, args []string) error {
	fs, m, do := c.flags()
	in := &call{given: map[string]bool{}}
	// The flag package stops at the first argument; here flags may follow it.
	for {
		before := len(args)
		if err := fs.Parse(args); errors.Is(err, flag.ErrHelp) {
			c.help(t.stdout)
			return nil
		} else if err != nil {
			return c.misread(fs, err)
		}
		if fs.NArg() == 0 {
			break
		}
		if at := before - fs.NArg(); at > 0 && args[at-1] == "--" { // all that follows is no flag
			in.args = append(in.args, fs.Args()...)
			break
		}
		in.args, args = append(in.args, fs.Arg(0)), fs.Args()[1:]
	}
	if len(in.args) > c.args {
		return usagef("%s: %q is one argument too many; see cmu help %s", c.name, in.args[c.args], c.name)
	}
	var empty string
	fs.Visit(func(f *flag.Flag) {
		in.given[f.Name] = true
		if f.Value.String() == "" {
			empty = f.Name
		}
	})
	if empty != "" {
		return usagef("%s: --%s is given and empty: a variable that is not set, perhaps; name it, or leave it out", c.name, empty)
	}
	told := *t
	told.json, told.quiet = m.json, m.quiet
	return do(ctx, &told, in)
}

// misread explains what the flag package has against a command line.
func (c command) misread(fs *flag.FlagSet, err error) error {
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return usagef("%s: %w; see cmu help %s", c.name, err, c.name)
	}
	var names []string
	fs.VisitAll(func(f *flag.Flag) { names = append(names, f.Name) })
	if near := nearest.Name(name, names); near != "" {
		return usagef("%s: there is no flag --%s; did you mean --%s?", c.name, name, near)
	}
	return usagef("%s: there is no flag --%s; see cmu help %s", c.name, name, c.name)
}
