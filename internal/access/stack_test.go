//go:build stack

package access

import (
	"crypto/rand"
	"log/slog"
	"net/http/httptest"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"cmu-gateway/internal/awsconfig"
	"cmu-gateway/internal/sandbox"
	"cmu-gateway/internal/secrets"
	"cmu-gateway/internal/store"
)

// childStack says that a child works on the emulated AWS: childDeployment is then the name of its table, and begins those of its
// secrets.
const childStack = "CMU_TEST_CHILD_STACK"

func init() {
	if os.Getenv(childStack) != "" {
		openChild = func(name, adobe string) (*Keeper, error) { return cloud(name, adobe), nil }
	}
}

func testConfig(variable string) aws.Config {
	endpoint := os.Getenv(variable)
	// An emulator that shares a busy machine with fifty processes may take longer than AWS ever would: they ask again.
	cfg, err := awsconfig.FromEnv([]string{"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_ENDPOINT_URL=" + endpoint,
		"AWS_MAX_ATTEMPTS=10"})
	if err != nil {
		panic(err)
	}
	return cfg
}

func dynamoDB() *dynamodb.Client {
	return dynamodb.NewFromConfig(testConfig("CMU_TEST_DYNAMODB"))
}

func secretsManager() *secretsmanager.Client {
	return secretsmanager.NewFromConfig(testConfig("CMU_TEST_SECRETS_MANAGER"))
}

// cloud is a keeper on AWS.
func cloud(name, adobe string) *Keeper {
	return realKeeper(secrets.NewSecretsManager(secretsManager()), store.NewDynamoDB(dynamoDB(), name, time.Now, slog.Default()), adobe, name)
}

// deploy makes a table and the three secrets, of which only the statement has a value, and returns the name of the table.
func deploy(t *testing.T, statement string) string {
	t.Helper()
	for _, variable := range []string{"CMU_TEST_DYNAMODB", "CMU_TEST_SECRETS_MANAGER"} {
		if os.Getenv(variable) == "" {
			t.Fatalf("%s is not set: it names the endpoint of an emulator, such as http://127.0.0.1:4566", variable)
		}
	}
	name, ctx := "cmu-test-"+rand.Text(), t.Context()
	if _, err := dynamoDB().CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName:   &name,
		BillingMode: types.BillingModePayPerRequest,
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange},
		},
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("sk"), AttributeType: types.ScalarAttributeTypeS},
		},
	}); err != nil {
		t.Fatalf("CreateTable: %v", err)
	}
	t.Cleanup(func() { _, _ = dynamoDB().DeleteTable(background, &dynamodb.DeleteTableInput{TableName: &name}) })
	for _, secret := range []string{"/statement", "/credentials", "/token"} {
		in := &secretsmanager.CreateSecretInput{Name: aws.String(name + secret)}
		if secret == "/statement" {
			in.SecretString = &statement
		}
		if _, err := secretsManager().CreateSecret(ctx, in); err != nil {
			t.Fatalf("CreateSecret: %v", err)
		}
		t.Cleanup(func() {
			_, _ = secretsManager().DeleteSecret(background, &secretsmanager.DeleteSecretInput{
				SecretId: in.Name, ForceDeleteWithoutRecovery: aws.Bool(true),
			})
		})
	}
	return name
}

// Fifty processes that start at once on one stack make one registration and one token; then the token is revoked under
// twenty keepers, which make one new one.
func TestStack(t *testing.T) {
	adobe := sandbox.New(sandbox.Options{Latency: 300 * time.Millisecond})
	server := httptest.NewServer(adobe)
	defer server.Close()
	name := deploy(t, adobe.Statement())
	count := storm(t, 50, childStack+"=1", childDeployment+"="+name, childAdobe+"="+server.URL)
	if count[Renewed] != 1 || count[Kept] != 49 {
		t.Errorf("outcomes: %v", count)
	}
	if c := adobe.Counts(); c.Register != 1 || c.Token != 1 {
		t.Errorf("%d registrations, %d calls for a token", c.Register, c.Token)
	}
	k := cloud(name, server.URL)
	s := must[Status](t)(k.Status(background))
	if !s.Token.Valid || s.Registrations.Count != 1 {
		t.Errorf("%+v", s)
	}
	adobe.RevokeTokens()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			must[RefreshResult](t)(cloud(name, server.URL).Refresh(background, RefreshOptions{Refused: s.Token.Fingerprint}))
		})
	}
	wg.Wait()
	if c := adobe.Counts(); c.Register != 1 || c.Token != 2 {
		t.Errorf("%d registrations, %d calls for a token", c.Register, c.Token)
	}
	for _, secret := range []string{"/statement", "/credentials", "/token"} {
		value, err := k.o.Secrets.Read(background, name+secret)
		if err != nil {
			t.Fatal(err)
		}
		hide(value)
	}
}
