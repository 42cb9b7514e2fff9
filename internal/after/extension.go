// Package after runs work after an answer has been sent: on Lambda by an internal extension, elsewhere by goroutines. It is for
// work that may be lost, such as refreshing a cache that is served stale meanwhile.
package after

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

const (
	// maxQueued bounds the work that waits or runs.
	maxQueued = 16
	// maxTime bounds the work after one answer.
	maxTime = 25 * time.Second
	// margin is what is left of the function's time when the work is told to end: past it, Lambda kills the process.
	margin = time.Second
)

// Extension keeps a Lambda sandbox awake after an answer until the work queued meanwhile is done. Lambda freezes a sandbox as soon
// as its runtime and all its extensions have asked for the next event, and sends the answer as soon as it has it: so an extension
// that asks later costs the caller nothing. A nil *Extension is one that is off.
//
// Source: AWS Lambda Developer Guide, Lambda Extensions API.
type Extension struct {
	api, id  string
	client   *http.Client
	log      *slog.Logger
	answered chan string // holds the request id of the last answer sent, until it is taken
	busy     sync.Mutex  // held from the beginning of an invocation until its answer is sent

	mu    sync.Mutex
	queue []func(context.Context)
	count int  // queued and running
	off   bool // events come no more
}

// Register makes the extension known to the Extensions API that environ, as os.Environ returns it, names, and begins to take its
// events. It must be called before lambda.Start. Where extensions are not to be had it returns nil: with an error where they
// should be, without one where they are known not to be, which is outside of Lambda and under "sam local", which holds
// the answer back until extensions are done. The function works without.
func Register(environ []string, log *slog.Logger) (*Extension, error) {
	var api string
	for _, pair := range environ {
		switch name, value, _ := strings.Cut(pair, "="); name {
		case "AWS_LAMBDA_RUNTIME_API":
			api = value
		case "AWS_SAM_LOCAL":
			if value == "true" {
				return nil, nil
			}
		}
	}
	if api == "" {
		return nil, nil
	}
	// No proxy, and no time limit on the wait for events.
	e := &Extension{api: "http://" + api + "/2020-01-01/extension/", client: &http.Client{Transport: &http.Transport{}}, log: log,
		answered: make(chan string, 1)}
	if err := e.register(); err != nil {
		return nil, fmt.Errorf("register an extension for the work after the answer: %w", err)
	}
	go e.loop()
	return e, nil
}

func (e *Extension) register() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	header := http.Header{"Lambda-Extension-Name": {"after-answer"}, "Content-Type": {"application/json"}}
	// An internal extension may not ask for SHUTDOWN.
	answer, err := e.call(ctx, http.MethodPost, "register", header, `{"events":["INVOKE"]}`, nil)
	if err != nil {
		return err
	}
	if e.id = answer.Get("Lambda-Extension-Identifier"); e.id == "" {
		return fmt.Errorf("the answer has no Lambda-Extension-Identifier")
	}
	return nil
}

