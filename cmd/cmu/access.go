package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"cmu-gateway/internal/access"
	"cmu-gateway/pkg/cmu"
)

// silent keeps the log of commands that tell in words what happened.
const silent = slog.LevelError + 1

// maxReason is the length of a registration's reason, in bytes, that access allows.
const maxReason = 300

var registerCommand = command{
	name:     "register",
	synopsis: "[--statement FILE] [--dry-run] [--force --reason TEXT]",
	short:    "turn a software statement into client credentials",
	text: `Registers with a software statement from the TVE Dashboard, unless there are client credentials that Adobe has not refused: then
nothing is asked. Credentials and statement are kept in the data folder, so that nobody has to be there when Adobe refuses
them one day. Each registration leaves one more client at Adobe: force is for when that is what is wanted.`,
	examples: `  cmu register --statement statement.txt --dry-run
  cmu register --statement statement.txt
  cmu register --force --reason 'Adobe revoked the client on request'
`,
	define: func(fs *flag.FlagSet) func(context.Context, *terminal, *call) error {
		var f deskFlags
		var o registerOrder
		var file string
		f.define(fs)
		fs.StringVar(&file, "statement", "", "`FILE` with the software statement; without it, the one that is kept")
		fs.BoolVar(&o.DryRun, "dry-run", false, "only read and check the statement")
		fs.BoolVar(&o.Force, "force", false, "register even if there are good credentials")
		fs.StringVar(&o.Reason, "reason", "", "`TEXT` that says why, noted with the registration; up to 300 bytes")
		return func(ctx context.Context, t *terminal, _ *call) (err error) {
			if o.Force && strings.TrimSpace(o.Reason) == "" {
				return usagef("register: --force needs a --reason: each registration leaves one more client at Adobe")
			}
			if o.Reason = strings.TrimSpace(o.Reason); len(o.Reason) > maxReason {
				return usagef("register: the --reason has %d bytes; %d are allowed", len(o.Reason), maxReason)
			}
			if o.Statement, err = readStatement(file); err != nil {
				return err
			}
			d, err := openDesk(ctx, t, f, opening{meant: meant{statement: o.Statement != nil}, asksAdobe: !o.DryRun, least: silent})
			if err != nil {
				return err
			}
			defer d.close(ctx)
			result, err := d.register(ctx, o, t.waits)
			if err != nil {
				return err
			}
			tellRegistration(t, result)
			return t.document(result)
		}
	},
}

func tellRegistration(t *terminal, r access.RegisterResult) {
	t.sayf("%s\n", r.Message)
	if s := r.Statement; s != nil {
		t.sayf("Statement: software %s, issued by %s %d days ago; it registers at %s.\n", s.SoftwareID, s.Issuer, s.AgeDays, s.RegistersAt)
	}
	if len(r.Scopes) > 0 {
		t.sayf("Scopes: %s\n", strings.Join(r.Scopes, ", "))
	}
	for _, w := range r.Warnings {
		t.warnf("warning: %s", w)
	}
}

var refreshCommand = command{
	name:     "refresh",
	synopsis: "[flags]",
	short:    "get a new access token if it is time",
	text: `Gets a new access token when the one that is kept ends soon, or when there is none; else nothing is asked. Where the client
credentials are missing or refused, it registers first. cmu serve does this by itself. The exit code is 1 without a good token, and
while nothing is known that would yield the next one.`,
	examples: `  cmu refresh
`,
	define: func(fs *flag.FlagSet) func(context.Context, *terminal, *call) error {
		var f deskFlags
		f.define(fs)
		return func(ctx context.Context, t *terminal, _ *call) error {
			d, err := openDesk(ctx, t, f, opening{asksAdobe: true, least: silent})
			if err != nil {
				return err
			}
			defer d.close(ctx)
			result, err := d.refresh(ctx, t.waits)
			if err != nil {
				return err
			}
			t.sayf("%s\n", result.Message)
			if err := t.document(result); err != nil {
				return err
			}
			if result.Outage != nil {
				return errors.New("the next token is in doubt, as told above")
			}
			return nil
		}
	},
}

// readStatement returns the software statement in a file; an empty name yields nil.
func readStatement(file string) ([]byte, error) {
	if file == "" {
		return nil, nil
	}
	if looksLikeStatement(file) {
		return nil, usagef("--statement takes the name of a file, and what was given looks like the statement itself, which is not shown here; " +
			"it may be in the history of the shell now")
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("the software statement %s cannot be read: %w", file, cause(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("the software statement %s cannot be read: %w", file, cause(err))
	}
	s, err := cmu.ParseStatement(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return []byte(s.Text.Reveal()), nil // out of what surrounds it
}

// looksLikeStatement tells whether the name of a file is what a file should hold: too long or of several lines, or like a JWT.
func looksLikeStatement(name string) bool {
	const longest = 4096 // PATH_MAX
	last := name[strings.LastIndexAny(name, `/\`)+1:]
	return len(name) > longest || len(last) > 255 || strings.ContainsAny(name, "\n\r{") || cmu.Redact(name) != name
}
