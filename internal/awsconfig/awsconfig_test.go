package awsconfig

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"
)

func with(pairs ...string) []string {
	return append([]string{"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=AKIDVALUE", "AWS_SECRET_ACCESS_KEY=keyvalue",
		"AWS_SESSION_TOKEN=tokenvalue"}, pairs...)
}

func TestFromEnv(t *testing.T) {
	cfg, err := FromEnv(with("AWS_DEFAULT_REGION=us-east-1", "AWS_RETRY_MODE=adaptive", "AWS_MAX_ATTEMPTS=5", "AWS_ENDPOINT_URL="))
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Region != "eu-west-1" || cfg.RetryMode != aws.RetryModeAdaptive || cfg.RetryMaxAttempts != 5 || cfg.BaseEndpoint != nil {
		t.Errorf("region %q, retry mode %q, attempts %d, endpoint %v", cfg.Region, cfg.RetryMode, cfg.RetryMaxAttempts, cfg.BaseEndpoint)
	}
	got, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || got.AccessKeyID != "AKIDVALUE" || got.SecretAccessKey != "keyvalue" || got.SessionToken != "tokenvalue" {
		t.Errorf("Retrieve: keys wrong, %v", err)
	}
	if cfg, err = FromEnv(with("AWS_REGION=", "AWS_DEFAULT_REGION=us-east-1")); err != nil || cfg.Region != "us-east-1" {
		t.Errorf("region %q, %v", cfg.Region, err)
	}
}

func TestProblems(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		want    []string // the lines of the error, by their beginnings
	}{
		{"nothing set", nil, []string{"AWS_REGION: not set; want", "AWS_ACCESS_KEY_ID: not set", "AWS_SECRET_ACCESS_KEY: not set"}},
		{"half a key", with("AWS_SECRET_ACCESS_KEY="), []string{"AWS_SECRET_ACCESS_KEY: not set"}},
		{"endpoint", with("AWS_ENDPOINT_URL=localhost:8000"), []string{"AWS_ENDPOINT_URL: not an http"}},
		{"endpoint with a key", with("AWS_ENDPOINT_URL_DYNAMODB=http://u:keyvalue@host"), []string{"AWS_ENDPOINT_URL_DYNAMODB: not an http"}},
		{"ignore", with("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=si"), []string{`AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "si" is not`}},
		{"retries", with("AWS_RETRY_MODE=legacy", "AWS_MAX_ATTEMPTS=0"), []string{`AWS_RETRY_MODE: "legacy" is neither`, `AWS_MAX_ATTEMPTS: "0" is not`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := FromEnv(test.environ)
			if err == nil {
				t.Fatal("no error")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(test.want) {
				t.Fatalf("%q; want %d problems", lines, len(test.want))
			}
			for i, want := range test.want {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("%q does not begin with %q", lines[i], want)
				}
			}
			if strings.Contains(err.Error(), "keyvalue") {
				t.Error("the error tells a key")
			}
		})
	}
}

