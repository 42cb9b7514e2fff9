package secrets_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"cmu-gateway/internal/secrets"
)

// answers is what a service says to each request body.
type answers func(body []byte) (status int, answer string)

func (a answers) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	status, answer := a(body)
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(answer)))}, nil
}

func answering(a answers) secrets.Store {
	return secrets.NewSecretsManager(secretsmanager.New(secretsmanager.Options{
		Region:     "eu-west-1",
		HTTPClient: a,
		Retryer:    aws.NopRetryer{},
	}))
}

// TestSecretsManagerErrors covers the refusals that emulators never give, in the form that AWS documents.
func TestSecretsManagerErrors(t *testing.T) {
	kinds := []error{secrets.ErrAbsent, secrets.ErrDenied, secrets.ErrThrottled}
	for code, want := range map[string]error{
		"ResourceNotFoundException":   secrets.ErrAbsent,
		"AccessDeniedException":       secrets.ErrDenied,
		"ThrottlingException":         secrets.ErrThrottled,
		"LimitExceededException":      secrets.ErrThrottled,
		"InvalidRequestException":     nil,
		"DecryptionFailure":           nil,
		"InternalServiceError":        nil,
		"UnrecognizedClientException": nil,
	} {
		t.Run(code, func(t *testing.T) {
			s := answering(func([]byte) (int, string) {
				return http.StatusBadRequest, fmt.Sprintf(`{"__type":%q,"message":"a reason"}`, code)
			})
			_, readErr := s.Read(ctx, "cmu/token")
			for op, err := range map[string]error{"Read": readErr, "Write": s.Write(ctx, "cmu/token", "1", []byte("hush"))} {
				if err == nil || !strings.Contains(err.Error(), "cmu/token") || !strings.Contains(err.Error(), code) {
					t.Errorf("%s: %v", op, err)
				}
				for _, kind := range kinds {
					if errors.Is(err, kind) != (kind == want) {
						t.Errorf("%s: %v; want it to be %v", op, err, want)
					}
				}
				if strings.Contains(err.Error(), "hush") {
					t.Errorf("%s: the error holds the value: %v", op, err)
				}
			}
		})
	}
}

// TestSecretsManagerTokens looks at the token by which Secrets Manager knows a retry: it refuses one that comes with another value.
func TestSecretsManagerTokens(t *testing.T) {
	var sent struct{ ClientRequestToken, SecretString string }
	s := answering(func(body []byte) (int, string) {
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Error(err)
		}
		return http.StatusOK, "{}"
	})
	token := func(name, id, value string) string {
		t.Helper()
		if err := s.Write(ctx, name, id, []byte(value)); err != nil {
			t.Fatal(err)
		}
		if n := len(sent.ClientRequestToken); n < 32 || n > 64 || sent.SecretString != value {
			t.Errorf("sent a token of %d bytes and %q", n, sent.SecretString)
		}
		return sent.ClientRequestToken
	}
	first := token("name", "1", "hush")
	if again := token("name", "1", "hush"); again != first {
		t.Error("a retry has another token")
	}
	seen := map[string]string{first: "the first"}
	for what, other := range map[string]string{
		"another name":        token("other", "1", "hush"),
		"another id":          token("name", "2", "hush"),
		"another value":       token("name", "1", "hush!"),
		"parts cut elsewhere": token("name", "1h", "ush"),
	} {
		if before, ok := seen[other]; ok {
			t.Errorf("%s has the token of %s", what, before)
		}
		seen[other] = what
	}
}

// The first version of a secret becomes its current one whatever its label: Read takes what Check wrote for no value, and Check
// never touches the current version otherwise.
func TestSecretsManagerCheck(t *testing.T) {
	var current, labelled string
	s := answering(func(body []byte) (int, string) {
		var in struct {
			SecretString, VersionStage string
			VersionStages              []string
		}
		if err := json.Unmarshal(body, &in); err != nil {
			t.Error(err)
		}
		switch {
		case in.SecretString != "" && len(in.VersionStages) == 0:
			current = in.SecretString
		case in.SecretString != "":
			if labelled = in.SecretString; current == "" {
				current = labelled
			}
		case in.VersionStage != "":
			return http.StatusOK, fmt.Sprintf(`{"SecretString":%q}`, labelled)
		case current == "":
			return http.StatusBadRequest, `{"__type":"ResourceNotFoundException","message":"no value"}`
		default:
			return http.StatusOK, fmt.Sprintf(`{"SecretString":%q}`, current)
		}
		return http.StatusOK, "{}"
	})
	for range 2 {
		if err := s.Check(ctx, "credentials"); err != nil {
			t.Error(err)
		}
		if value, err := s.Read(ctx, "credentials"); !errors.Is(err, secrets.ErrAbsent) {
			t.Errorf("Read: %s, %v", value, err)
		}
	}
	if err := s.Write(ctx, "credentials", "1", []byte("hush")); err != nil {
		t.Fatal(err)
	}
	if err := s.Check(ctx, "credentials"); err != nil || current != "hush" {
		t.Errorf("the current version is %s, %v", current, err)
	}
	for code, want := range map[string]string{"ResourceNotFoundException": "create it first", "AccessDeniedException": "allow secretsmanager:GetSecretValue",
		"InvalidRequestException": "restored first", "InternalServiceError": "cannot be written"} {
		refused := answering(func([]byte) (int, string) { return http.StatusBadRequest, fmt.Sprintf(`{"__type":%q}`, code) })
		if err := refused.Check(ctx, "credentials"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "credentials") {
			t.Errorf("%s: %v, want %q", code, err, want)
		}
	}
}
