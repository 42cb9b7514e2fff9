package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"cmu-gateway/internal/sandbox"
	"cmu-gateway/pkg/cmu"
)

var sandboxCommand = command{
	name:     "sandbox",
	synopsis: "[flags]",
	short:    "run a simulated Adobe alone",
	text: `Runs a simulated Adobe: client registration, access tokens and reports, quirks included, with made-up rows that are the same for
the same seed. It keeps nothing: what one run issued is good at the next with the same seed.

It takes orders below /_sandbox/: its statement, counts of calls, revocations, and how it behaves. Its page tells more.`,
	examples: `  cmu sandbox
  cmu sandbox --latency 0s --behaviour '{"reports_per_minute": 10}'
  curl http://127.0.0.1:8090/_sandbox/
  curl http://127.0.0.1:8090/_sandbox/statement > statement.txt
  curl -X POST http://127.0.0.1:8090/_sandbox/revoke-tokens
  CMU_AUTH_URL=http://127.0.0.1:8090 CMU_REPORTS_URL=http://127.0.0.1:8090/cmu/v2 cmu serve --statement statement.txt
`,
	define: func(fs *flag.FlagSet) func(context.Context, *terminal, *call) error {
		var s simulation
		fs.StringVar(&s.listen, "listen", "127.0.0.1:8090", "`ADDRESS` to listen at; port 0 takes a free one")
		fs.Var(&s.hosts, "host", "`NAME` that it is reached by; repeatable. Without: localhost and IP addresses")
		fs.Uint64Var(&s.seed, "seed", defaultSeed, "`NUMBER` that chooses data and credentials")
		fs.DurationVar(&s.latency, "latency", adobeLatency, "`TIME` that each call takes")
		fs.StringVar(&s.behaviour, "behaviour", "", "`JSON` object of the fields to change, or @FILE that holds it; /_sandbox/ lists them")
		return s.run
	},
}

type simulation struct {
	listen, behaviour string
	hosts             hostNames
	seed              uint64
	latency           time.Duration
}

func (s *simulation) run(ctx context.Context, t *terminal, _ *call) error {
	if s.latency < 0 {
		return usagef("--latency: %v is negative", s.latency)
	}
	adobe := sandbox.New(sandbox.Options{Seed: s.seed, Latency: s.latency})
	if err := behave(adobe, s.behaviour); err != nil {
		return usagef("--behaviour: %w", err)
	}
	listener, err := listen(s.listen, "--listen")
	if err != nil {
		return err
	}
	server := newServer(answering(hostRule(listener.Addr(), s.hosts), adobe), slog.New(slog.NewTextHandler(t.stderr, nil)))
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	base, clear := baseOf(listener), ""
	if cmu.PlainHTTP(base) {
		clear = " CMU_ALLOW_HTTP=true"
	}
	t.sayf(`The simulated Adobe answers at %[1]s, each call in %[2]v.

  curl %[1]s/_sandbox/             what it is told to do, and how it behaves
  curl %[1]s/_sandbox/statement    the software statement that registers here

The gateway in front of it:

  curl -o statement.txt %[1]s/_sandbox/statement
  CMU_AUTH_URL=%[1]s CMU_REPORTS_URL=%[1]s%[3]s%[4]s cmu serve --statement statement.txt

Ctrl-C ends it.
`, base, s.latency, sandbox.ReportsPath, clear)
	if err := t.document(map[string]string{
		"auth_url": base, "reports_url": base + sandbox.ReportsPath, "statement": base + "/_sandbox/statement", "about": base + "/_sandbox/",
	}); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return fmt.Errorf("the simulated Adobe has failed: %w", err)
	case <-ctx.Done():
		return server.Close()
	}
}

// behave changes the fields that text gives, which is JSON or names a file of it.
func behave(adobe *sandbox.Sandbox, text string) error {
	if file, ok := strings.CutPrefix(text, "@"); ok {
		read, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("%s cannot be read: %w", file, cause(err))
		}
		text = string(read)
	}
	if text == "" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	var wrong error
	err := adobe.Change(func(b *sandbox.Behaviour) { wrong = d.Decode(b) })
	if wrong != nil {
		return fmt.Errorf("want a JSON object of fields that /_sandbox/ lists: %w", wrong)
	}
	return err
}