// Each service goes where its variable says, else where the common one does, else to AWS.
func TestEndpoints(t *testing.T) {
	amazon := [3]string{"https://dynamodb.eu-west-1.amazonaws.com", "https://secretsmanager.eu-west-1.amazonaws.com",
		"https://lambda.eu-west-1.amazonaws.com"}
	tests := []struct {
		name    string
		environ map[string]string
		want    [3]string
	}{
		{"none", nil, amazon},
		{"one for all", map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
			[3]string{"http://127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:1"}},
		{"one each", map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:2", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://127.0.0.1:3",
			"AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:4"},
			[3]string{"http://127.0.0.1:2", "http://127.0.0.1:3", "http://127.0.0.1:4"}},
		{"one of them empty", map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_DYNAMODB": "",
			"AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:4"},
			[3]string{"http://127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:4"}},
		{"all empty", map[string]string{"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_DYNAMODB": "",
			"AWS_ENDPOINT_URL_SECRETS_MANAGER": "", "AWS_ENDPOINT_URL_LAMBDA": ""},
			amazon},
		{"ignored", map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_LAMBDA": "http://127.0.0.1:4",
			"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
			amazon},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			unset(t)
			for name, value := range test.environ {
				t.Setenv(name, value) // the SDK looks at these itself
			}
			cfg, err := FromEnv(append(os.Environ(), with()...))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			cfg.HTTPClient = &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
				got = append(got, req.URL.Scheme+"://"+req.URL.Host)
				return nil, errors.New("seen")
			})}
			cfg.RetryMaxAttempts = 1
			dynamodb.NewFromConfig(cfg).ListTables(t.Context(), nil)
			secretsmanager.NewFromConfig(cfg).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")})
			lambda.NewFromConfig(cfg).Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f")})
			if diff := cmp.Diff(test.want[:], got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// unset removes for one test what the environment of the tests may hold.
func unset(t *testing.T) {
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SECRETS_MANAGER",
		"AWS_ENDPOINT_URL_LAMBDA", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// A call that is retried sends its whole body again, signed with the keys of the environment.
func TestRetriedCall(t *testing.T) {
	var bodies []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if auth := r.Header.Get("Authorization"); !strings.Contains(auth, "Credential=AKIDVALUE/") || r.Header.Get("X-Amz-Security-Token") != "tokenvalue" {
			t.Error("not signed with the keys of the environment")
		}
		if bodies = append(bodies, string(body)); len(bodies) < 3 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		io.WriteString(w, `{"Name":"s","SecretString":"v"}`)
	}))
	defer server.Close()
	unset(t)
	t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", server.URL)
	cfg, err := FromEnv(append(os.Environ(), with()...))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
		})
	}
	out, err := secretsmanager.NewFromConfig(cfg).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("s")})
	if err != nil || *out.SecretString != "v" {
		t.Fatal(err)
	}
	if want := `{"SecretId":"s"}`; len(bodies) != 3 || bodies[0] != want || bodies[1] != want || bodies[2] != want {
		t.Errorf("bodies %q; want %q three times", bodies, want)
	}
}

// body is the SDK's: once closed it reads as empty.
type body struct {
	io.Reader
	closed bool
}

func (b *body) Read(p []byte) (int, error) {
	if b.closed {
		return 0, io.EOF
	}
	return b.Reader.Read(p)
}

func (b *body) Close() error {
	b.closed = true
	return nil
}

func TestOwnBody(t *testing.T) {
	failed := errors.New("failed")
	tests := []struct {
		name string
		body io.Reader
		want string
		err  string
	}{
		{"small", strings.NewReader("abc"), "abc", ""},
		{"empty", strings.NewReader(""), "", ""},
		{"broken", io.MultiReader(strings.NewReader("abc"), failing{failed}), "", "failed"},
		{"at the bound", bytes.NewReader(make([]byte, maxRequestBody)), string(make([]byte, maxRequestBody)), ""},
		{"over it", bytes.NewReader(make([]byte, maxRequestBody+1)), "", "request body over"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			original := &body{Reader: test.body}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://host/", original)
			if err != nil {
				t.Fatal(err)
			}
			called := false
			_, err = ownBody{roundTrip(func(own *http.Request) (*http.Response, error) {
				called = true
				original.Close()
				for range 2 { // as sent, and as sent again
					got, err := io.ReadAll(own.Body)
					if err != nil || string(got) != test.want || own.ContentLength != int64(len(test.want)) {
						t.Errorf("%d bytes of %d, %v", len(got), len(test.want), err)
					}
					own.Body, _ = own.GetBody()
				}
				return &http.Response{}, nil
			})}.RoundTrip(req)
			if !original.closed || req.Body != io.ReadCloser(original) {
				t.Error("the caller's body is not closed, or is replaced in the caller's request")
			}
			if test.err != "" && (called || err == nil || !strings.Contains(err.Error(), test.err)) || test.err == "" && err != nil {
				t.Errorf("error %v; want %q", err, test.err)
			}
		})
	}
	if _, err := (ownBody{roundTrip(func(own *http.Request) (*http.Response, error) { return nil, failed })}).RoundTrip(
		httptest.NewRequestWithContext(context.Background(), http.MethodGet, "http://host/", nil)); err != failed {
		t.Errorf("without a body: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