func (e *Extension) call(ctx context.Context, method, path string, header http.Header, body string, v any) (http.Header, error) {
	req, err := http.NewRequestWithContext(ctx, method, e.api+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = header
	res, err := e.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	switch {
	case res.StatusCode >= http.StatusBadRequest && res.StatusCode < http.StatusInternalServerError:
		return nil, fmt.Errorf("%w: %s %s: %s", errRefused, method, path, res.Status)
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s %s: %s", method, path, res.Status)
	}
	if v != nil {
		if err := json.Unmarshal(text, v); err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	return res.Header, nil
}

// errRefused marks a call that it is no use to repeat.
var errRefused = errors.New("refused")

// event is one that Lambda gives to an extension.
type event struct {
	DeadlineMS int64  `json:"deadlineMs"`
	RequestID  string `json:"requestId"`
	Tracing    struct {
		Value string `json:"value"`
	} `json:"tracing"`
}

// loop takes one event after the other. The next is asked for only when the work of the last is done. An invocation ends only when
// every extension has asked for the next event: without events the process would be billed until its time is up, each time. So it ends
// with the loop, and Lambda begins another.
func (e *Extension) loop() {
	for {
		next, err := e.next()
		if err != nil {
			e.fail(err)
			return
		}
		e.afterInvoke(next)
	}
}

// retries are the waits before event/next is asked for again.
var retries = []time.Duration{50 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond}

func (e *Extension) next() (next event, err error) {
	header := http.Header{"Lambda-Extension-Identifier": {e.id}}
	for n := 0; ; n++ {
		if _, err = e.call(context.Background(), http.MethodGet, "event/next", header, "", &next); err == nil {
			return next, nil
		}
		if n == len(retries) || errors.Is(err, errRefused) {
			return event{}, err
		}
		e.log.Warn("the extension asks for its next event again", "error", err)
		time.Sleep(retries[n])
	}
}

// fail says on all sides that there are no more events, and ends the process once the answer under way is sent.
func (e *Extension) fail(err error) {
	e.mu.Lock()
	e.off, e.queue = true, nil
	e.mu.Unlock()
	e.log.Error("the process ends: the extension gets no events", "event", "extension_failed", "error", err)
	e.busy.Lock()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	header := http.Header{"Lambda-Extension-Identifier": {e.id}, "Lambda-Extension-Function-Error-Type": {"Extension.NoEvents"}}
	if _, err := e.call(ctx, http.MethodPost, "exit/error", header, `{"errorType":"Extension.NoEvents"}`, nil); err != nil {
		e.log.Warn("the failure of the extension could not be reported", "error", err)
	}
	os.Exit(1)
}

// context is what the function's handler would be given: log lines bear the request id, and calls of other functions are
// traced on.
func (e event) context() context.Context {
	ctx := lambdacontext.NewContext(context.Background(), &lambdacontext.LambdaContext{AwsRequestID: e.RequestID})
	//lint:ignore SA1029 the key is that of aws-lambda-go
	return context.WithValue(ctx, "x-amzn-trace-id", e.Tracing.Value)
}

// afterInvoke waits for the answer to the invocation of the event, then runs the work. An answer that came too late for an
// earlier invocation does not count. It returns at the deadline, come what may.
func (e *Extension) afterInvoke(of event) {
	ctx, cancel := context.WithDeadline(of.context(), time.UnixMilli(of.DeadlineMS).Add(-margin))
	defer cancel()
	for waiting := true; waiting; {
		select {
		case answered := <-e.answered:
			waiting = answered != of.RequestID
		case <-ctx.Done():
			return
		}
	}
	ctx, cancel = context.WithTimeout(ctx, maxTime)
	defer cancel()
	for ctx.Err() == nil {
		e.mu.Lock()
		work := e.queue
		e.queue = nil
		e.mu.Unlock()
		if len(work) == 0 {
			return
		}
		e.runAll(ctx, work)
	}
}

// runAll runs work side by side and returns when all of it is done, or at the end of ctx.
func (e *Extension) runAll(ctx context.Context, work []func(context.Context)) {
	var running sync.WaitGroup
	for _, w := range work {
		running.Go(func() {
			defer e.done()
			run(ctx, w, e.log)
		})
	}
	done := make(chan struct{})
	go func() {
		running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (e *Extension) done() {
	e.mu.Lock()
	e.count--
	e.mu.Unlock()
}

// run does one piece of work; a panic in it is logged.
func run(ctx context.Context, work func(context.Context), log *slog.Logger) {
	defer func() {
		if cause := recover(); cause != nil {
			log.ErrorContext(ctx, "panic in the work after an answer", "event", "panic", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
		}
	}()
	work(ctx)
}

// Go queues work for the time after the answer to the invocation under way. The context given to it ends after 25 seconds or
// shortly before the function's time is up. The order of work is not kept, and work that is still queued when the time is up
// is kept for the next answer. Go returns false, and work is never run, when too much is queued or the extension is off. An extension
// goes off when Lambda gives it no more events: what is queued then is dropped, and the process ends.
func (e *Extension) Go(work func(context.Context)) bool {
	if e == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.off || e.count >= maxQueued {
		return false
	}
	e.count++
	e.queue = append(e.queue, work)
	return true
}

// Handler returns what is to be given to lambda.Start in place of h, which has the method of lambda.Handler. It tells the extension
// when an answer has been sent.
func (e *Extension) Handler(h interface {
	Invoke(context.Context, []byte) ([]byte, error)
}) any {
	if e == nil {
		return h
	}
	return func(ctx context.Context, payload json.RawMessage) (*answer, error) {
		sent := e.begin(ctx)
		out, err := h.Invoke(ctx, payload)
		if err != nil {
			sent()
			return nil, err
		}
		return &answer{bytes.NewReader(out), sent}, nil
	}
}

// StreamHandler is Handler for a function that streams its answers. An answer is sent when it was read to its end. One that has a method
// ContentType is of that type, any other is JSON.
func (e *Extension) StreamHandler(stream func(context.Context, []byte) (io.ReadCloser, error)) any {
	return func(ctx context.Context, payload json.RawMessage) (*streamed, error) {
		sent := func() {}
		if e != nil {
			sent = e.begin(ctx)
		}
		out, err := stream(ctx, payload)
		if err != nil {
			sent()
			return nil, err
		}
		return &streamed{out, sent}, nil
	}
}

// begin notes that an invocation has begun. sent is to be called when its answer is sent.
func (e *Extension) begin(ctx context.Context) (sent func()) {
	e.busy.Lock()
	var id string
	if of, ok := lambdacontext.FromContext(ctx); ok {
		id = of.AwsRequestID
	}
	return sync.OnceFunc(func() {
		e.sent(id)
		e.busy.Unlock()
	})
}

// sent notes an answer in the place of one that was not waited for. One invocation runs at a time.
func (e *Extension) sent(id string) {
	select {
	case <-e.answered:
	default:
	}
	e.answered <- id
}

// answer is a body that the runtime client sends as it is and closes once it is sent.
type answer struct {
	body *bytes.Reader
	sent func()
}

func (a *answer) Read(p []byte) (int, error) { return a.body.Read(p) }

func (a *answer) Close() error {
	a.sent()
	return nil
}

func (a *answer) ContentType() string { return "application/json" }

// streamed is an answer that is made while the runtime client sends it.
type streamed struct {
	body io.ReadCloser
	sent func()
}

func (s *streamed) Read(p []byte) (int, error) { return s.body.Read(p) }

func (s *streamed) Close() error {
	defer s.sent()
	return s.body.Close()
}

func (s *streamed) ContentType() string {
	if typed, ok := s.body.(interface{ ContentType() string }); ok {
		return typed.ContentType()
	}
	return "application/json"
}
