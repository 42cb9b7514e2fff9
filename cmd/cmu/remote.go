package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"cmu-gateway/internal/access"
	"cmu-gateway/internal/archive"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/version"
)

// remote is the desk of a command while a cmu serve has the folder: it asks that.
type remote struct{ address }

// newRemote fails where the cmu serve is of another release: that knows other orders.
func newRemote(f folder, a address) (*remote, error) {
	if here := version.String(); a.Release != here {
		return nil, fmt.Errorf("the cmu serve at %s is of the release %s, this command of %s: end it (process %d) and start it again",
			a.Gateway, a.Release, here, a.Process)
	}
	f.log.Info("the running cmu serve is asked", "gateway", a.Gateway)
	return &remote{a}, nil
}

// maxLine bounds a line of an answer, in bytes.
const maxLine = 1 << 20

// stream asks for something to be done. What follows the result's line is left in rest, which is to be closed.
func stream[Result any](ctx context.Context, r *remote, path string, what any, hear func(said)) (result Result, rest io.ReadCloser, err error) {
	text, err := json.Marshal(what)
	if err != nil {
		return result, nil, err
	}
	ctx, stop := r.watch(ctx)
	res, err := r.send(ctx, http.MethodPost, path, bytes.NewReader(text))
	if err != nil {
		defer stop()
		return result, nil, brokenOff(ctx, err)
	}
	lines := bufio.NewReaderSize(res.Body, maxLine)
	follows := &following{lines, ctx, func() { res.Body.Close(); stop() }}
	defer func() {
		if err != nil {
			follows.close()
		}
	}()
	if res.StatusCode != http.StatusOK {
		return result, nil, brokenOff(ctx, fmt.Errorf("status %d", res.StatusCode))
	}
	for {
		text, err := lines.ReadSlice('\n')
		var one reply[Result]
		if err == nil {
			err = json.Unmarshal(text, &one)
		}
		switch {
		case err != nil:
			return result, nil, brokenOff(ctx, err)
		case one.Error != "":
			return result, nil, errors.New(one.Error)
		case one.Result != nil:
			return *one.Result, follows, nil
		case hear != nil:
			hear(one.said)
		}
	}
}

// brokenOff is what came instead of an answer, or of its end.
func brokenOff(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("the running cmu serve broke off its answer: %w", err)
}

// following is what follows the lines of an answer, while whoever sends it is watched.
type following struct {
	io.Reader
	watched context.Context
	close   func()
}

func (f *following) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err != nil && err != io.EOF && f.watched.Err() != nil {
		err = context.Cause(f.watched)
	}
	return n, err
}

func (f *following) Close() error {
	f.close()
	return nil
}

// ask asks for what has no body.
func ask[Result any](ctx context.Context, r *remote, path string, what any, hear func(said)) (Result, error) {
	result, rest, err := stream[Result](ctx, r, path, what, hear)
	if err == nil {
		rest.Close()
	}
	return result, err
}

func (r *remote) report(ctx context.Context, o reportOrder, tell func(progress), w io.Writer) (outcome, error) {
	result, rest, err := stream[outcome](ctx, r, "/report", o, func(s said) {
		if s.Progress != nil {
			tell(*s.Progress)
		}
	})
	if err != nil {
		return result, err
	}
	defer rest.Close()
	if _, err := io.Copy(w, rest); err != nil {
		return result, brokenOff(ctx, err)
	}
	return result, nil
}

func (r *remote) purge(ctx context.Context, o purgeOrder) (reports.Purged, error) {
	return ask[reports.Purged](ctx, r, "/purge", o, nil)
}

func (r *remote) restore(ctx context.Context, o restoreOrder, tell func(archive.RestoreStep)) (archive.RestoreResult, error) {
	return ask[archive.RestoreResult](ctx, r, "/restore", o, func(s said) {
		if s.Step != nil {
			step := s.Step.RestoreStep
			step.Done, step.Total = s.Step.Done, s.Step.Total
			tell(step)
		}
	})
}

func (r *remote) status(ctx context.Context) (status, error) {
	return ask[status](ctx, r, "/status", struct{}{}, nil)
}

func (r *remote) register(ctx context.Context, o registerOrder, waits func(string)) (access.RegisterResult, error) {
	return ask[access.RegisterResult](ctx, r, "/register", o, heard(waits))
}

func (r *remote) refresh(ctx context.Context, waits func(string)) (access.RefreshResult, error) {
	return ask[access.RefreshResult](ctx, r, "/refresh", struct{}{}, heard(waits))
}

func (r *remote) close(context.Context) {}

// heard hands on what is waited for.
func heard(waits func(string)) func(said) {
	return func(s said) {
		if s.Waits != "" {
			waits(s.Waits)
		}
	}
}
