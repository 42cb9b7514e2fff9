// Command coldstart measures how long a function takes from exec until it asks for its first event, beside a function that
// does nothing, both built as for the cloud and run in turns. It stands in for the Lambda Runtime API on the loopback.
//
//	go run ./test/stack/coldstart [-runs 15] [function ...]
//
// Functions are folders below functions/, query by default. The page cache is warm: a first run of each is not counted.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

const empty = "test/stack/coldstart/empty"

func main() {
	runs := flag.Int("runs", 15, "starts of each function")
	flag.Parse()
	functions := flag.Args()
	if len(functions) == 0 {
		functions = []string{"query"}
	}
	if err := measure(*runs, functions); err != nil {
		fmt.Fprintln(os.Stderr, "coldstart:", err)
		os.Exit(1)
	}
}

type program struct {
	name, path string
	size       int64
	starts     []time.Duration
}

func measure(runs int, functions []string) error {
	dir, err := os.MkdirTemp("", "coldstart")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	packages := []string{empty}
	for _, f := range functions {
		packages = append(packages, "functions/"+f)
	}
	var programs []*program
	for _, p := range packages {
		built, err := build(p, filepath.Join(dir, filepath.Base(p)))
		if err != nil {
			return err
		}
		programs = append(programs, built)
	}
	for run := range runs + 1 {
		for _, p := range programs {
			took, err := start(p.path)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if run > 0 {
				p.starts = append(p.starts, took)
			}
		}
	}
	fmt.Printf("%-10s %9s %9s %9s\n", "function", "median ms", "min ms", "MB")
	for _, p := range programs {
		slices.SortFunc(p.starts, cmp.Compare)
		fmt.Printf("%-10s %9.2f %9.2f %9.2f\n", p.name, milliseconds(p.starts[len(p.starts)/2]), milliseconds(p.starts[0]), float64(p.size)/1e6)
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func build(pkg, path string) (*program, error) {
	cmd := exec.Command("go", "build", "-trimpath", "-tags=lambda.norpc", "-ldflags=-s -w", "-o", path, "./"+pkg)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("build %s: %w", pkg, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	return &program{name: filepath.Base(pkg), path: path, size: info.Size()}, nil
}

// start runs the program until it asks for an event, and returns how long that took.
func start(path string) (time.Duration, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	asked := make(chan time.Time, 1)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(_ http.ResponseWriter, r *http.Request) {
		asked <- time.Now()
		<-r.Context().Done()
	})
	mux.HandleFunc("POST /2020-01-01/extension/register", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Lambda-Extension-Identifier", "coldstart")
		fmt.Fprint(w, `{"functionName":"coldstart","functionVersion":"$LATEST","handler":"bootstrap"}`)
	})
	mux.HandleFunc("GET /2020-01-01/extension/event/next", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	defer server.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path)
	cmd.Env = append(environment, "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String())
	begun := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case at := <-asked:
		cancel()
		<-ended
		return at.Sub(begun), nil
	case err := <-ended:
		return 0, errors.Join(errors.New("it ended before it asked for an event; run it by hand to see why"), err)
	}
}

// environment is what Lambda and the template give a function.
var environment = []string{
	"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
	"AWS_SESSION_TOKEN=test", "AWS_LAMBDA_FUNCTION_NAME=coldstart", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1769", "AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=INFO",
	"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "LAMBDA_TASK_ROOT=/var/task", "_HANDLER=bootstrap", "PATH=/usr/bin:/bin",
	"GOMAXPROCS=1", "CMU_ENVIRONMENT=production", "CMU_TABLE=cmu-gateway", "CMU_ROW_LIMIT=10000", "CMU_MEMORY=256MiB",
	"CMU_STATEMENT_SECRET=statement", "CMU_CREDENTIALS_SECRET=credentials", "CMU_TOKEN_SECRET=token",
	"CMU_REFRESH_FUNCTION=refresh", "CMU_REGISTER_FUNCTION=register", "CMU_PURGE=true",
}
