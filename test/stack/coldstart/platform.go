package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"time"
)

// times are those of one start, since exec.
type times struct{ asked, answered time.Duration }

// start runs the program until it has answered the event, as Lambda does, and returns how long it took and what it answered.
func start(path string, environ []string, event []byte) (t times, answer []byte, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return t, nil, err
	}
	asked, answered := make(chan time.Time, 1), make(chan time.Time, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		select {
		case asked <- now:
		default: // it has answered
			<-r.Context().Done()
			return
		}
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", "1")
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(now.Add(28*time.Second).UnixMilli(), 10))
		w.Write(event)
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/1/{what}", func(w http.ResponseWriter, r *http.Request) {
		answer, _ = io.ReadAll(r.Body)
		now := time.Now()
		w.WriteHeader(http.StatusAccepted)
		answered <- now
	})
	mux.HandleFunc("POST /2020-01-01/extension/register", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Lambda-Extension-Identifier", "coldstart")
		fmt.Fprint(w, `{"functionName":"coldstart","functionVersion":"$LATEST","handler":"bootstrap"}`)
	})
	mux.HandleFunc("GET /2020-01-01/extension/event/next", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.Env = append(environ, "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String())
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return t, nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case at := <-answered:
		t = times{(<-asked).Sub(begun), at.Sub(begun)}
		cancel()
		<-ended
		return t, answer, nil
	case err := <-ended:
		return t, nil, errors.Join(fmt.Errorf("it ended before it answered:\n%s", log.String()), err)
	}
}
