package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/disk"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/settings"
	"cmu-gateway/internal/version"
	"cmu-gateway/internal/wire"
	"cmu-gateway/pkg/cmu"
)

// adobeLatency is about what one call to Adobe takes.
const adobeLatency = 860 * time.Millisecond

var serveCommand = command{
	name:     "serve",
	synopsis: "[--statement FILE] [flags]",
	short:    "serve reports over HTTP on this machine",
	text: `Serves the reports at http://127.0.0.1:8080/cmu/v2/..., as Adobe does, without a token: from what is kept in the data folder
where that is fresh, else from Adobe. It registers once, keeps the access token valid meanwhile, and ends on Ctrl-C with what
it has under way. A later start goes on with the registration and the answers that are there.

A data folder has one cmu serve at a time. Other commands on the same folder ask it: what its environment says counts for them.

Without a statement, with nothing in the environment and in the data folder, it starts a simulated Adobe beside it and says so: all
rows are made up then. --sandbox asks for that. With --json it prints the document of cmu status once it answers.`,
	examples: `  cmu serve
  cmu serve --statement statement.txt
  CMU_ENVIRONMENT=staging cmu serve --statement statement.txt --listen 127.0.0.1:9000
`,
	define: func(fs *flag.FlagSet) func(context.Context, *terminal, *call) error {
		var s serving
		s.desk.define(fs)
		fs.StringVar(&s.statement, "statement", "", "`FILE` with the software statement; it is kept in the data folder")
		fs.StringVar(&s.listen, "listen", "127.0.0.1:8080", "`ADDRESS` of the gateway; port 0 takes a free one")
		fs.Var(&s.hosts, "host", "`NAME` that the gateway is reached by, such as that of a proxy; repeatable. Without: localhost and IP addresses")
		fs.StringVar(&s.basePath, "base-path", "", "`PATH` under which a proxy shows the gateway, such as /reports")
		fs.StringVar(&s.key, "key", "", "`KEY` that callers must send in the header x-api-key; better CMU_KEY, which ps does not show")
		fs.StringVar(&s.sandboxListen, "sandbox-listen", "127.0.0.1:0", "`ADDRESS` of the simulated Adobe")
		fs.DurationVar(&s.latency, "sandbox-latency", adobeLatency, "`TIME` that each call of the simulated Adobe takes")
		return s.run
	},
}

type serving struct {
	desk                             deskFlags
	statement, listen, sandboxListen string
	hosts                            hostNames
	basePath, key                    string
	latency                          time.Duration
}

// How long what is under way may take when the process is to end.
const (
	answersEnd = 10 * time.Second
	workEnd    = 5 * time.Second
)

func (s *serving) run(ctx context.Context, t *terminal, in *call) (err error) {
	if s.latency < 0 {
		return usagef("--sandbox-latency: %v is negative", s.latency)
	}
	if s.basePath, err = parseBasePath(s.basePath); err != nil {
		return err
	}
	statement, err := readStatement(s.statement)
	if err != nil {
		return err
	}
	f, err := chooseFolder(t, s.desk, meant{statement: statement != nil, serve: true}, slog.LevelWarn)
	if err != nil {
		return err
	}
	if in.given["key"] {
		if f.settings.Key, err = settings.ParseKey(s.key); err != nil {
			return usagef("--key: %v", err)
		}
	}
	for _, name := range []string{"sandbox-listen", "sandbox-latency", "sandbox-seed"} {
		if in.given[name] && !f.place.simulated {
			return usagef("--%s is of no use: %s is asked, not a simulated one", name, f.adobe())
		}
	}
	kept, owner, err := f.take(ctx, t.waits)
	if err != nil {
		return err
	}
	if owner != nil {
		return fmt.Errorf("cmu serve has the data folder %s already, at %s, since %s as process %d: end that first, or name another "+
			"folder with --data", f.path, owner.Gateway, at(owner.Since), owner.Process)
	}
	l, err := f.open(kept)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), workEnd)
		defer cancel()
		l.close(ctx)
	}()
	listener, err := listen(s.listen, "--listen")
	if err != nil {
		return err
	}
	defer listener.Close()
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("nothing can listen for other commands: %w", err)
	}
	defer door.Close()
	l.address = address{
		Instance: rand.Text(), Release: version.String(), Process: os.Getpid(), Since: time.Now(), Key: rand.Text(), Proof: rand.Text(),
		Gateway: baseOf(listener), Control: "http://" + door.Addr().String(),
	}
	if l.place.simulated {
		sandboxListener, err := listen(s.sandboxListen, "--sandbox-listen")
		if err != nil {
			return err
		}
		if err := l.simulate(ctx, sandboxListener, s.latency); err != nil {
			return err
		}
		l.address.Sandbox = l.settings.AuthURL
		if _, err := os.Lstat(filepath.Join(l.path, served)); err != nil {
			if err := disk.WriteFile(filepath.Join(l.path, served), nil, 0o600); err != nil {
				return unusable(l.data, err)
			}
		}
		s.tellSimulated(t, l.address.Sandbox)
	} else {
		t.sayf("Reports come from %s: %s\n", l.adobe(), l.settings.ReportsURL)
		l.recognise(ctx, t)
	}
	if l.settings.Key == "" && (!loopback(listener.Addr()) || len(s.hosts) > 0) {
		t.warnf("warning: %s can be reached from other machines, and no key is asked (CMU_KEY): whoever reaches it can read all reports and "+
			"have Adobe asked for any; it answers to IP addresses, localhost, names without a dot, and those of --host", listener.Addr())
	}
	l.start()
	if err := s.register(ctx, t, l, statement); err != nil {
		return err
	}
	keeping, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { l.keeper.Run(keeping, 0) })
	if warmUp := wire.WarmUp(l.settings, l.reports, l.log); warmUp != nil {
		l.gateway.WarmUp = warmUp
		running.Go(func() { warmUp.Run(keeping) })
	}
	defer func() { stop(); running.Wait() }()
	return s.serve(ctx, t, l, listener, door)
}

