package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

var statusCommand = command{
	name:     "status",
	synopsis: "[flags]",
	short:    "tell how access and cache are doing",
	text: `Tells which Adobe is asked, how long access lasts if no call succeeds any more, whether reports may be sliced by calendar,
what is kept, and, while cmu serve runs, what it has answered. Adobe is not asked. The exit code is 1 if not all could be found
out, and while access is lost or will be. JSON holds the document of GET /status in "status".`,
	examples: `  cmu status
  cmu status --json
`,
	define: func(fs *flag.FlagSet) func(context.Context, *terminal, *call) error {
		var f deskFlags
		f.define(fs)
		return func(ctx context.Context, t *terminal, _ *call) error {
			d, err := openDesk(ctx, t, f, opening{least: slog.LevelWarn})
			if err != nil {
				return err
			}
			defer d.close(ctx)
			s, err := d.status(ctx)
			if err != nil {
				return err
			}
			if err := t.document(s); err != nil {
				return err
			}
			if !t.json && !t.quiet {
				if err := s.tell(t, f.sandbox, time.Now()); err != nil {
					return err
				}
			}
			return s.problem()
		}
	},
}

// problem is an error if not all could be found out, or something needs a look. The causes of the former are in the log of whoever
// wrote the document: a running gateway, else this process, on stderr.
func (s status) problem() error {
	unread := func(p string) bool { return strings.HasSuffix(p, "cannot be read in full.") }
	switch {
	case len(s.Status.Problems) == 0:
		return nil
	case !slices.ContainsFunc(s.Status.Problems, unread):
		return errors.New("there are problems, as told above")
	case s.Gateway != "":
		return errors.New("not all could be found out; the output of the running cmu serve has the causes")
	}
	return errors.New("not all could be found out; the causes are above")
}

// tell says s in words; asked: the simulated Adobe was asked for.
func (s status) tell(t *terminal, asked bool, now time.Time) error {
	doc := s.Status
	tab := tabwriter.NewWriter(t.stdout, 0, 8, 2, ' ', 0)
	line := func(name, format string, a ...any) {
		fmt.Fprintf(tab, "%s\t%s\n", name, plain(fmt.Sprintf(format, a...)))
	}
	adobe := s.Adobe
	switch {
	case s.Simulated && s.Adobe != theSimulated:
		adobe += ", a cmu sandbox: its rows are made up"
	case s.Simulated && asked:
		adobe += ", as --sandbox says: its rows are made up"
	case s.Simulated:
		adobe += ", as no other is configured: its rows are made up"
	}
	line("Adobe", "%s", adobe)
	line("Folder", "%s", s.Folder)
	if a := doc.Access; a != nil {
		line("Access", "%s", a.Summary)
		if c := a.Credentials; c != nil && c.Present {
			line("Client", "%s, since %s; registrations so far: %d", c.ClientID, at(c.Since), a.Registrations.Count)
		}
		if !a.StatementRefused.IsZero() {
			line("Statement", "Adobe refused it at %s: %s", at(a.StatementRefused), a.StatementRefusal)
		}
	}
	switch c := doc.Calendar; {
	case c.Proven:
		line("Calendar", "reports are sliced by calendar: %s (checked at %s)", c.Evidence, at(c.CheckedAt))
	case c.CheckedAt.IsZero():
		line("Calendar", "not checked yet: every report is asked for whole")
	default:
		line("Calendar", "every report is asked for whole: %s (checked at %s)", c.Evidence, at(c.CheckedAt))
	}
	line("Cache", "%d items, %s", doc.Stored.Items, size(doc.Stored.Bytes))
	if doc.CooldownUntil.After(now) {
		line("Pause", "Adobe asked to be left alone until %s", at(doc.CooldownUntil))
	}
	if s.Gateway == "" {
		line("Gateway", "not running; cmu serve starts it")
	} else {
		line("Gateway", "running at %s", s.Gateway)
		line("Answers", "%d from memory, %d from the store, %d stale, %d from Adobe", doc.Answers.Memory, doc.Answers.Store, doc.Answers.Stale,
			doc.Answers.Adobe)
		if w := doc.WarmUp; w != nil {
			line("Kept warm", "%d of %d reports are fresh; asked %d times, failed %d", w.Fresh, w.Reports, w.Asked, w.Failed)
		}
		line("Adobe calls", "%d, of which %d failed", doc.AdobeCalls.Total, doc.AdobeCalls.Failed)
	}
	for _, p := range doc.Problems {
		line("Problem", "%s", p)
	}
	return tab.Flush()
}

func at(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func size(bytes int64) string {
	switch {
	case bytes >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(bytes)/1e6)
	case bytes >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(bytes)/1e3)
	}
	return fmt.Sprintf("%d bytes", bytes)
}
