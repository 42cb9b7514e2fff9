package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cmu-gateway/internal/archive"
	"cmu-gateway/internal/reports"
	"cmu-gateway/internal/rig"
	"cmu-gateway/pkg/cmu"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// TestMain lets this test stand in for the function.
func TestMain(m *testing.M) {
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// function runs the function as Lambda does, for one event, and returns its answer, or what it logged where it did not start.
func function(t *testing.T, environ ...string) (answer []byte, log string) {
	t.Helper()
	lambda := rig.NewLambda(t, []byte("{}"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, os.Args[0])
	c.Env = append(environ, "AWS_LAMBDA_RUNTIME_API="+lambda.Address, "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s", "AWS_MAX_ATTEMPTS=1", "AWS_LAMBDA_LOG_FORMAT=JSON")
	var out strings.Builder
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	select {
	case got := <-lambda.Answers:
		answer = got.Body
		c.Process.Kill()
		<-ended
	case <-ended:
	}
	return answer, out.String()
}

// An environment that is of no use is told by the names of its variables.
func TestDoesNotStart(t *testing.T) {
	for environ, want := range map[string][]string{
		"": {"CMU_ARCHIVE: ", "CMU_ARCHIVE_REPORTS: "},
		"CMU_ARCHIVE=s3://reports CMU_ARCHIVE_REPORTS=tenant":       {"CMU_ARCHIVE_REPORTS: tenant: "},
		"CMU_ARCHIVE=s3://reports CMU_WARM=tenant/year?last=2y":     {"CMU_WARM: tenant/year: "},
		"CMU_ARCHIVE=reports CMU_ARCHIVE_REPORTS=tenant/year/month": {"CMU_ARCHIVE: "},
	} {
		answer, log := function(t, strings.Fields(environ)...)
		for _, text := range want {
			if answer != nil || !strings.Contains(log, text) {
				t.Errorf("%q: %s; want %s", environ, log, text)
			}
		}
	}
}

// Without a token nothing can be archived, and nothing is lost by that: the run ends in good order.
func TestWithoutAccess(t *testing.T) {
	backend := s3mem.New()
	if err := backend.CreateBucket("reports"); err != nil {
		t.Fatal(err)
	}
	s3 := httptest.NewServer(gofakes3.New(backend).Server())
	defer s3.Close()
	away := httptest.NewServer(http.NotFoundHandler())
	defer away.Close()
	answer, log := function(t, "CMU_ARCHIVE=s3://reports", "CMU_ARCHIVE_REPORTS=tenant/year/month", "AWS_ENDPOINT_URL="+away.URL,
		"AWS_ENDPOINT_URL_S3="+s3.URL, "CMU_REPORTS_URL="+away.URL)
	var result archive.Result
	if err := json.Unmarshal(answer, &result); err != nil || result.Left != 25 || !strings.Contains(result.Stopped, "access token") {
		t.Errorf("%s, %v; %s", answer, err, log)
	}
	if !strings.Contains(log, `"event":"archive_run"`) {
		t.Errorf("no line tells of the run: %s", log)
	}
}

// What a person must see is an error to Lambda.
func TestProblemsAreErrors(t *testing.T) {
	report, err := archive.ParseReport("tenant/year/month")
	if err != nil {
		t.Fatal(err)
	}
	c := &rig.Clock{}
	o := archive.Options{
		Reports: []archive.Report{report}, Place: archive.Folder(t.TempDir(), c.Now), Policy: rig.Policy, Now: c.Now, Log: slog.New(slog.DiscardHandler),
		Get: func(context.Context, cmu.Request, reports.Directives) (*reports.Answer, error) {
			return nil, errors.New("Adobe answered nonsense")
		},
	}
	result, err := run(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "2024-07 of tenant_year_month could not be archived: Adobe answered nonsense") || result.Failed != 1 {
		t.Errorf("%+v, %v", result, err)
	}
}