// tellSimulated says loudly that rows are made up.
func (s *serving) tellSimulated(t *terminal, address string) {
	reason := "No Adobe is configured: a"
	if s.desk.sandbox {
		reason = "As --sandbox says, a"
	} else if t.quiet || t.json {
		t.errorf("no Adobe is configured: all rows are made up, by a simulated one")
	}
	t.sayf("\n  *** ALL ROWS ARE MADE UP ***\n\n%s simulated one answers at %s, each call in %v. Its rows are made up.\n", reason, address, s.latency)
	t.sayf("For Adobe's own, download a software statement from the TVE Dashboard: cmu serve --statement FILE\n")
}

// serve answers at the gateway and at the control door until ctx ends, and then what is under way.
func (s *serving) serve(ctx context.Context, t *terminal, l *local, listener, door net.Listener) error {
	l.home, _ = os.Stat(l.path)
	l.gateway.Host = hostRule(listener.Addr(), s.hosts)
	l.gateway.BasePath = func(context.Context) string { return s.basePath }
	face := below(s.basePath, l.gateway.Handler())
	if s.desk.verbose {
		face = logged(face, l.log)
	}
	servers := []*http.Server{newServer(patient(face, writeTime, maxRequests), l.log), newServer(control(l, door.Addr().String()), l.log)}
	failed := make(chan error, len(servers))
	limited := bounded(listener, connections(disk.MaxOpen()))
	servers[0].ConnState = limited.state
	go func() { failed <- servers[0].Serve(limited) }()
	go func() { failed <- servers[1].Serve(door) }()
	if err := secrets.WithRoom(filepath.Join(l.path, "secrets"), func() error { return l.announce(l.address) }); err != nil {
		return fmt.Errorf("the address could not be left in the data folder: %w", err)
	}
	defer l.withdrawOwn()
	t.sayf("Answers and credentials are kept in %s\n", l.path)
	invite(t, l.address.Gateway, l.settings.Key != "", time.Now())
	if t.json {
		known, err := l.status(ctx)
		if err == nil {
			err = t.document(known)
		}
		if err != nil {
			return err
		}
	}
	select {
	case err := <-failed:
		return fmt.Errorf("the gateway has failed: %w", err)
	case <-ctx.Done():
	}
	t.sayf("Ending: what is under way has %v.\n", answersEnd)
	l.withdrawOwn()
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), answersEnd)
	defer cancel()
	var ends sync.WaitGroup
	var brokenOff atomic.Bool
	for _, server := range servers {
		ends.Go(func() {
			if server.Shutdown(ending) != nil {
				brokenOff.Store(true)
				server.Close()
			}
		})
	}
	if ends.Wait(); brokenOff.Load() {
		t.warnf("some requests were broken off")
	}
	return nil
}

// register makes sure that there are credentials. A statement that is of no use any more does no harm where there are.
func (s *serving) register(ctx context.Context, t *terminal, l *local, statement []byte) error {
	if statement != nil {
		_, err := l.keeper.Register(ctx, access.RegisterOptions{Statement: statement, DryRun: true})
		if _, none := l.secrets.Read(ctx, credentialsName); err != nil && none == nil && errors.Is(err, cmu.ErrStatement) {
			t.warnf("%v; the client credentials that are kept go on being used", err)
			statement = nil
		} else if err != nil {
			return err
		}
	} else if err := l.needAccess(ctx); err != nil {
		return err
	}
	result, err := l.register(ctx, registerOrder{Statement: statement}, t.waits)
	if err != nil {
		return err
	}
	t.sayf("%s\n", result.Message)
	for _, w := range result.Warnings {
		t.warnf("warning: %s", w)
	}
	return nil
}

// invite shows what can be asked, with windows that hold rows.
func invite(t *terminal, base string, keyed bool, now time.Time) {
	options := ""
	if keyed {
		options = `-H "x-api-key: $CMU_KEY" `
	}
	day := now.UTC().Truncate(24 * time.Hour)
	date := func(days int) string { return day.AddDate(0, 0, days).Format("2006-01-02") }
	t.sayf(`
The gateway answers at %[1]s: in a browser, or as JSON, as CSV, and how it is doing:

  curl %[5]s'%[1]s/cmu/v2/tenant/year/month/day?start=%[2]s&end=%[4]s'
  curl %[5]s'%[1]s/cmu/v2/tenant/year/month/day/mvpd.csv?start=%[3]s&end=%[4]s'
  curl %[5]s'%[1]s/status'

Asked again, a report comes in a millisecond. Ctrl-C ends it.
`, base, date(-30), date(-7), date(0), options)
}

// newServer returns a server that no slow or endless header can block.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

func listen(address, flag string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usagef("%s: %q is not an address such as 127.0.0.1:8080", flag, address)
	}
	if host == "" {
		return nil, usagef("%s: %q names no host; 127.0.0.1 is this machine alone, 0.0.0.0 is open to all", flag, address)
	}
	l, err := net.Listen("tcp", address)
	var op *net.OpError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("the address %s is taken: end what listens there, or choose another with %s", address, flag)
	case errors.As(err, &op):
		return nil, fmt.Errorf("nothing can listen at %s: %w; choose another with %s", address, op.Err, flag)
	}
	return l, err
}

// baseOf is where this machine reaches what listens.
func baseOf(l net.Listener) string {
	at := l.Addr().String()
	if tcp, ok := l.Addr().(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		at = net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
	}
	return "http://" + at
}

func loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}
