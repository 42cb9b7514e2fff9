//go:build stack

package secrets_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"cmu-gateway/internal/awsconfig"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/secrets/secretstest"
)

// prefixed is a store whose secrets' names begin with something random, as all tests share one account.
type prefixed struct {
	secrets.Store
	prefix string
}

func (p prefixed) Read(ctx context.Context, name string) ([]byte, error) {
	return p.Store.Read(ctx, p.prefix+name)
}

func (p prefixed) Write(ctx context.Context, name, id string, value []byte) error {
	return p.Store.Write(ctx, p.prefix+name, id, value)
}

func (p prefixed) Check(ctx context.Context, name string) error {
	return p.Store.Check(ctx, p.prefix+name)
}

func TestSecretsManagerContract(t *testing.T) {
	client := secretsManager(t)
	secretstest.Run(t, func(t *testing.T, names ...string) secrets.Store {
		prefix := "cmu-test-" + rand.Text() + "/"
		for _, name := range names {
			create(t, client, &secretsmanager.CreateSecretInput{Name: aws.String(prefix + name)})
		}
		return prefixed{secrets.NewSecretsManager(client), prefix}
	})
}

func secretsManager(t *testing.T) *secretsmanager.Client {
	t.Helper()
	endpoint := os.Getenv("CMU_TEST_SECRETS_MANAGER")
	if endpoint == "" {
		t.Fatal("CMU_TEST_SECRETS_MANAGER is not set: it names the endpoint of an emulator, such as http://127.0.0.1:4566")
	}
	cfg, err := awsconfig.FromEnv([]string{"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_ENDPOINT_URL=" + endpoint})
	if err != nil {
		t.Fatal(err)
	}
	return secretsmanager.NewFromConfig(cfg)
}

func create(t *testing.T, client *secretsmanager.Client, in *secretsmanager.CreateSecretInput) {
	t.Helper()
	if _, err := client.CreateSecret(ctx, in); err != nil {
		t.Fatalf("CreateSecret: %v", err)
	}
	t.Cleanup(func() {
		_, err := client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: in.Name, ForceDeleteWithoutRecovery: aws.Bool(true)})
		if err != nil {
			t.Errorf("DeleteSecret: %v", err)
		}
	})
}

func TestSecretsManagerMissing(t *testing.T) {
	s := secrets.NewSecretsManager(secretsManager(t))
	err := s.Write(ctx, "cmu-test-"+rand.Text(), "1", []byte("hush"))
	if !errors.Is(err, secrets.ErrAbsent) || !strings.Contains(err.Error(), "must be created first") || strings.Contains(err.Error(), "hush") {
		t.Errorf("Write to a secret that does not exist: %v", err)
	}
}

func TestSecretsManagerBinary(t *testing.T) {
	client := secretsManager(t)
	name := "cmu-test-" + rand.Text()
	create(t, client, &secretsmanager.CreateSecretInput{Name: &name, SecretBinary: []byte("hush")})
	_, err := secrets.NewSecretsManager(client).Read(ctx, name)
	if err == nil || errors.Is(err, secrets.ErrAbsent) || strings.Contains(err.Error(), "hush") {
		t.Errorf("Read of a binary secret: %v", err)
	}
}

func TestSecretsManagerMarkedForDeletion(t *testing.T) {
	client := secretsManager(t)
	name := "cmu-test-" + rand.Text()
	create(t, client, &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("hush")})
	if _, err := client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &name}); err != nil {
		t.Fatal(err)
	}
	s := secrets.NewSecretsManager(client)
	_, readErr := s.Read(ctx, name)
	for op, err := range map[string]error{"Read": readErr, "Write": s.Write(ctx, name, "1", []byte("hush"))} {
		if err == nil || errors.Is(err, secrets.ErrAbsent) || !strings.Contains(err.Error(), "marked for deletion") {
			t.Errorf("%s of a secret that is marked for deletion: %v", op, err)
		}
	}
}
