package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/after"
	"cmu-gateway/internal/gateway"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/wire"
	"cmu-gateway/pkg/cmu"
)

// local is the desk of the process that has the folder: a cmu serve, or a command while none runs.
type local struct {
	folder
	store   *watchedStore
	secrets secrets.Store
	sandbox *sandbox.Sandbox // nil: Adobe is not simulated, or need not be asked
	madeUp  bool             // rows are those of a simulated Adobe, here or elsewhere
	after   *after.Goroutines
	began   time.Time
	home    fs.FileInfo // of the data folder that a cmu serve has; else nil
	address address     // of a cmu serve, else empty
	closers []func()

	// Made by start.
	keeper  *access.Keeper
	reports *reports.Service
	gateway gateway.Gateway

	mu      sync.Mutex // guards hadRoom, and is held while that is found out
	hadRoom time.Time
}

// start makes the parts, once the addresses of Adobe are known.
func (l *local) start() {
	limitMemory(l.settings.Memory)
	l.keeper = wire.Keeper(l.settings, l.secrets, l.store, "", nil, l.log)
	tokens := wire.Tokens(l.settings, l.secrets, l.store, l.keeper, nil, l.log)
	l.reports = wire.Reports(l.settings, l.place.name, l.store, tokens, l.after.Go, l.log)
	l.gateway = gateway.Gateway{
		Reports: l.reports, Access: l.accessStatus, Simulated: l.madeUp, Purge: l.settings.Purge, Log: l.log,
		Origins: l.settings.AllowedOrigins, Key: l.settings.Key,
		Instance: l.address.Instance, Started: l.began,
	}
}

// simulate makes the simulated Adobe answer at an address, and its statement known here.
func (l *local) simulate(ctx context.Context, listener net.Listener, latency time.Duration) error {
	l.sandbox = sandbox.New(sandbox.Options{Seed: l.place.seed, Latency: latency})
	server := newServer(answering(hostRule(listener.Addr(), nil), l.sandbox), l.log)
	go server.Serve(listener) //nolint:errcheck // it ends with Close
	l.closers = append(l.closers, func() { server.Close() })
	base := baseOf(listener)
	l.settings.AuthURL, l.settings.ReportsURL = base, base+sandbox.ReportsPath
	l.settings.AllowHTTP = true // nothing there is worth hiding
	statement := l.sandbox.Statement()
	if kept, err := l.secrets.Read(ctx, statementName); err == nil && string(kept) == statement {
		return nil
	}
	return l.secrets.Write(ctx, statementName, "sandbox", []byte(statement))
}

// recogniseTime is how long is waited for an answer that tells a simulated Adobe from others.
const recogniseTime = time.Second

// recognise finds out whether what is asked in Adobe's place is a cmu sandbox, and says so. Adobe's own hosts are not asked.
func (l *local) recognise(ctx context.Context, t *terminal) {
	base, err := url.Parse(l.settings.ReportsURL)
	if err != nil || adobeHost(hostOf(l.settings.ReportsURL)) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, recogniseTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, base.Scheme+"://"+base.Host+"/_sandbox/", nil)
	if err != nil {
		return
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return // if it does not answer later either, there are no rows
	}
	res.Body.Close()
	if l.madeUp = res.Header.Get(cmu.HeaderSimulated) != ""; l.madeUp {
		t.errorf("a cmu sandbox answers at %s: its rows are made up", l.settings.ReportsURL)
	}
}

// reachAdobe makes the parts for a command that may ask Adobe. A simulated one begins to answer in this process.
func (l *local) reachAdobe(ctx context.Context, t *terminal) error {
	if !l.place.simulated {
		l.recognise(ctx, t)
	} else {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return fmt.Errorf("the simulated Adobe cannot listen: %w", err)
		}
		if err := l.simulate(ctx, listener, 0); err != nil {
			return err
		}
	}
	l.start()
	return nil
}

// workAfter is how long work after an answer may go on, such as a refresh of what was stale: this process is the only one that does
// it.
const workAfter = 25 * time.Second

// close ends what was opened, the last first.
func (l *local) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, workAfter)
	defer cancel()
	if err := l.after.Close(ctx); err != nil {
		l.log.Info("work after answers was broken off", "error", err)
	}
	for i := len(l.closers) - 1; i >= 0; i-- {
		l.closers[i]()
	}
}

