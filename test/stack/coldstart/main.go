// Command coldstart measures how long the query function takes from exec until it asks for its first event, and until its first answer,
// a report that the table holds; beside a function that does nothing. Both are built as for the cloud and run in turns. It stands in for Lambda's
// Runtime API, for DynamoDB and for Secrets Manager, on the loopback.
//
//	go run ./test/stack/coldstart [-runs 31] [-report PATH?QUERY] [-trace]
//
// The page cache is warm: a first run of each is not counted. -trace prints what Go's runtime tells of the start of the query function.
package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cmu-gateway/internal/sandbox"
)

func main() {
	runs := flag.Int("runs", 31, "starts of each function")
	trace := flag.Bool("trace", false, "print the inits of the query function")
	report := flag.String("report", "/cmu/v2/tenant/year/month/day?start=2026-05&end=2026-07", "report that is the first answer")
	flag.Parse()
	if err := measure(*runs, eventOf(*report), *trace); err != nil {
		fmt.Fprintln(os.Stderr, "coldstart:", err)
		os.Exit(1)
	}
}

// trust adds the certificate of a server to the machine's roots, as a file in dir. They all have to be loaded before the first call to AWS.
func trust(server *httptest.Server, dir string) (file string, err error) {
	const machine = "/etc/ssl/certs/ca-certificates.crt" // Debian's; that of Lambda's image has as many
	text, err := os.ReadFile(machine)
	if err != nil {
		return "", err
	}
	text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})...)
	file = filepath.Join(dir, "roots.pem")
	return file, os.WriteFile(file, text, 0o600)
}

type program struct {
	name, path string
	size       int64
	starts     []times
}

func measure(runs int, event []byte, trace bool) error {
	dir, err := os.MkdirTemp("", "coldstart")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var programs []*program
	for _, p := range []string{"test/stack/coldstart/empty", "functions/query"} {
		built, err := build(p, filepath.Join(dir, filepath.Base(p)))
		if err != nil {
			return err
		}
		programs = append(programs, built)
	}
	empty, query := programs[0], programs[1]

	adobe := httptest.NewServer(sandbox.New(sandbox.Options{Seed: 1}))
	defer adobe.Close()
	aws := httptest.NewUnstartedServer(newCloud())
	aws.Config.ErrorLog = log.New(io.Discard, "", 0) // functions are killed in mid-connection
	aws.StartTLS()
	defer aws.Close()
	roots, err := trust(aws, dir)
	if err != nil {
		return err
	}
	environ := append(environment, "SSL_CERT_FILE="+roots, "SSL_CERT_DIR=/var/empty", "AWS_ENDPOINT_URL="+aws.URL, "CMU_AUTH_URL="+adobe.URL, "CMU_REPORTS_URL="+adobe.URL+sandbox.ReportsPath)
	os.Setenv("SSL_CERT_FILE", roots) // for logIn
	if err := logIn(environ, adobe.URL); err != nil {
		return err
	}
	// The first start asks Adobe, and fills the table.
	if _, answer, err := start(query.path, environ, event); err != nil || !bytes.Contains(answer, []byte(`"statusCode":200`)) {
		return fmt.Errorf("fill the table: %.300s, %w", answer, err)
	}
	if trace {
		cmd := exec.Command(query.path)
		cmd.Env = append(environ, "GODEBUG=inittrace=1", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:1")
		cmd.Stderr = os.Stdout
		cmd.Run()
	}
	for run := range runs + 1 {
		for _, p := range programs {
			t, answer, err := start(p.path, environ, event)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if p == query && !bytes.Contains(answer, []byte("; hit")) {
				return fmt.Errorf("the answer is no hit: %.500s", answer)
			}
			if run > 0 {
				p.starts = append(p.starts, t)
			}
		}
	}
	fmt.Printf("%-10s | %-26s | %-26s | %5s\n", "", "exec to first request, ms", "exec to first answer, ms", "")
	fmt.Printf("%-10s | %8s %8s %8s | %8s %8s %8s | %5s\n", "function", "median", "least", "9 of 10", "median", "least", "9 of 10", "MB")
	for _, p := range programs {
		fmt.Printf("%-10s |%s |%s | %5.2f\n", p.name, p.row(func(t times) time.Duration { return t.asked }),
			p.row(func(t times) time.Duration { return t.answered }), float64(p.size)/1e6)
	}
	middle := func(p *program) float64 {
		return float64(at(p.sorted(func(t times) time.Duration { return t.asked }), 0.5))
	}
	fmt.Printf("query asks after %.2f times what the empty function takes\n", middle(query)/middle(empty))
	return nil
}

func (p *program) sorted(of func(times) time.Duration) []time.Duration {
	var all []time.Duration
	for _, t := range p.starts {
		all = append(all, of(t))
	}
	slices.SortFunc(all, cmp.Compare)
	return all
}

func at(sorted []time.Duration, part float64) time.Duration {
	return sorted[int(part*float64(len(sorted)-1))]
}

func (p *program) row(of func(times) time.Duration) (row string) {
	all := p.sorted(of)
	for _, part := range []float64{0.5, 0, 0.9} {
		row += fmt.Sprintf(" %8.2f", float64(at(all, part))/float64(time.Millisecond))
	}
	return row
}

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

func eventOf(report string) []byte {
	path, query, _ := strings.Cut(report, "?")
	parameters, _ := url.ParseQuery(query)
	event, _ := json.Marshal(map[string]any{
		"resource": "/{proxy+}", "path": path, "httpMethod": "GET", "multiValueQueryStringParameters": parameters,
		"headers":        map[string]string{"Accept": "application/json", "Accept-Encoding": "gzip", "Host": "api"},
		"requestContext": map[string]any{"requestId": "r-1", "stage": "live", "path": "/live" + path},
	})
	return event
}

// environment is what Lambda and the template give a function.
var environment = []string{
	"AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
	"AWS_SESSION_TOKEN=test", "AWS_LAMBDA_FUNCTION_NAME=coldstart", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
	"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=1769", "AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_LAMBDA_LOG_LEVEL=INFO",
	"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand", "LAMBDA_TASK_ROOT=/var/task", "_HANDLER=bootstrap", "PATH=/usr/bin:/bin",
	"GOMAXPROCS=1", "CMU_ENVIRONMENT=production", "CMU_TABLE=cmu-gateway", "CMU_ROW_LIMIT=10000", "CMU_MEMORY=256MiB",
	"CMU_STATEMENT_SECRET=statement", "CMU_CREDENTIALS_SECRET=credentials", "CMU_TOKEN_SECRET=token",
	"CMU_REFRESH_FUNCTION=refresh", "CMU_PURGE=true", "CMU_RESPONSE_MODE=buffered", "CMU_FETCH_TOTAL=16",
}
