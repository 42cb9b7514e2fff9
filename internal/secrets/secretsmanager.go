package secrets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
)

// manager is a Store in AWS Secrets Manager.
type manager struct{ client *secretsmanager.Client }

// NewSecretsManager returns the store in AWS Secrets Manager. It needs GetSecretValue and PutSecretValue of the secrets, whose
// names may be ARNs. It creates none: Write to a secret that does not exist fails with ErrAbsent. Nothing is cached.
//
// AWS documents that it ignores an id with a value for as long as it keeps the version that they once made, even if another
// value was written since: a retry that comes late does not bring the old value back. To bring one back on purpose, give another id.
func NewSecretsManager(client *secretsmanager.Client) Store { return &manager{client} }

func (s *manager) Read(ctx context.Context, name string) ([]byte, error) {
	// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the secret %s: %w", name, classify(err))
	case out.SecretString == nil && out.SecretBinary != nil:
		return nil, fmt.Errorf("reading the secret %s: it holds bytes; it must hold text (SecretString)", name)
	case aws.ToString(out.SecretString) == "", *out.SecretString == probe:
		return nil, fmt.Errorf("reading the secret %s: %w: it is empty", name, ErrAbsent)
	}
	return []byte(*out.SecretString), nil
}

func (s *manager) Write(ctx context.Context, name, id string, value []byte) error {
	if err := checkValue(name, value); err != nil {
		return err
	}
	// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
	_, err := s.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId:           &name,
		ClientRequestToken: aws.String(requestToken(name, id, value)),
		SecretString:       aws.String(string(value)),
	})
	err = classify(err)
	switch {
	case errors.Is(err, ErrAbsent):
		return fmt.Errorf("writing the secret %s: it does not exist and must be created first, as the template does: %w", name, err)
	case err != nil:
		return fmt.Errorf("writing the secret %s: %w", name, err)
	}
	return nil
}

// probe is what Check writes. Secrets Manager makes the first version of a secret its current one, whatever the label says, so
// Read takes this text for no value.
const (
	probe      = "cmu-gateway: written to find out whether this secret can be written; it is no value"
	probeLabel = "cmu-probe"
)

// Check writes a version with a label of its own, which leaves the current one alone, and reads that back.
func (s *manager) Check(ctx context.Context, name string) error {
	_, err := s.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &name, SecretString: aws.String(probe), VersionStages: []string{probeLabel},
		// A version of its own for each day: what was written before would tell nothing.
		ClientRequestToken: aws.String(requestToken(name, "probe "+time.Now().UTC().Format(time.DateOnly), []byte(probe))),
	})
	if err = classify(err); err != nil {
		return fmt.Errorf("the secret %s cannot be written: %w%s", name, err, remedy(err))
	}
	out, err := s.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name, VersionStage: aws.String(probeLabel)})
	if err = classify(err); err != nil {
		return fmt.Errorf("the secret %s can be written, but not read back: %w%s", name, err, remedy(err))
	}
	if aws.ToString(out.SecretString) != probe {
		return fmt.Errorf("the secret %s does not give back what was written to it", name)
	}
	return nil
}

// remedy says what to do about an error of classify, as the end of a sentence.
func remedy(err error) string {
	switch {
	case errors.Is(err, ErrAbsent):
		return "; create it first, as the template does"
	case errors.Is(err, ErrDenied):
		return "; allow secretsmanager:GetSecretValue and secretsmanager:PutSecretValue for it, and the use of its KMS key"
	}
	return ""
}

// requestToken becomes the version's id, of which 32 to 64 characters are allowed. It holds a hash of the value because the same
// token with another value is refused.
func requestToken(name, id string, value []byte) string {
	h := sha256.New()
	fmt.Fprintf(h, "%d %s %d %s ", len(name), name, len(id), id)
	h.Write(value)
	return hex.EncodeToString(h.Sum(nil))
}

// classify wraps what Secrets Manager answers in the errors that callers tell apart.
func classify(err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return err
	}
	code := api.ErrorCode()
	switch {
	case strings.HasPrefix(code, "ResourceNotFound"):
		return fmt.Errorf("%w: %w", ErrAbsent, err)
	case strings.HasPrefix(code, "AccessDenied"):
		return fmt.Errorf("%w: %w", ErrDenied, err)
	case strings.HasPrefix(code, "Throttling"), strings.HasPrefix(code, "LimitExceeded"), strings.HasPrefix(code, "TooManyRequests"),
		strings.HasPrefix(code, "RequestLimitExceeded"):
		return fmt.Errorf("%w: %w", ErrThrottled, err)
	case strings.HasPrefix(code, "InvalidRequest"):
		return fmt.Errorf("the secret cannot be used in its state; one that is marked for deletion must be restored first: %w", err)
	}
	return err
}