// needAccess fails where there is neither anything to register with nor a registration.
func (l *local) needAccess(ctx context.Context) error {
	for _, name := range []string{credentialsName, statementName} {
		if _, err := l.secrets.Read(ctx, name); !errors.Is(err, secrets.ErrAbsent) {
			return err
		}
	}
	return fmt.Errorf("there are no client credentials for %s and no software statement to get them with: "+
		"download one from the TVE Dashboard and run cmu register --statement FILE", l.adobe())
}

// answered is the answer to an order.
type answered struct {
	order   reportOrder
	answer  *reports.Answer
	outcome outcome
}

// ask answers an order, with the errors as they are.
func (l *local) ask(ctx context.Context, o *reportOrder, tell func(progress)) (*reports.Answer, outcome, error) {
	read, err := l.reports.Parse(cmu.Request{Path: o.Request.Path}.Canonical(), o.Bounds)
	if err != nil {
		return nil, outcome{}, err
	}
	o.Request.Start, o.Request.End = read.Start, read.End
	telling := reports.WithProgress(ctx, func(done, total int) { tell(progress{done, total}) })
	a, source, err := l.complete(telling, o)
	if errors.Is(err, access.ErrNoAccess) && l.address.Gateway == "" && l.awaitAccess(ctx) {
		a, source, err = l.complete(telling, o)
	}
	if ctx.Err() != nil {
		return nil, outcome{}, ctx.Err()
	}
	if err != nil {
		return nil, outcome{}, err
	}
	l.log.InfoContext(ctx, "report answered", "source", source.String(), "rows", a.Rows, "report", o.Request.Report())
	return a, outcome{
		Source: source, Age: max(time.Since(a.Fetched), 0), Incomplete: gateway.IncompleteReason(a),
		Limited: o.Request.Limit > 0 && a.Rows >= o.Request.Limit, BeforeHorizon: gateway.BeforeHorizon(a),
	}, nil
}

func (l *local) answer(ctx context.Context, o reportOrder, tell func(progress)) (*answered, error) {
	if err := l.needAccess(ctx); err != nil {
		return nil, err
	}
	a, out, err := l.ask(ctx, &o, tell)
	if err != nil {
		return nil, l.explained(ctx, o.Request, err)
	}
	if o.Form.Simulated = l.madeUp || a.Simulated; o.Form.Date {
		if err := datable(a); err != nil {
			return nil, err
		}
	}
	return &answered{o, a, out}, nil
}

func (l *local) rows(ctx context.Context, o reportOrder, tell func(progress)) (*reports.Answer, outcome, error) {
	if err := l.needAccess(ctx); err != nil {
		return nil, outcome{}, err
	}
	a, out, err := l.ask(ctx, &o, tell)
	if err != nil {
		text := l.explained(ctx, o.Request, err)
		if _, wait := l.gateway.Explain(ctx, o.Request, err); wait > 0 {
			return nil, out, &reports.UnavailableError{RetryAfter: wait, Reason: text.Error(), Cause: err}
		}
		return nil, out, text
	}
	return a, out, nil
}

// complete asks until all of a report is there, for as long as each time brings more of it.
func (l *local) complete(ctx context.Context, o *reportOrder) (a *reports.Answer, source reports.Source, err error) {
	wanted := o.Directives
	for had, idle := 0, 0; idle < 3 && ctx.Err() == nil; idle++ {
		a, source, err = l.reports.Get(ctx, o.Request, wanted)
		var part *reports.UnavailableError
		if !errors.Is(err, reports.ErrUnfinished) || !errors.As(err, &part) || part.Total == 0 {
			break
		}
		if part.Done > had {
			had, idle = part.Done, 0
		}
		wanted = reports.Directives{} // what has come is new enough
	}
	return a, source, err
}

// datable fails where rows have no date, before any is written.
func datable(a *reports.Answer) error {
	enough := errors.New("one row tells")
	err := a.Each(func(row cmu.Row) error {
		if _, err := gateway.Dated(row); err != nil {
			return err
		}
		return enough
	})
	if errors.Is(err, enough) {
		return nil
	}
	return err
}

// accessTime is how long a command that is alone waits for access: nobody goes on with the renewal when it has ended.
const accessTime = 15 * time.Second

// awaitAccess tells whether there is access after a while.
func (l *local) awaitAccess(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, accessTime)
	defer cancel()
	_, err := l.keeper.Refresh(ctx, access.RefreshOptions{})
	return !errors.Is(err, access.ErrNoAccess)
}

