package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"text/tabwriter"
	"time"

	"cmu-gateway/internal/access"
)

var statusCommand = command{
	name:     "status",
	synopsis: "[--json]",
	short:    "tell how access and cache are doing",
	text: `Tells which Adobe is asked, how long access lasts if no call succeeds any more, whether reports may be cut by calendar, what
is kept, and, while cmu serve runs, what it has answered. Adobe is not asked. The exit code is 1 if
not all could be found out.`,
	examples: `  cmu status
  cmu status --json
`,
	define: func(fs *flag.FlagSet) func(context.Context, *terminal, *call) error {
		var f deskFlags
		var asJSON bool
		f.define(fs)
		fs.BoolVar(&asJSON, "json", false, "print JSON: the document of GET /status in \"status\", and what surrounds it")
		return func(ctx context.Context, t *terminal, _ *call) error {
			d, err := openDesk(t, f, false, slog.LevelWarn)
			if err != nil {
				return err
			}
			defer d.close(ctx)
			d.start()
			s, err := d.status(ctx)
			if err != nil {
				return err
			}
			doc, err := s.read()
			if err != nil {
				return err
			}
			if asJSON {
				text, err := json.MarshalIndent(s, "", "  ")
				if err != nil {
					return err
				}
				t.printf("%s\n", text)
			} else if err := s.tell(t, doc, time.Now()); err != nil {
				return err
			}
			return doc.problem(s.Gateway)
		}
	},
}

// status is what is known. Its names are stable.
type status struct {
	Adobe     string `json:"adobe"`
	Simulated bool   `json:"simulated"`
	Folder    string `json:"folder"`
	// Gateway is the address of a running cmu serve, empty when none runs. Status is what it says of itself; when none runs, what
	// the folder holds.
	Gateway string          `json:"gateway,omitempty"`
	Status  json.RawMessage `json:"status"`
}

func (d *desk) status(ctx context.Context) (status, error) {
	s := status{Adobe: d.adobe(), Simulated: d.place.simulated, Folder: d.folder}
	if a, text, ok := d.running(ctx); ok {
		s.Gateway, s.Status = a.Gateway, text
		return s, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/status", nil)
	if err != nil {
		return s, err
	}
	a := &answer{header: http.Header{}}
	a.out = &a.kept
	d.gateway().ServeHTTP(a, req)
	if s.Status = a.kept.Bytes(); a.status != http.StatusOK || !json.Valid(s.Status) {
		return s, errors.New("the status cannot be told")
	}
	return s, nil
}

// document is what is told of the document of GET /status.
type document struct {
	Calendar struct {
		Proven    bool      `json:"proven"`
		CheckedAt time.Time `json:"checked_at"`
		Evidence  string    `json:"evidence"`
	} `json:"calendar"`
	CooldownUntil time.Time `json:"cooldown_until"`
	Stored        struct {
		Items, Bytes int64
	} `json:"stored"`
	Answers    struct{ Memory, Store, Stale, Adobe int64 } `json:"answers"`
	AdobeCalls struct{ Total, Failed int64 }               `json:"adobe_calls"`
	Access     access.Status                               `json:"access"`
	Problems   []string                                    `json:"problems"`
}

func (s status) read() (doc document, err error) {
	if err := json.Unmarshal(s.Status, &doc); err != nil {
		return doc, fmt.Errorf("the status of the running gateway is of another release: %w", err)
	}
	return doc, nil
}

// problem is an error if not all could be found out. Its causes are in the log of whoever wrote the document: a running gateway, else
// this process, on stderr.
func (doc document) problem(gateway string) error {
	switch {
	case len(doc.Problems) == 0:
		return nil
	case gateway != "":
		return errors.New("not all could be found out; the output of the running cmu serve has the causes")
	}
	return errors.New("not all could be found out; the causes are above")
}

// tell says s, which holds doc, in words.
func (s status) tell(t *terminal, doc document, now time.Time) error {
	tab := tabwriter.NewWriter(t.stdout, 0, 8, 2, ' ', 0)
	line := func(name, format string, a ...any) { fmt.Fprintf(tab, name+"\t"+format+"\n", a...) }
	adobe := s.Adobe
	if s.Simulated {
		adobe += ", as no other is configured: its rows are made up"
	}
	line("Adobe", "%s", adobe)
	line("Folder", "%s", s.Folder)
	line("Access", "%s", doc.Access.Summary)
	if c := doc.Access.Credentials; c != nil && c.Present {
		line("Client", "%s, since %s; registrations so far: %d", c.ClientID, at(c.Since), doc.Access.Registrations.Count)
	}
	if !doc.Access.StatementRefused.IsZero() {
		line("Statement", "Adobe refused it at %s: %s", at(doc.Access.StatementRefused), doc.Access.StatementRefusal)
	}
	switch c := doc.Calendar; {
	case c.Proven:
		line("Calendar", "reports are cut by calendar: %s (checked at %s)", c.Evidence, at(c.CheckedAt))
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