// explained says in a sentence, unless the context has ended, why there is no report, and what stands in the way of a token.
func (l *local) explained(ctx context.Context, r cmu.Request, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	text, retryAfter := l.gateway.Explain(ctx, r, err)
	var denied *access.NoAccessError
	if errors.As(err, &denied) && denied.Outage == nil && denied.Unwrap() != nil {
		text += " " + denied.Unwrap().Error()
	} else if retryAfter > 0 {
		text += fmt.Sprintf(" Ask again in %v.", retryAfter.Round(time.Second))
	}
	return errors.New(strings.TrimSuffix(text, "."))
}

// write writes the answer in the format that was ordered.
func (a *answered) write(ctx context.Context, w io.Writer) error {
	format := a.order.Request.Format
	if format != "table" {
		return gateway.Encode(ctx, w, a.answer, a.outcome.Source, a.order.Request, format, a.order.Form)
	}
	path, each := a.order.Request.Path, a.answer.Each
	if a.order.Form.Date {
		path = gateway.DatedPath(path)
		each = func(do func(cmu.Row) error) error {
			return a.answer.Each(func(row cmu.Row) error {
				dated, err := gateway.Dated(row)
				if err != nil {
					return err
				}
				return do(dated)
			})
		}
	}
	return writeTable(w, path, each)
}

func (l *local) report(ctx context.Context, o reportOrder, tell func(progress), w io.Writer) (outcome, error) {
	a, err := l.answer(ctx, o, tell)
	if err != nil {
		return outcome{}, err
	}
	return a.outcome, a.write(ctx, w)
}

func (l *local) purge(ctx context.Context, o purgeOrder) (reports.Purged, error) {
	n, err := l.reports.Purge(ctx, o.Request, o.History)
	if err != nil {
		return n, fmt.Errorf("not all could be deleted: %w", err)
	}
	return n, nil
}

func (l *local) status(ctx context.Context) (status, error) {
	known := l.gateway.Status(ctx)
	return status{Adobe: l.adobe(), Simulated: known.Simulated, Folder: l.path, Gateway: l.address.Gateway, Status: known}, nil
}

// register registers unless that was done, and keeps the statement so that it can be done again without anybody there.
func (l *local) register(ctx context.Context, o registerOrder, waits func(string)) (access.RegisterResult, error) {
	waits, stop := l.patience(waits)
	defer stop()
	result, err := l.keeper.Register(ctx, access.RegisterOptions{
		Statement: o.Statement, DryRun: o.DryRun, Force: o.Force, Reason: o.Reason, Waits: waits,
	})
	if errors.Is(err, access.ErrNoStatement) {
		return result, fmt.Errorf("there is no software statement for %s: download one from the TVE Dashboard and name it with --statement FILE",
			l.adobe())
	}
	if err != nil || o.DryRun {
		return result, err
	}
	if err := l.follow(ctx, result, waits); err != nil {
		result.Warnings = append(result.Warnings, "The token is still the old client's, as no other could be had yet: "+err.Error())
	}
	if o.Statement == nil || len(result.Warnings) > 0 && result.Outcome == access.Kept {
		return result, nil
	}
	if kept, err := l.secrets.Read(ctx, statementName); err == nil && bytes.Equal(kept, o.Statement) {
		return result, nil
	}
	if err := l.secrets.Write(ctx, statementName, result.ClientID, o.Statement); err != nil {
		return result, fmt.Errorf("the software statement could not be kept: %w", err)
	}
	return result, nil
}

// follow has a token that is there become one of the client that was registered.
func (l *local) follow(ctx context.Context, r access.RegisterResult, waits func(string)) error {
	if r.Outcome != access.Registered {
		return nil
	}
	if _, err := l.secrets.Read(ctx, tokenName); err != nil {
		return nil // none is there: it is fetched when it is needed
	}
	_, err := l.keeper.Refresh(ctx, access.RefreshOptions{Waits: waits})
	return err
}

func (l *local) refresh(ctx context.Context, waits func(string)) (access.RefreshResult, error) {
	if err := l.needAccess(ctx); err != nil {
		return access.RefreshResult{}, err
	}
	waits, stop := l.patience(waits)
	defer stop()
	return l.keeper.Refresh(ctx, access.RefreshOptions{Waits: waits})
}

// patience has it told why nothing happens: at once when another process has to be waited for, after a while when Adobe does not
// answer. It ends with stop.
func (l *local) patience(waits func(string)) (told func(string), stop func() bool) {
	trying := time.AfterFunc(3*time.Second, func() { waits("still trying to reach " + l.settings.AuthURL) })
	return func(message string) {
		trying.Stop()
		waits(message)
	}, trying.Stop
}
